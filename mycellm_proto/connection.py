"""One connection, sans IO: SPEC.md as a whole.

`Connection` is fed what a QUIC connection receives and says what to write; it has no socket, clock or randomness. Time
(seconds since 1970, never going back), keys and entropy are arguments: same inputs, same bytes. `receive_data` raises
nothing: a peer that breaks the protocol becomes a `ConnectionFailed` event and a `CloseConnection` action, and the
connection stays failed.
"""

from __future__ import annotations

from collections.abc import Iterable

from . import limits
from .admission import admit
from .consumer import ConsumerExchange, Order
from .content import FinishReason
from .control import Control
from .errors import ErrorCode, LocalProtocolError, ProtocolError, RemoteProtocolError
from .events import (
    Action,
    CloseConnection,
    ConnectionFailed,
    Event,
    RequestReceived,
    RequestRefused,
    WriteStream,
)
from .frames import (
    LIMITS,
    Accept,
    Countersign,
    End,
    Error,
    Frame,
    FrameType,
    Models,
    Request,
    UnknownFrame,
    decode_frame,
    encode,
)
from .framing import FrameReader, RawFrame
from .grease import Grease
from .hello import Capability, ConnectionRole, Session
from .keys import SigningKey
from .provider import ProviderExchange
from .signed import Signed
from .states import State

_LAST = (Countersign, End, Error)
"""Frames after which their sender ends its side of a request stream."""

CONTROL_STREAM = {ConnectionRole.INITIATOR: 2, ConnectionRole.RESPONDER: 3}
"""The first unidirectional stream of each side (RFC 9000 section 2.1)."""


class _Stream:
    """One request stream: its reader, its exchange, frames ignored on it, and whether this side has ended it."""

    __slots__ = ("ended", "exchange", "ignored", "reader")

    def __init__(self, exchange: ConsumerExchange | ProviderExchange) -> None:
        self.exchange = exchange
        self.reader = FrameReader(LIMITS, limits.MAX_SMALL)
        self.ignored = 0
        self.ended = False


class Connection:
    """A connection of this node, identified by ``key``, in ``role``.

    ``binding`` is the 32-byte channel binding of the TLS connection, ``expected_peer`` the dialed node's key or None
    where it is not known yet, ``grease`` a seed for reserved values or empty for none.
    """

    def __init__(
        self,
        *,
        role: ConnectionRole,
        key: SigningKey,
        binding: bytes,
        now: float,
        expected_peer: bytes | None = None,
        grease: bytes = b"",
    ) -> None:
        self._role = role
        self._key = key
        self._grease = Grease(grease)
        self._control = Control(
            role=role, key=key, binding=binding, expected_peer=expected_peer, grease=self._grease, now=now
        )
        # Nothing but HELLO comes before the peer is proved, so no more than that is kept.
        self._control_reader = FrameReader({FrameType.HELLO: limits.MAX_HELLO}, limits.MAX_SMALL)
        self._streams: dict[int, _Stream] = {}
        self._next_stream = int(role)
        self._next_peer_stream = 1 - int(role)
        self._skipped: set[int] = set()  # the peer's streams below that one of which nothing came yet
        self._discarded = 0
        self._events: list[Event] = []
        self._actions: list[Action] = []
        self._over = False
        self._write(CONTROL_STREAM[role], self._control.start())

    # What the transport received

    def receive_data(self, stream_id: int, data: bytes, fin: bool, now: float) -> None:
        """Take bytes of a stream, in order, and whether the peer ended it."""
        if self._over:
            return
        try:
            self._receive(stream_id, data, fin, now)
        except ProtocolError as error:
            self._fail(error)

    def receive_reset(self, stream_id: int, now: float) -> None:
        """The peer reset the stream, or stopped reading it."""
        if self._over:
            return
        try:
            self._reset(stream_id)
        except ProtocolError as error:
            self._fail(error)

    def connection_lost(self, code: int) -> None:
        """The connection is gone: every exchange is over with ``code``."""
        if not self._over:
            self._over = True
            self._end_all(code)

    # What the owner reads

    def next_event(self) -> Event | None:
        """The next event, oldest first."""
        return self._events.pop(0) if self._events else None

    def actions(self) -> list[Action]:
        """What the transport must do now, in order; each is given once."""
        actions, self._actions = self._actions, []
        return actions

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due (seconds), or None."""
        deadlines = [stream.exchange.deadline for stream in self._streams.values()] + [self._control.deadline]
        return None if self._over else min((due for due in deadlines if due is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """Let every wait that is due end as SPEC.md says."""
        if self._over:
            return
        if self._control.deadline is not None and now >= self._control.deadline:
            error = RemoteProtocolError("no handshake in time", code=ErrorCode.TIMEOUT, requirement="HSK-014")
            self._fail(error)
            return
        for stream_id, stream in list(self._streams.items()):
            if stream.exchange.deadline is not None and now >= stream.exchange.deadline:
                self._sent(stream_id, stream.exchange.expire(now))

    @property
    def session(self) -> Session | None:
        """What the handshake proved; None before."""
        return self._control.session

    # What the owner does, as either side

    def advertise(self, quotes: Iterable[Signed], now: float) -> None:
        """Offer the models of these signed quotes to the peer, in place of those offered before.

        Raises `LocalProtocolError` before the handshake is done, and for more quotes than one frame holds.
        """
        if self._over:
            return
        self._control.forget_quotes(now)
        self._write(CONTROL_STREAM[self._role], self._control.advertise(quotes))

    def close(self, code: ErrorCode) -> None:
        """Close the connection; every exchange is over."""
        if not self._over:
            self._over = True
            self._actions.append(CloseConnection(code=code))
            self._end_all(code)

    # What the owner does, as a consumer

    def request(self, order: Order, now: float) -> int:
        """Ask for an answer; the stream's id.

        Raises `LocalProtocolError` where the session does not allow it, or the content is larger than a frame may be.
        """
        if self._over:
            message = "the connection is over"
            raise LocalProtocolError(message, code=ErrorCode.PEER_GONE, requirement="ERR-004")
        session = self.session
        if session is None or not session.pinned or Capability.CHAT not in session.capabilities:
            message = "no request before authentication, to an unpinned peer, or without the capability"
            raise LocalProtocolError(message, code=ErrorCode.UNPINNED, requirement="HSK-013")
        if order.open.quote not in self._control.peer_quotes:
            message = "the quote is not one of the peer's"
            raise LocalProtocolError(message, code=ErrorCode.UNKNOWN_QUOTE, requirement="RCP-004")
        stream_id = self._next_stream
        exchange = ConsumerExchange(stream_id, order, self._key, now)
        self._write(stream_id, exchange.ask() + self._reserved())
        self._next_stream += 4
        self._streams[stream_id] = _Stream(exchange)
        self._discarded = 0
        return stream_id

    def consumed(self, stream_id: int, size: int) -> None:
        """The owner has taken ``size`` bytes of chunks."""
        if (exchange := self._consumer(stream_id)) is not None:
            self._sent(stream_id, exchange.consumed(size))

    def cancel(self, stream_id: int, now: float) -> None:
        """Want no more of this answer. Without effect where it is over."""
        if (exchange := self._consumer(stream_id)) is not None:
            self._sent(stream_id, exchange.cancel(now))

    def countersign(self, stream_id: int) -> None:
        """Send the countersignature of an `Ended` exchange, once its evidence is stored."""
        if (exchange := self._consumer(stream_id)) is not None:
            self._sent(stream_id, exchange.countersign())

    # What the owner does, as a provider

    def provider(self, stream_id: int) -> ProviderExchange | None:
        """The exchange on a peer's stream, to be asked whether it is `affordable` and `ready`; None when over."""
        stream = self._streams.get(stream_id)
        return stream.exchange if stream and isinstance(stream.exchange, ProviderExchange) else None

    def accept(self, stream_id: int, input_tokens: int) -> bool:
        """Promise an answer. False where it was refused for its ceiling, or is over."""
        if (exchange := self.provider(stream_id)) is None or exchange.state is not State.REQUESTED:
            return False
        frames = exchange.accept(input_tokens)
        accepted = isinstance(frames[0], Accept)
        self._sent(stream_id, frames + self._reserved() if accepted else frames)
        return accepted

    def refuse(
        self,
        stream_id: int,
        code: ErrorCode,
        *,
        retry_after_ms: int | None = None,
        limit: int | None = None,
        actual: int | None = None,
    ) -> None:
        """Give a request up. Without effect where it is over."""
        exchange = self.provider(stream_id)
        if exchange is not None and exchange.state not in (State.ENDED, State.DONE):
            frames = exchange.refuse(code, retry_after_ms=retry_after_ms, limit=limit, actual=actual)
            self._sent(stream_id, frames)

    def chunk(self, stream_id: int, text: str, tokens: int, now: float) -> None:
        """Deliver text. Without effect where the exchange is over; raises `LocalProtocolError` unless it may go."""
        exchange = self.provider(stream_id)
        if exchange is not None and exchange.state is State.STREAMING:
            self._sent(stream_id, exchange.chunk(text, tokens, now))

    def end(self, stream_id: int, finish: FinishReason, salt: bytes, now: float) -> None:
        """End an answer with its close. Without effect where it is over.

        Raises `LocalProtocolError` for CANCELLED where nobody cancelled.
        """
        exchange = self.provider(stream_id)
        if exchange is not None and exchange.state in (State.STREAMING, State.CANCELLED):
            self._sent(stream_id, exchange.end(finish, salt, now))

    # Inside

    def _consumer(self, stream_id: int) -> ConsumerExchange | None:
        stream = self._streams.get(stream_id)
        return stream.exchange if stream and isinstance(stream.exchange, ConsumerExchange) else None

    def _receive(self, stream_id: int, data: bytes, fin: bool, now: float) -> None:
        if stream_id in CONTROL_STREAM.values():
            self._receive_control(stream_id, data, fin, now)
            return
        if self.session is None:  # HSK-013: nothing but the handshake before both sides are proved
            raise _misuse("request before authentication", code=ErrorCode.HANDSHAKE_FAILED, requirement="HSK-013")
        stream = self._streams.get(stream_id) or self._accept_stream(stream_id, now)
        if stream is None:
            self._discard(len(data))
            return
        for raw in stream.reader.feed(data):
            self._receive_frame(stream_id, stream, raw, now)
            if stream.exchange.state is State.DONE:
                return
        # FRM-006: what waits for the rest of its frame, all streams together.
        if (
            stream.reader.buffered
            and sum(each.reader.buffered for each in self._streams.values()) > limits.MAX_BUFFERED
        ):
            message = "too many bytes of unfinished frames"
            raise RemoteProtocolError(message, code=ErrorCode.RATE_EXCEEDED, requirement="FRM-006")
        if fin:
            self._finished(stream_id, stream)

    def _reset(self, stream_id: int) -> None:
        if stream_id in CONTROL_STREAM.values():
            raise _misuse("control stream reset")
        if stream_id in self._streams:
            self._lost(stream_id)
        elif stream_id % 4 == 1 - self._role:
            self._is_new(stream_id)  # over before anything came

    def _receive_control(self, stream_id: int, data: bytes, fin: bool, now: float) -> None:
        if stream_id == CONTROL_STREAM[self._role] or fin:  # CTL-001
            raise _misuse("control stream ended, or written by its reader")
        for raw in self._control_reader.feed(data):
            frames = self._control.receive(decode_frame(raw), now)
            self._events += self._control.events
            self._control.events.clear()
            self._write(CONTROL_STREAM[self._role], frames)
            if self.session is not None:
                self._control_reader.limits = LIMITS

    def _accept_stream(self, stream_id: int, now: float) -> _Stream | None:
        """A new request stream of the peer's; None for a stream that is over."""
        if stream_id % 4 != 1 - self._role:  # ours, long over; or a unidirectional one that nobody opens
            if stream_id % 4 == self._role and stream_id < self._next_stream:
                return None
            raise _misuse(f"stream {stream_id} is nobody's")
        if not self._is_new(stream_id):
            return None
        exchange = ProviderExchange(stream_id, self._key, now)
        stream = self._streams[stream_id] = _Stream(exchange)
        if sum(isinstance(each.exchange, ProviderExchange) for each in self._streams.values()) > limits.MAX_STREAMS:
            # FLW-006
            self._sent(stream_id, exchange.refuse(ErrorCode.BUSY, retry_after_ms=1000))
            return None
        return stream

    def _is_new(self, stream_id: int) -> bool:
        """Whether this is the first that is heard of a peer's stream; streams may arrive in any order (FLW-008)."""
        if stream_id in self._skipped:
            self._skipped.remove(stream_id)
            return True
        if stream_id < self._next_peer_stream:
            return False
        if len(self._skipped) + (stream_id - self._next_peer_stream) // 4 > limits.MAX_SKIPPED:
            raise _misuse(f"stream {stream_id} leaves out too many before it", requirement="FLW-008")
        self._skipped.update(range(self._next_peer_stream, stream_id, 4))
        self._next_peer_stream = stream_id + 4
        return True

    def _receive_frame(self, stream_id: int, stream: _Stream, raw: RawFrame, now: float) -> None:
        exchange = stream.exchange
        if isinstance(exchange, ProviderExchange) and exchange.state is State.IDLE:
            self._first_frame(stream_id, exchange, raw, now)
            return
        frame = decode_frame(raw)
        if isinstance(frame, UnknownFrame):
            self._ignore(stream, frame)
        elif isinstance(exchange, ConsumerExchange):
            self._sent(stream_id, exchange.receive(frame, raw.size, now))
        else:
            self._sent(stream_id, exchange.receive(frame))

    def _first_frame(self, stream_id: int, exchange: ProviderExchange, raw: RawFrame, now: float) -> None:
        """A request, verified, or an ERROR that says why not; a caller never waits for nothing (ERR-003)."""
        try:
            frame = decode_frame(raw) if raw.type == FrameType.REQUEST else None
            if not isinstance(frame, Request):
                message = f"frame type {raw.type} is no request"
                raise RemoteProtocolError(message, code=ErrorCode.UNKNOWN_REQUEST, requirement="ERR-003")
            assert self.session is not None  # checked before the stream was accepted
            admitted = admit(
                frame, session=self.session, provider=self._key.public, offered=self._control.offered, now=now
            )
        except ProtocolError as error:
            self._events.append(RequestRefused(stream_id=stream_id, error=error))
            code = ErrorCode.MALFORMED if error.code is ErrorCode.ENCODING else error.code
            self._sent(stream_id, exchange.refuse(code))
            return
        exchange.begin(admitted)
        self._discarded = 0
        self._events.append(RequestReceived(stream_id=stream_id, admitted=admitted))

    def _ignore(self, stream: _Stream, frame: UnknownFrame) -> None:
        stream.ignored += 1
        if frame.type % 2 == 0 or stream.ignored > limits.MAX_IGNORED:  # EXT-002
            message = f"unknown frame type {frame.type}"
            raise RemoteProtocolError(message, code=ErrorCode.UNKNOWN_FRAME, requirement="EXT-002")

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > limits.MAX_DISCARDED:  # FLW-007
            message = "too many bytes for streams that are over"
            raise RemoteProtocolError(message, code=ErrorCode.RATE_EXCEEDED, requirement="FLW-007")

    def _finished(self, stream_id: int, stream: _Stream) -> None:
        """The peer ended its side: after END as it should, else it is gone (INF-017, RCP-032)."""
        if not (isinstance(stream.exchange, ConsumerExchange) and stream.exchange.state is State.ENDED):
            self._lost(stream_id)

    def _lost(self, stream_id: int) -> None:
        stream = self._streams[stream_id]
        if isinstance(stream.exchange, ConsumerExchange):
            stream.exchange.lost(ErrorCode.PEER_GONE)
        else:
            stream.exchange.lost()
        stream.exchange.state = State.DONE
        self._sent(stream_id, [])

    def _reserved(self) -> list[Frame]:
        """EXT-004: a frame of reserved type, never the first of its stream."""
        value = self._grease.draw()
        return [] if value is None else [UnknownFrame(type=value, body=b"")]

    def _sent(self, stream_id: int, frames: list[Frame]) -> None:
        """Write what an exchange sends, collect its events, and forget it once it is over."""
        stream = self._streams[stream_id]
        self._events += stream.exchange.events
        stream.exchange.events.clear()
        over = stream.exchange.state is State.DONE
        fin = not stream.ended and (over or (bool(frames) and isinstance(frames[-1], _LAST)))
        stream.ended = stream.ended or fin
        self._write(stream_id, frames, fin=fin)
        if over:
            del self._streams[stream_id]

    def _write(self, stream_id: int, frames: list[Frame], *, fin: bool = False) -> None:
        data = b"".join(encode(frame, self._extra(frame)) for frame in frames)
        if data or fin:
            self._actions.append(WriteStream(stream_id=stream_id, data=data, fin=fin))

    def _extra(self, frame: Frame) -> dict[int, bool]:
        """EXT-005: a reserved key beside the registered ones, in frames that are sent once a request."""
        return self._grease.keys() if isinstance(frame, Models | Request | Accept) else {}

    def _fail(self, error: ProtocolError) -> None:
        self._over = True
        self._actions.append(CloseConnection(code=error.code))
        self._events.append(ConnectionFailed(error=error))
        self._end_all(error.code)

    def _end_all(self, code: int) -> None:
        for stream in self._streams.values():
            if isinstance(stream.exchange, ConsumerExchange):
                stream.exchange.lost(code)
            else:
                stream.exchange.lost()
            self._events += stream.exchange.events
        self._streams.clear()


def _misuse(
    message: str, *, code: ErrorCode = ErrorCode.STREAM_MISUSE, requirement: str = "CTL-001"
) -> RemoteProtocolError:
    return RemoteProtocolError(message, code=code, requirement=requirement)
