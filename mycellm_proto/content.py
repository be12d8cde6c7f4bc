"""What a consumer asks and what a provider answers: SPEC.md section "Inference exchange".

The content of a request is a frozen value that the HTTP API, the wire and the engine share, so that a parameter
cannot be dropped on the hop between two nodes: it is encoded, committed to and decoded as a whole.
Sampling parameters are integers in millionths, because no float exists on the wire; ``None`` stands for the model's
own default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar

from . import codec
from .errors import ErrorCode, RemoteProtocolError
from .fields import Field, Shape, array, integer, nested, registered, text, write_fields
from .limits import (
    MAX_DEADLINE_MS,
    MAX_MESSAGES,
    MAX_MODEL_ID,
    MAX_REQUEST,
    MAX_STOP_SEQUENCE,
    MAX_STOP_SEQUENCES,
    MAX_TOKENS,
)

MILLION = 1_000_000
"""Sampling parameters are counted in millionths: a temperature of 0.7 is 700_000."""


class Role(IntEnum):
    """Who speaks a message (registry: spec/registries/roles.toml)."""

    SYSTEM = 1
    USER = 2
    ASSISTANT = 3


class Operation(IntEnum):
    """What is asked for (registry: spec/registries/operations.toml)."""

    CHAT = 1


class FinishReason(IntEnum):
    """Why a provider stopped (registry: spec/registries/finish-reasons.toml)."""

    STOP = 1
    LENGTH = 2
    CEILING = 3
    CANCELLED = 4
    DEADLINE = 5
    SHUTDOWN = 6
    FAILED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are drawn: integers in millionths, but ``top_k`` (tokens) and ``seed``; None is the default."""

    temperature: int | None = None
    top_p: int | None = None
    top_k: int | None = None
    min_p: int | None = None
    presence_penalty: int | None = None
    frequency_penalty: int | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """The content of a chat request: the model's id, the conversation, and every bound on the answer.

    ``max_tokens`` bounds the answer in tokens, ``deadline_ms`` its time in milliseconds from the provider's receipt.
    """

    operation: ClassVar[Operation] = Operation.CHAT
    model: str
    messages: tuple[Message, ...]
    max_tokens: int
    deadline_ms: int
    stop: tuple[str, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)


_MESSAGE = Shape(
    "message",
    Field(0, "role", registered(Role)),
    Field(1, "content", text(MAX_REQUEST)),
    code=ErrorCode.MALFORMED,
    requirement="INF-004",
)
_REQUEST_FIELDS = (
    Field(0, "operation", registered(Operation)),
    Field(1, "model", text(MAX_MODEL_ID, 1)),
    Field(2, "messages", array(nested(_MESSAGE, Message), MAX_MESSAGES, 1)),
    Field(3, "max_tokens", integer(MAX_TOKENS, 1)),
    Field(4, "deadline_ms", integer(MAX_DEADLINE_MS, 1)),
    Field(5, "stop", array(text(MAX_STOP_SEQUENCE, 1), MAX_STOP_SEQUENCES, 1), optional=True),
)
_SAMPLING_FIELDS = (
    Field(6, "temperature", integer(2 * MILLION), optional=True),
    Field(7, "top_p", integer(MILLION, 1), optional=True),
    Field(8, "top_k", integer(MAX_TOKENS), optional=True),
    Field(9, "min_p", integer(MILLION), optional=True),
    Field(10, "presence_penalty", integer(2 * MILLION, -2 * MILLION), optional=True),
    Field(11, "frequency_penalty", integer(2 * MILLION, -2 * MILLION), optional=True),
    Field(12, "seed", integer((1 << 64) - 1), optional=True),
)
CHAT_REQUEST = Shape(
    "chat-request", *_REQUEST_FIELDS, *_SAMPLING_FIELDS, code=ErrorCode.MALFORMED, requirement="INF-004"
)
_SAMPLING_NAMES = tuple(field.name for field in _SAMPLING_FIELDS)


def encode_content(request: ChatRequest, extra: Mapping[int, codec.Value] | None = None) -> bytes:
    """The bytes that are committed to and sent. ``extra`` are reserved keys (EXT-005)."""
    entries = write_fields(_REQUEST_FIELDS, request) | write_fields(_SAMPLING_FIELDS, request.sampling)
    return codec.encode({**(extra or {}), **entries})


def decode_content(content: bytes) -> ChatRequest:
    """The request in ``content``. Raises `RemoteProtocolError`, with which the request is refused (not the link)."""
    try:
        value = codec.decode(content)
    except codec.EncodingError as error:
        raise RemoteProtocolError(error.reason.slug, code=ErrorCode.MALFORMED, requirement="INF-003") from None
    operation = value.get(0) if isinstance(value, dict) else None
    if type(operation) is int and operation not in frozenset(Operation):
        raise RemoteProtocolError("unknown operation", code=ErrorCode.UNSUPPORTED, requirement="INF-005")
    attributes = CHAT_REQUEST.read(value)
    del attributes["operation"]
    sampling = {name: attributes.pop(name) for name in _SAMPLING_NAMES if name in attributes}
    return ChatRequest(sampling=Sampling(**sampling), **attributes)
