"""The three contents of a request in JSON, for the family ``content``, and their schema."""

from __future__ import annotations

from collections.abc import Sequence

from mycellm_proto.content import (
    ChatRequest,
    CompletionRequest,
    Content,
    EmbeddingRequest,
    Message,
    Prompt,
    ReasoningEffort,
    Role,
)

from .family import BOOLEAN, NUMBER, TEXT, Json, record

_SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "seed",
)


def shown(request: Content) -> dict[str, Json]:
    """Every parameter that ``request`` sets, by its name."""
    head: dict[str, Json] = {"operation": request.operation.name, "model": request.model}
    match request:
        case EmbeddingRequest():
            inputs = [_prompt(each) for each in request.inputs]
            return {**head, "inputs": inputs, "deadline_ms": request.deadline_ms, **_set(request, ("dimensions",))}
        case CompletionRequest():
            head["prompt"] = _prompt(request.prompt)
        case ChatRequest():
            head["messages"] = [_message(each) for each in request.messages]
    sampling = _set(request.sampling, _SAMPLING)
    if "seed" in sampling:
        sampling["seed"] = str(sampling["seed"])
    if request.sampling.logit_bias:
        sampling["logit_bias"] = [list(each) for each in request.sampling.logit_bias]
    made: dict[str, Json] = {
        **head,
        "max_tokens": request.max_tokens,
        "deadline_ms": request.deadline_ms,
        "stop": list(request.stop),
        "sampling": sampling,
        **_set(request, ("top_logprobs",)),
    }
    return {**made, **_tools(request)} if isinstance(request, ChatRequest) else made


def _tools(request: ChatRequest) -> dict[str, Json]:
    made = _set(request, ("parallel_tool_calls",))
    if request.tools:
        made["tools"] = [_set(each, ("name", "description", "parameters", "strict")) for each in request.tools]
    if request.tool_choice is not None:
        choice = request.tool_choice
        made["tool_choice"] = choice if isinstance(choice, str) else int(choice)
    if request.response_format is not None:
        made["response_format"] = _set(request.response_format, ("schema", "name", "description", "strict"))
    if request.reasoning_effort is not None:
        made["reasoning_effort"] = request.reasoning_effort.name
    return made


def _message(message: Message) -> dict[str, Json]:
    made: dict[str, Json] = {"role": message.role.name, "content": message.content}
    if message.calls:
        made["calls"] = [_set(each, ("id", "name", "arguments")) for each in message.calls]
    return {**made, **_set(message, ("call_id", "name", "reasoning"))}


def _prompt(prompt: Prompt) -> Json:
    return prompt if isinstance(prompt, str) else list(prompt)


def _set(source: object, names: Sequence[str]) -> dict[str, Json]:
    """Those attributes of ``source`` that are set, by their names."""
    return {name: getattr(source, name) for name in names if getattr(source, name) is not None}


_CALLS: Json = {"type": "array", "items": record(id=TEXT, name=TEXT, arguments=TEXT), "minItems": 1}
_MESSAGE = record(
    optional=("calls", "call_id", "name", "reasoning"),
    role={"enum": [role.name for role in Role]},
    content=TEXT,
    calls=_CALLS,
    call_id=TEXT,
    name=TEXT,
    reasoning=TEXT,
)
_TOOL = record(
    optional=("description", "parameters", "strict"), name=TEXT, description=TEXT, parameters=TEXT, strict=BOOLEAN
)
_FORMAT = ("schema", "name", "description", "strict")
_PROMPT: Json = {"anyOf": [TEXT, {"type": "array", "items": NUMBER, "minItems": 1}]}
_BIAS: Json = {"type": "array", "items": {"type": "array", "items": NUMBER, "minItems": 2}}
_GENERATED: dict[str, Json] = {
    "max_tokens": NUMBER,
    "deadline_ms": NUMBER,
    "stop": {"type": "array", "items": TEXT},
    "sampling": record(
        optional=(*_SAMPLING, "logit_bias"), **dict.fromkeys(_SAMPLING[:-1], NUMBER), seed=TEXT, logit_bias=_BIAS
    ),
    "top_logprobs": NUMBER,
}
_WISHES: dict[str, Json] = {
    "tools": {"type": "array", "items": _TOOL, "minItems": 1},
    "tool_choice": {"anyOf": [TEXT, NUMBER]},
    "parallel_tool_calls": BOOLEAN,
    "response_format": record(optional=_FORMAT, **dict.fromkeys(_FORMAT[:-1], TEXT), strict=BOOLEAN),
    "reasoning_effort": {"enum": [each.name for each in ReasoningEffort]},
}
_CHAT = record(
    _GENERATED | _WISHES,
    optional=("top_logprobs", *_WISHES),
    operation={"const": "CHAT"},
    model=TEXT,
    messages={"type": "array", "items": _MESSAGE, "minItems": 1},
)
_COMPLETE = record(_GENERATED, optional=("top_logprobs",), operation={"const": "COMPLETE"}, model=TEXT, prompt=_PROMPT)
_EMBED = record(
    optional=("dimensions",),
    operation={"const": "EMBED"},
    model=TEXT,
    inputs={"type": "array", "items": _PROMPT, "minItems": 1},
    deadline_ms=NUMBER,
    dimensions=NUMBER,
)
SCHEMA: Json = {"anyOf": [_CHAT, _COMPLETE, _EMBED]}
"""The schema of `shown`."""
