"""What a `Connection` tells its owner (events) and wants its transport to do (actions)."""

from __future__ import annotations

from dataclasses import dataclass

from .admission import Admitted
from .answer import Chunk
from .economy import Close, Evidence, Quote
from .errors import ErrorCode, ProtocolError
from .hello import Session
from .signed import Signed


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteStream:
    """Write ``data`` to the stream, then its end if ``fin``."""

    stream_id: int
    data: bytes
    fin: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseConnection:
    """Close the whole connection with an application error code."""

    code: int


Action = WriteStream | CloseConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticated:
    """Both sides are proved."""

    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsChanged:
    """The peer's verified quotes, each with the hash that an open names it by."""

    quotes: tuple[tuple[Quote, Signed], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReceived:
    """A verified request waits for `accept` or `refuse`."""

    stream_id: int
    admitted: Admitted


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefused:
    """A request was refused before it reached the owner; ``error`` says why, for the local log."""

    stream_id: int
    error: ProtocolError


@dataclass(frozen=True, slots=True, kw_only=True)
class Unblocked:
    """A tick or credit came: the provider may be able to send more."""

    stream_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelReceived:
    """The consumer wants no more: stop the work, then `end` with CANCELLED."""

    stream_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The provider's exchange is over. ``evidence`` has a countersignature, or the claim that is left without one.

    Without ``accepted`` nothing is owed, whatever ticks came with the request (RCP-031).
    """

    stream_id: int
    accepted: bool
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The provider will answer and bills this prompt."""

    stream_id: int
    input_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkReceived:
    """A piece of the answer. Give its ``size`` in bytes back with `consumed`."""

    stream_id: int
    chunk: Chunk
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The answer is whole and its close is right: store ``evidence``, then `countersign`.

    ``cause`` says why this side sent CANCEL, where it did: CANCELLED by its owner, TIMEOUT, or OVERRUN.
    """

    stream_id: int
    close: Close
    cause: ErrorCode | None
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The consumer's exchange ended without a close.

    ``owed`` is what the provider may claim with the released ticks of ``evidence`` (micro-credits): nothing where it
    refused the request. ``by_peer`` says that the provider sent ``code``; else it is this side's own.
    """

    stream_id: int
    code: int
    by_peer: bool
    owed: int
    evidence: Evidence
    retry_after_ms: int | None = None
    limit: int | None = None
    actual: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReceived:
    """The peer's call waits for `answer` or `refuse`, for `limits.CALL_TIMEOUT`. ``arguments`` are not read yet."""

    stream_id: int
    procedure: int
    arguments: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CallWithdrawn:
    """Nobody waits for the answer to the peer's call any more."""

    stream_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered:
    """This side's call has its ``result``, which is not read yet."""

    stream_id: int
    result: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailed:
    """This side's call has no result. ``by_peer`` says that the callee sent ``code``; else it is this side's own."""

    stream_id: int
    code: int
    by_peer: bool
    retry_after_ms: int | None = None
    limit: int | None = None
    actual: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFailed:
    """The peer broke the protocol, or a wait passed its deadline. Every exchange is over."""

    error: ProtocolError


Event = (
    Authenticated
    | ModelsChanged
    | RequestReceived
    | RequestRefused
    | Unblocked
    | CancelReceived
    | Settled
    | Accepted
    | ChunkReceived
    | Ended
    | Failed
    | CallReceived
    | CallWithdrawn
    | CallAnswered
    | CallFailed
    | ConnectionFailed
)
