"""Frames: SPEC.md sections "Framing" and "Inference exchange".

One frozen dataclass, one shape and one limit each, in one table.

`decode_frame` gives the dataclass of a registered type and `UnknownFrame` for any other; `encode` is its inverse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from . import codec, limits
from .answer import Chunk, Part, logprob_of, logprob_value
from .economy import SALT_SIZE
from .errors import ErrorCode, LocalProtocolError
from .fields import Field, Kind, Shape, array, blob, integer, octets, text
from .framing import RawFrame, encode_frame
from .keys import SIGNATURE_SIZE
from .signed import HASH_SIZE, Signed


class FrameType(IntEnum):
    """Registered frame types (registry: spec/registries/frames.toml)."""

    HELLO = 0
    MODELS = 2
    ERROR = 4
    REQUEST = 6
    ACCEPT = 8
    CHUNK = 10
    TICK = 12
    CREDIT = 14
    CANCEL = 16
    END = 18
    COUNTERSIGN = 20
    CALL = 22
    RESULT = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloFrame:
    """The first frame of a control stream: a signed HELLO."""

    hello: Signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The signed quotes of every model that the sender offers the receiver now; replaces the list before."""

    quotes: tuple[Signed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """A request is refused or given up. Counts are in the unit of the code; ``retry_after_ms`` in milliseconds."""

    code: int
    retry_after_ms: int | None = None
    limit: int | None = None
    actual: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked, the salt of its commitment, the authorisation, and the link that prepays."""

    content: bytes
    salt: bytes
    open: Signed
    prepaid: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """The provider will answer, and bills ``input_tokens`` for the prompt."""

    input_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """The link that pays for ``k`` ticks in all."""

    k: int
    link: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """The consumer takes CHUNK frames up to ``limit`` bytes in all."""

    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """The consumer wants no more than the first ``chunks`` CHUNK frames, and pays for them with ``k`` ticks in all."""

    chunks: int
    k: int
    link: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The answer is whole: the salt of its commitment and the signed close."""

    salt: bytes
    close: Signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Countersign:
    """The consumer agrees to the close."""

    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A procedure is asked for, with what it takes."""

    procedure: int
    arguments: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a call gives."""

    result: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownFrame:
    """A frame of a type that this version does not know, as it came."""

    type: int
    body: bytes


Frame = (
    HelloFrame
    | Models
    | Error
    | Request
    | Accept
    | Chunk
    | Tick
    | Credit
    | Cancel
    | End
    | Countersign
    | Call
    | Result
    | UnknownFrame
)

_SIGNED = Kind(Signed.from_value, Signed.to_value)
_TICKS = integer(limits.MAX_TICKS)
_LINK = octets(HASH_SIZE)


def _part(value: object) -> Part:
    if type(value) is not int or value == Part.ANSWER:  # which an absent key says
        raise ValueError("not a part")
    return Part(value)


_PART = Kind(_part, int)

# One row a frame: its type, its dataclass, its largest body in bytes, its shape.
_ROWS: tuple[tuple[FrameType, type[Any], int, Shape], ...] = (
    (
        FrameType.MODELS,
        Models,
        limits.MAX_MODELS,
        Shape("models", Field(0, "quotes", array(_SIGNED, limits.MAX_QUOTES))),
    ),
    (
        FrameType.ERROR,
        Error,
        limits.MAX_SMALL,
        Shape(
            "error",
            Field(0, "code", integer(0xFFFF)),
            Field(1, "retry_after_ms", integer(limits.MAX_DEADLINE_MS), optional=True),
            Field(2, "limit", integer(limits.MAX_AMOUNT), optional=True),
            Field(3, "actual", integer(limits.MAX_AMOUNT), optional=True),
        ),
    ),
    (
        FrameType.REQUEST,
        Request,
        limits.MAX_REQUEST,
        Shape(
            "request",
            Field(0, "content", blob(limits.MAX_REQUEST)),
            Field(1, "salt", octets(SALT_SIZE)),
            Field(2, "open", _SIGNED),
            Field(3, "prepaid", _LINK),
        ),
    ),
    (
        FrameType.ACCEPT,
        Accept,
        limits.MAX_SMALL,
        Shape("accept", Field(0, "input_tokens", integer(limits.MAX_TOKENS))),
    ),
    (
        FrameType.CHUNK,
        Chunk,
        limits.MAX_CHUNK,
        Shape(
            "chunk",
            Field(0, "text", text(limits.MAX_CHUNK)),
            Field(1, "tokens", integer(limits.MAX_TOKENS)),
            Field(2, "part", _PART, optional=True, default=Part.ANSWER),
            Field(4, "logprobs", array(Kind(logprob_of, logprob_value), limits.MAX_CHUNK // 4, 1), optional=True),
            Field(6, "vector", blob(limits.MAX_CHUNK, 1), optional=True, default=b""),
        ),
    ),
    (FrameType.TICK, Tick, limits.MAX_SMALL, Shape("tick", Field(0, "k", _TICKS), Field(1, "link", _LINK))),
    (FrameType.CREDIT, Credit, limits.MAX_SMALL, Shape("credit", Field(0, "limit", integer(limits.MAX_AMOUNT)))),
    (
        FrameType.CANCEL,
        Cancel,
        limits.MAX_SMALL,
        Shape("cancel", Field(0, "chunks", integer(limits.MAX_AMOUNT)), Field(1, "k", _TICKS), Field(2, "link", _LINK)),
    ),
    (
        FrameType.END,
        End,
        limits.MAX_END,
        Shape("end", Field(0, "salt", octets(SALT_SIZE)), Field(1, "close", _SIGNED)),
    ),
    (
        FrameType.COUNTERSIGN,
        Countersign,
        limits.MAX_SMALL,
        Shape("countersign", Field(0, "signature", octets(SIGNATURE_SIZE))),
    ),
    (
        FrameType.CALL,
        Call,
        limits.MAX_CALL,
        Shape("call", Field(0, "procedure", integer(0xFFFF)), Field(1, "arguments", blob(limits.MAX_ARGUMENTS))),
    ),
    (FrameType.RESULT, Result, limits.MAX_CALL, Shape("result", Field(0, "result", blob(limits.MAX_ARGUMENTS)))),
)
LIMITS: Mapping[int, int] = {FrameType.HELLO: limits.MAX_HELLO, **{kind: limit for kind, _, limit, _ in _ROWS}}
_BY_TYPE = {int(kind): (make, shape) for kind, make, _, shape in _ROWS}
_BY_CLASS = {make: (kind, shape) for kind, make, _, shape in _ROWS}
TYPES: Mapping[type[Any], FrameType] = {HelloFrame: FrameType.HELLO} | {make: kind for kind, make, _, _ in _ROWS}


def decode_frame(raw: RawFrame) -> Frame:
    """The frame in ``raw``. Raises `RemoteProtocolError` for a body that its type does not allow."""
    if raw.type == FrameType.HELLO:
        return HelloFrame(hello=Signed.from_value(codec.decode(raw.body)))
    row = _BY_TYPE.get(raw.type)
    if row is None:
        return UnknownFrame(type=raw.type, body=raw.body)
    make, shape = row
    frame: Frame = make(**shape.read(codec.decode(raw.body)))
    return frame


def encode(frame: Frame, extra: Mapping[int, codec.Value] | None = None) -> bytes:
    """The bytes of ``frame`` on the wire. ``extra`` are reserved keys for an unsigned body (EXT-005).

    Raises `LocalProtocolError` for a body that every receiver would refuse as too large.
    """
    kind, body = _encode_body(frame, extra)
    if len(body) > (limit := LIMITS.get(kind, limits.MAX_SMALL)):
        message = f"frame type {kind} has {len(body)} bytes, at most {limit}"
        raise LocalProtocolError(message, code=ErrorCode.FRAME_TOO_LARGE, requirement="FRM-004")
    return encode_frame(kind, body)


def _encode_body(frame: Frame, extra: Mapping[int, codec.Value] | None) -> tuple[int, bytes]:
    if isinstance(frame, UnknownFrame):
        return frame.type, frame.body
    if isinstance(frame, HelloFrame):
        return FrameType.HELLO, codec.encode(frame.hello.to_value())
    kind, shape = _BY_CLASS[type(frame)]
    return kind, codec.encode(shape.write(frame, extra))
