"""A request's content as the JSON of OpenAI's API: every parameter, or `GenerationError` that names it."""

from __future__ import annotations

import json
from typing import Any

from mycellm_proto.content import (
    MILLION,
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Message,
    ReasoningEffort,
    ResponseFormat,
    Role,
    Sampling,
    Tool,
    ToolMode,
)
from mycellm_proto.errors import ErrorCode
from reference_node.backend.dialect import Dialect
from reference_node.generation import GenerationError

MILLIONTHS = ("temperature", "top_p", "min_p", "presence_penalty", "frequency_penalty")
EFFORTS = {each: each.name.lower() for each in ReasoningEffort} | {ReasoningEffort.EXTRA_HIGH: "xhigh"}
CHAT_PATH, COMPLETION_PATH, EMBEDDING_PATH = "/chat/completions", "/completions", "/embeddings"

Json = dict[str, Any]


def path_of(request: ChatRequest | CompletionRequest) -> str:
    """Where a request goes, below the configured URL."""
    return CHAT_PATH if isinstance(request, ChatRequest) else COMPLETION_PATH


def generation_body(
    request: ChatRequest | CompletionRequest, name: str, dialect: Dialect, *, salt: str, max_tokens: int
) -> Json:
    """The body for a streamed answer of the model that the backend calls ``name``.

    ``salt`` keeps its prefix cache apart where it can do so; ``max_tokens`` are at most the request's.
    """
    options = {"include_usage": True} | ({"continuous_usage_stats": True} if dialect.counting else {})
    body: Json = {"model": name, "stream": True, "stream_options": options}
    body["max_tokens"] = max_tokens
    if request.stop:
        body["stop"] = list(request.stop)
    if salt and dialect.salted:
        body["cache_salt"] = salt
    body |= _sampling(request.sampling, dialect)
    return body | (_chat(request) if isinstance(request, ChatRequest) else _completion(request))


def embedding_body(request: EmbeddingRequest, name: str) -> Json:
    """The body for vectors as numbers."""
    inputs = [each if isinstance(each, str) else list(each) for each in request.inputs]
    body: Json = {"model": name, "input": inputs, "encoding_format": "float"}
    return body if request.dimensions is None else {**body, "dimensions": request.dimensions}


def _sampling(sampling: Sampling, dialect: Dialect) -> Json:
    body = {name: getattr(sampling, name) / MILLION for name in MILLIONTHS if getattr(sampling, name) is not None}
    if sampling.top_k is not None:
        body["top_k"] = sampling.top_k
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.repetition_penalty is not None:
        body[dialect.penalty] = sampling.repetition_penalty / MILLION
    if sampling.logit_bias:
        body["logit_bias"] = {str(token): bias / MILLION for token, bias in sampling.logit_bias}
    return body


def _completion(request: CompletionRequest) -> Json:
    prompt = request.prompt if isinstance(request.prompt, str) else list(request.prompt)
    return {"prompt": prompt} | ({} if request.top_logprobs is None else {"logprobs": request.top_logprobs})


def _chat(request: ChatRequest) -> Json:
    body: Json = {"messages": [_message(message) for message in request.messages]}
    if request.top_logprobs is not None:
        body |= {"logprobs": True} | ({"top_logprobs": request.top_logprobs} if request.top_logprobs else {})
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if request.tool_choice is not None:
            body["tool_choice"] = _choice(request.tool_choice)
        if request.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = request.parallel_tool_calls
    if request.response_format is not None:
        body["response_format"] = _format(request.response_format)
    if request.reasoning_effort is not None:
        body["reasoning_effort"] = EFFORTS[request.reasoning_effort]
    return body


def _message(message: Message) -> Json:
    body: Json = {"role": message.role.name.lower(), "content": message.content}
    if message.calls:
        body["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.calls
        ]
        body["content"] = message.content or None
    if message.role is Role.TOOL:
        body["tool_call_id"] = message.call_id
    if message.name is not None:
        body["name"] = message.name
    if message.reasoning is not None:
        body["reasoning_content"] = message.reasoning
    return body


def _tool(tool: Tool) -> Json:
    function: Json = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = _schema(tool.parameters, "tools", 20)
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _choice(choice: ToolMode | str) -> object:
    return choice.name.lower() if isinstance(choice, ToolMode) else {"type": "function", "function": {"name": choice}}


def _format(wanted: ResponseFormat) -> Json:
    if wanted.schema is None:
        return {"type": "json_object"}
    schema: Json = {"name": wanted.name or "answer", "schema": _schema(wanted.schema, "response_format", 26)}
    if wanted.description is not None:
        schema["description"] = wanted.description
    if wanted.strict is not None:
        schema["strict"] = wanted.strict
    return {"type": "json_schema", "json_schema": schema}


def _schema(text: str, parameter: str, key: int) -> object:
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise GenerationError(ErrorCode.UNSUPPORTED, actual=key, parameter=parameter) from None


def _no_number(name: str) -> None:
    raise ValueError(name)
