"""The request streams of one connection: which may begin, which are open, and what they may keep here.

SPEC.md sections "Framing" and "Flow control".
"""

from __future__ import annotations

from collections.abc import Iterator

from . import limits
from .calls import Callee, Caller
from .consumer import ConsumerExchange
from .errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from .frames import LIMITS, FrameType, UnknownFrame
from .framing import FrameReader
from .hello import ConnectionRole
from .provider import ProviderExchange
from .states import State

CONTROL_STREAM = {ConnectionRole.INITIATOR: 2, ConnectionRole.RESPONDER: 3}
"""The first unidirectional stream of each side (RFC 9000 section 2.1)."""


Exchange = ConsumerExchange | ProviderExchange | Caller | Callee
"""What a request stream carries, seen from one of its ends."""


class RequestStream:
    """One request stream: its reader, its exchange, frames ignored on it, and whether this side has ended it."""

    __slots__ = ("ended", "exchange", "ignored", "reader", "size")

    def __init__(self, exchange: Exchange, size: int = 0) -> None:
        self.exchange = exchange
        self.reader = FrameReader(LIMITS, limits.MAX_SMALL)
        self.ignored = 0
        self.ended = False
        self.size = size  # bytes of our own REQUEST

    @property
    def is_own(self) -> bool:
        """Whether this side opened it."""
        return isinstance(self.exchange, ConsumerExchange | Caller)

    @property
    def is_call(self) -> bool:
        """Whether it carries a call, from the head of its CALL on."""
        return isinstance(self.exchange, Caller | Callee) or (
            self.exchange.state is State.IDLE and self.reader.pending == FrameType.CALL
        )

    def ignore(self, frame: UnknownFrame) -> None:
        """EXT-002, EXT-008: it's OK to be odd, but not for ever. Raises `RemoteProtocolError`."""
        self.ignored += 1
        if frame.type % 2 == 0:
            message = f"unknown frame type {frame.type}"
            raise RemoteProtocolError(message, code=ErrorCode.UNKNOWN_FRAME, requirement="EXT-002")
        if self.ignored > limits.MAX_IGNORED:
            message = f"more than {limits.MAX_IGNORED} frames of unknown types"
            raise RemoteProtocolError(message, code=ErrorCode.UNKNOWN_FRAME, requirement="EXT-008")


class Streams:
    """All request streams of a connection whose own role is ``role``."""

    def __init__(self, role: ConnectionRole) -> None:
        self.open: dict[int, RequestStream] = {}
        self._role = int(role)
        self._next = int(role)
        self._next_peer = 1 - int(role)
        self._skipped: set[int] = set()  # the peer's streams below that one of which nothing came yet
        self._discarded = 0

    @property
    def next_own(self) -> int:
        """The id of the stream that `begin` opens next."""
        return self._next

    def begin(self, exchange: ConsumerExchange | Caller, size: int) -> None:
        """Open a stream of our own, for a REQUEST or a CALL of ``size`` bytes. Raises `LocalProtocolError` (BUSY)."""
        own = [stream for stream in self.open.values() if stream.is_own]
        waiting = (
            State.REQUESTED,
            State.WITHDRAWN,
            State.CALLED,
        )  # a CANCEL comes behind its REQUEST, and frees nothing
        unanswered = sum(stream.size for stream in own if stream.exchange.state in waiting)
        if len(own) >= limits.MAX_STREAMS:  # FLW-009
            message = f"{len(own)} requests are open to this peer"
            raise LocalProtocolError(message, code=ErrorCode.BUSY, requirement="FLW-009")
        if unanswered + size > limits.MAX_BUFFERED:  # FLW-015, CAL-002
            message = f"{unanswered} bytes of requests to this peer are not answered yet"
            raise LocalProtocolError(message, code=ErrorCode.BUSY, requirement="FLW-015")
        self.open[self._next] = RequestStream(exchange, size)
        self._next += 4
        if isinstance(exchange, ConsumerExchange):
            self.admitted()

    def calls(self, *, own: bool) -> int:
        """How many calls are open, this side's ``own`` or the peer's."""
        return sum(stream.is_call and stream.is_own is own for stream in self.open.values())

    def admitted(self) -> None:
        """A request began: what was on its way for those before it has no excuse any more (FLW-007)."""
        self._discarded = 0

    def is_new(self, stream_id: int) -> bool:
        """Whether this is the first that is heard of a stream; False for one that is over.

        Streams may arrive in any order. Raises `RemoteProtocolError` for a stream that nobody may open.
        """
        if stream_id % 4 != 1 - self._role:
            if stream_id % 4 == self._role and stream_id < self._next:
                return False  # ours, long over
            raise _misuse(f"stream {stream_id} is nobody's", "CTL-003")
        if stream_id in self._skipped:
            self._skipped.remove(stream_id)
            return True
        if stream_id < self._next_peer:
            return False
        if len(self._skipped) + (stream_id - self._next_peer) // 4 > limits.MAX_SKIPPED:
            raise _misuse(f"stream {stream_id} leaves out too many before it", "FLW-008")
        self._skipped.update(range(self._next_peer, stream_id, 4))
        self._next_peer = stream_id + 4
        return True

    def accept(self, stream_id: int, exchange: ProviderExchange) -> bool:
        """Take a new stream of the peer's; whether it is within `limits.MAX_STREAMS` (FLW-006)."""
        self.open[stream_id] = RequestStream(exchange)
        theirs = sum(not stream.is_own for stream in self.open.values())
        return theirs <= limits.MAX_STREAMS

    def check_buffered(self) -> None:
        """FRM-006: what waits for the rest of its frame, all streams together. Raises `RemoteProtocolError`."""
        if sum(stream.reader.buffered for stream in self.open.values()) > limits.MAX_BUFFERED:
            message = "too many bytes of unfinished frames"
            raise RemoteProtocolError(message, code=ErrorCode.RATE_EXCEEDED, requirement="FRM-006")

    def discard(self, size: int) -> None:
        """FLW-007: bytes for a stream that is over. Raises `RemoteProtocolError` for too many."""
        self._discarded += size
        if self._discarded > limits.MAX_DISCARDED:
            message = "too many bytes for streams that are over"
            raise RemoteProtocolError(message, code=ErrorCode.RATE_EXCEEDED, requirement="FLW-007")

    def deadlines(self) -> Iterator[float]:
        """When what waits is due (seconds)."""
        for stream in self.open.values():
            if stream.exchange.deadline is not None:
                yield stream.exchange.deadline


def _misuse(message: str, requirement: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, code=ErrorCode.STREAM_MISUSE, requirement=requirement)
