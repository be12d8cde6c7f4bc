"""The content of a request as bytes: SPEC.md section "Inference exchange".

One table of fields for each operation serves both directions. What a shape cannot say, because it is between two
fields, `_check_consistency` does (INF-034).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from . import codec, limits
from .content import (
    MILLION,
    ChatRequest,
    CompletionRequest,
    Content,
    EmbeddingRequest,
    Message,
    Operation,
    ReasoningEffort,
    ResponseFormat,
    Role,
    Sampling,
    Tool,
    ToolCall,
    ToolMode,
)
from .errors import ErrorCode, RemoteProtocolError
from .fields import (
    Field,
    Kind,
    Shape,
    ShapeError,
    array,
    boolean,
    either,
    integer,
    nested,
    registered,
    text,
    write_fields,
)


def _shape(name: str, *fields: Field) -> Shape:
    return Shape(name, *fields, code=ErrorCode.MALFORMED, requirement="INF-004")


def _token_ids() -> Kind:
    """Token ids as one byte string, four bytes each, least significant first: an array would cost an item each."""

    def read(value: object) -> tuple[int, ...]:
        if type(value) is not bytes or not value or len(value) % 4:
            raise ValueError("neither text nor token ids")
        return struct.unpack(f"<{len(value) // 4}I", value)

    return Kind(read, lambda ids: struct.pack(f"<{len(ids)}I", *ids))


def _bias() -> Kind:
    """A token's id and what is added to its logit, as an array of two."""
    token, bias = integer(limits.MAX_TOKEN_ID), integer(100 * MILLION, -100 * MILLION)

    def read(value: object) -> tuple[int, int]:
        if type(value) is not list or len(value) != 2:
            raise ValueError("not a token id and a bias")
        return token.read(value[0]), bias.read(value[1])

    return Kind(read, list)


_NAME = text(limits.MAX_NAME, 1)
_LONG = text(limits.MAX_REQUEST)
_PENALTY = integer(2 * MILLION, -2 * MILLION)
_PROMPT = either(_LONG, _token_ids())

_CALL = _shape("tool-call", Field(0, "id", _NAME), Field(1, "name", _NAME), Field(2, "arguments", _LONG))
_MESSAGE = _shape(
    "message",
    Field(0, "role", registered(Role)),
    Field(1, "content", _LONG),
    Field(2, "calls", array(nested(_CALL, ToolCall), limits.MAX_TOOL_CALLS, 1), optional=True),
    Field(4, "call_id", _NAME, optional=True),
    Field(6, "name", _NAME, optional=True),
    Field(8, "reasoning", _LONG, optional=True),
)
_TOOL = _shape(
    "tool",
    Field(0, "name", _NAME),
    Field(1, "description", _LONG, optional=True),
    Field(2, "parameters", _LONG, optional=True),
    Field(3, "strict", boolean(), optional=True),
)
_FORMAT = _shape(
    "response-format",
    Field(0, "schema", _LONG, optional=True),
    Field(1, "name", _NAME, optional=True),
    Field(2, "description", _LONG, optional=True),
    Field(3, "strict", boolean(), optional=True),
)


def _head(operation: Operation) -> tuple[Field, Field]:
    only = Kind(integer(operation, operation).read, int)
    return Field(0, "operation", only), Field(1, "model", text(limits.MAX_MODEL_ID, 1))


_DEADLINE = Field(4, "deadline_ms", integer(limits.MAX_DEADLINE_MS, 1))
_GENERATED = (
    Field(3, "max_tokens", integer(limits.MAX_TOKENS, 1)),
    _DEADLINE,
    Field(5, "stop", array(text(limits.MAX_STOP_SEQUENCE, 1), limits.MAX_STOP_SEQUENCES, 1), optional=True),
    Field(18, "top_logprobs", integer(limits.MAX_TOP_LOGPROBS), optional=True),
)
SAMPLING = (
    Field(6, "temperature", integer(2 * MILLION), optional=True),
    Field(7, "top_p", integer(MILLION, 1), optional=True),
    Field(8, "top_k", integer(limits.MAX_TOKENS), optional=True),
    Field(9, "min_p", integer(MILLION), optional=True),
    Field(10, "presence_penalty", _PENALTY, optional=True),
    Field(11, "frequency_penalty", _PENALTY, optional=True),
    Field(12, "seed", integer((1 << 64) - 1), optional=True),
    Field(14, "repetition_penalty", integer(10 * MILLION, 1), optional=True),
    Field(16, "logit_bias", array(_bias(), limits.MAX_LOGIT_BIAS, 1), optional=True),
)
_SAMPLING_NAMES = tuple(field.name for field in SAMPLING)

FIELDS: Mapping[Operation, tuple[Field, ...]] = {
    Operation.CHAT: (
        *_head(Operation.CHAT),
        Field(2, "messages", array(nested(_MESSAGE, Message), limits.MAX_MESSAGES, 1)),
        *_GENERATED,
        Field(20, "tools", array(nested(_TOOL, Tool), limits.MAX_TOOLS, 1), optional=True),
        Field(22, "tool_choice", either(_NAME, registered(ToolMode)), optional=True),
        Field(24, "parallel_tool_calls", boolean(), optional=True),
        Field(26, "response_format", nested(_FORMAT, ResponseFormat), optional=True),
        Field(28, "reasoning_effort", registered(ReasoningEffort), optional=True),
    ),
    Operation.COMPLETE: (*_head(Operation.COMPLETE), Field(2, "prompt", _PROMPT), *_GENERATED),
    Operation.EMBED: (
        *_head(Operation.EMBED),
        Field(2, "inputs", array(_PROMPT, limits.MAX_INPUTS, 1)),
        _DEADLINE,
        Field(30, "dimensions", integer(limits.MAX_DIMENSIONS, 1), optional=True),
    ),
}
CHAT_REQUEST = _shape("chat-request", *FIELDS[Operation.CHAT], *SAMPLING)
COMPLETION_REQUEST = _shape("completion-request", *FIELDS[Operation.COMPLETE], *SAMPLING)
EMBEDDING_REQUEST = _shape("embedding-request", *FIELDS[Operation.EMBED])
SHAPES = {
    Operation.CHAT: CHAT_REQUEST,
    Operation.COMPLETE: COMPLETION_REQUEST,
    Operation.EMBED: EMBEDDING_REQUEST,
}


def encode_content(content: Content, extra: Mapping[int, codec.Value] | None = None) -> bytes:
    """The bytes that are committed to and sent. ``extra`` are reserved keys (EXT-005)."""
    entries = write_fields(FIELDS[content.operation], content)
    if not isinstance(content, EmbeddingRequest):
        entries |= write_fields(SAMPLING, content.sampling)
    return codec.encode({**(extra or {}), **entries})


def decode_content(content: bytes, agreed: frozenset[Operation] = frozenset(Operation)) -> Content:
    """What ``content`` asks for: an operation whose capability was ``agreed``.

    Raises `RemoteProtocolError`, with which the request is refused (not the link).
    """
    try:
        value = codec.decode(content)
    except codec.EncodingError as error:
        raise RemoteProtocolError(error.reason.slug, code=ErrorCode.MALFORMED, requirement="INF-003") from None
    wanted = value.get(0) if isinstance(value, dict) else None
    operation = Operation.CHAT  # whose shape says what is wrong with a content that names none
    if type(wanted) is int:
        if wanted not in frozenset(Operation):
            raise RemoteProtocolError("unknown operation", code=ErrorCode.UNSUPPORTED, requirement="INF-005")
        operation = Operation(wanted)
        if operation not in agreed:
            raise RemoteProtocolError("capability not agreed", code=ErrorCode.UNSUPPORTED, requirement="VER-004")
    attributes = SHAPES[operation].read(value)
    del attributes["operation"]
    made = _make(operation, attributes)
    _check_consistency(made)
    return made


def _make(operation: Operation, attributes: dict[str, Any]) -> Content:
    if operation is Operation.EMBED:
        return EmbeddingRequest(**attributes)
    sampling = Sampling(**{name: attributes.pop(name) for name in _SAMPLING_NAMES if name in attributes})
    if operation is Operation.COMPLETE:
        return CompletionRequest(sampling=sampling, **attributes)
    return ChatRequest(sampling=sampling, **attributes)


def _check_consistency(content: Content) -> None:
    """INF-034: what one field says of another. Raises `ShapeError`."""
    if isinstance(content, EmbeddingRequest):
        return
    ids = [token for token, _ in content.sampling.logit_bias]
    _require(ids == sorted(set(ids)), "logit_bias", "token ids are not ascending")
    if isinstance(content, ChatRequest):
        _check_tools(content)
        _check_messages(content.messages)


def _check_tools(request: ChatRequest) -> None:
    names = {tool.name for tool in request.tools}
    _require(len(names) == len(request.tools), "tools", "two tools of one name")
    choice = request.tool_choice
    if isinstance(choice, str):
        _require(choice in names, "tool_choice", "a tool that is not offered")
    elif choice is ToolMode.REQUIRED:
        _require(bool(names), "tool_choice", "a call is required of no tool")


def _check_messages(messages: tuple[Message, ...]) -> None:
    called: set[str] = set()
    for message in messages:
        own = {call.id for call in message.calls}
        _require(len(own) == len(message.calls), "messages", "two calls of one id")
        of_model = message.role is Role.ASSISTANT
        _require(of_model or not (own or message.reasoning is not None), "messages", "a call of somebody else's")
        _require((message.call_id is not None) == (message.role is Role.TOOL), "messages", "a result without its call")
        _require(message.call_id is None or message.call_id in called, "messages", "a result of no call")
        called |= own


def _require(holds: bool, name: str, what: str) -> None:
    if not holds:
        error = ShapeError(f"{name}: {what}", code=ErrorCode.MALFORMED, requirement="INF-034")
        error.field = name
        raise error


def parameter_name(operation: Operation, key: int) -> str | None:
    """The name of ``key`` in a content of that operation, as an UNSUPPORTED tells it; None for no key of it."""
    return next((field.name for field in SHAPES[operation].fields if field.key == key), None)
