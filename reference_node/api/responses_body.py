"""What a request in the shape of OpenAI's Responses may say, and the same as a `ChatRequest`.

Unknown fields are ignored. Tools that OpenAI itself would run (search, code, images) are left out of what the model is
offered, and the answer's ``tools`` says which were: clients send them to every model. A choice that names one is
refused, and so is everything that would need something kept here between requests, but ``store``.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt, model_validator

from mycellm_proto.content import Message, ResponseFormat, Role, ToolCall, ToolMode
from mycellm_proto.limits import MAX_TOOLS, MAX_TOP_LOGPROBS

from .chat_body import EFFORTS, MODES, Effort
from .checks import (
    MAX_MESSAGES,
    ModelId,
    Name,
    Penalty,
    Strict,
    Temperature,
    Text,
    TokenCount,
    TopP,
    json_text,
    part_of,
    wrong,
)
from .response_tools import ITEM, ToolBody, Toolbox, flat, gathered
from .sampling import StreamOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mycellm_proto.content import ReasoningEffort

REFUSED: Mapping[str, tuple[object, ...]] = {
    "background": (False,),
    "conversation": (),
    "prompt": (),
    "truncation": ("disabled",),
    "context_management": ([],),
    "moderation": (),
}
"""Parameters that are not served, each with the values that ask for nothing (null always does)."""

_OUTPUTS = ("function_call_output", "custom_tool_call_output")
_CALLS = ("function_call", "custom_tool_call")
_DROPPED = ("reasoning", "compaction", ITEM)
"""Items of earlier answers that a model is not shown again, and one that offers tools, which are gathered."""
_ROLES = {"system": Role.SYSTEM, "developer": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT}


class Item(Strict):
    """One item of the input."""

    type: str = "message"
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: Text | None = None
    call_id: Name | None = None
    name: Name | None = None
    namespace: Name | None = None
    arguments: str | None = None
    input: str | None = None
    output: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: object) -> object:
        item = part_of(value)
        kind = item.get("type", "message")
        needed = {"message": ("role", "content"), "function_call": ("call_id", "name", "arguments")}
        needed |= {"custom_tool_call": ("call_id", "name", "input")} | dict.fromkeys(_OUTPUTS, ("call_id", "output"))
        if not isinstance(kind, str) or kind not in needed:
            raise wrong(f"an item of type {str(kind)[:60]!r} is not supported")
        for name in needed[kind]:
            if item.get(name) is None:
                raise wrong(f"an item of type {kind} has {name}")
        return value


def _items(value: object) -> object:
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if not isinstance(value, list):
        raise wrong("it is text or a list of items")
    return [item for item in map(part_of, value) if item.get("type") not in _DROPPED]


class Format(Strict):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    name: Name | None = None
    description: str | None = None
    json_schema: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: StrictBool | None = None

    @model_validator(mode="after")
    def _whole(self) -> Format:
        if self.type == "json_schema" and self.json_schema is None:
            raise wrong("a format of type json_schema has a schema")
        return self


class TextOptions(Strict):
    """Options of the text. ``verbosity`` is a hint without effect."""

    format: Format | None = None


class Reasoning(Strict):
    """How the model thinks. Thoughts are given whole, whichever summary is asked for."""

    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


def _choice(value: object) -> object:
    if value is None or (isinstance(value, str) and value in MODES):
        return value
    if isinstance(value, dict) and value.get("type") in ("function", "custom") and isinstance(value.get("name"), str):
        return value["name"], value.get("namespace")
    raise wrong('it is "none", "auto", "required", or an object that names a function')


class ResponseBody(Strict):
    """The body of a request for a response."""

    model: ModelId
    input: Annotated[list[Item], Field(min_length=1, max_length=MAX_MESSAGES), BeforeValidator(_items)]
    instructions: str | None = None
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    store: StrictBool | None = None
    previous_response_id: Annotated[str, Field(max_length=64)] | None = None
    max_output_tokens: TokenCount | None = None
    max_tool_calls: Annotated[StrictInt, Field(ge=1)] | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    top_logprobs: Annotated[StrictInt, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    include: list[str] | None = None
    tools: Annotated[list[ToolBody], Field(max_length=MAX_TOOLS), BeforeValidator(flat)] | None = None
    tool_choice: Annotated[Any, AfterValidator(_choice)] = None
    parallel_tool_calls: StrictBool | None = None
    reasoning: Reasoning | None = None
    text: TextOptions | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, value: object) -> object:
        return gathered(value)

    @cached_property
    def toolbox(self) -> Toolbox:
        """The tools that are offered."""
        return Toolbox(self.tools or ())

    def choice(self) -> ToolMode | str | None:
        """The tool choice as it crosses."""
        if self.tool_choice is None or not self.tools:
            return None
        if not isinstance(self.tool_choice, tuple):
            return MODES[self.tool_choice]
        return self.toolbox.told(self.tool_choice[0], self.tool_choice[1])

    def effort(self) -> ReasoningEffort | None:
        """How long the model thinks."""
        wanted = self.reasoning.effort if self.reasoning is not None else None
        return None if wanted is None else EFFORTS[wanted]

    def format(self) -> ResponseFormat | None:
        """The form of the answer as it crosses. Raises `ApiError` 400."""
        wanted = self.text.format if self.text is not None else None
        if wanted is None or wanted.type == "text":
            return None
        if wanted.type == "json_object":
            return ResponseFormat()
        return ResponseFormat(
            schema=json_text(wanted.json_schema, "text.format"), name=wanted.name, description=wanted.description,
            strict=wanted.strict,
        )  # fmt: skip

    def wanted_logprobs(self) -> int | None:
        """Alternatives of each token; None where no log-probabilities are wanted."""
        if self.top_logprobs or "message.output_text.logprobs" in (self.include or ()):
            return self.top_logprobs or 0
        return None


def conversation(items: Iterable[Item], toolbox: Toolbox) -> Iterator[Message]:
    """The messages that items are: calls of one turn belong to one message of the assistant."""
    calls: list[ToolCall] = []
    text = ""
    for item in items:
        if item.type in _CALLS:
            arguments = item.arguments if item.type == "function_call" else json_text({"input": item.input}, "input")
            name = toolbox.told(item.name or "", item.namespace)
            calls.append(ToolCall(id=item.call_id or "", name=name, arguments=arguments or ""))
            continue
        if calls or text:
            yield Message(role=Role.ASSISTANT, content=text, calls=tuple(calls))
            calls, text = [], ""
        if item.type in _OUTPUTS:
            yield Message(role=Role.TOOL, content=item.output or "", call_id=item.call_id)
        elif item.role == "assistant" and item.content:
            text = item.content
        else:
            yield Message(role=_ROLES[item.role or "user"], content=item.content or "")
    if calls or text:
        yield Message(role=Role.ASSISTANT, content=text, calls=tuple(calls))
