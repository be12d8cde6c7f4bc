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
from .answer import Chunk
from .calls import Callee, Caller, CallGate
from .consumer import ConsumerExchange
from .content import FinishReason
from .control import Control
from .economy import quote_body
from .errors import ErrorCode, LocalProtocolError, ProtocolError, RemoteProtocolError
from .events import (
    Action,
    CallReceived,
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
    Call,
    Countersign,
    End,
    Error,
    Frame,
    FrameType,
    Models,
    Request,
    Result,
    UnknownFrame,
    decode_frame,
    encode,
)
from .framing import FrameReader, RawFrame
from .grease import Grease
from .hello import NEEDED, ConnectionRole, Session
from .keys import SigningKey
from .order import Order
from .proofs import Proofs
from .provider import ProviderExchange
from .signed import Signed
from .states import State
from .streams import CONTROL_STREAM, RequestStream, Streams

_LAST = (Countersign, End, Error, Result)
"""Frames after which their sender ends its side of a request stream."""


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
        self._control_reader = FrameReader({FrameType.HELLO: limits.MAX_HELLO}, limits.MAX_SMALL, "FRM-009")
        self._streams = Streams(role)
        self.proofs = Proofs(role=role, own=key.public, binding=binding, session=lambda: self._control.session)
        """Which rooted networks both sides have proved to each other here."""
        self._gate = CallGate(now)
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
        if self._over:
            return None
        control = [] if self._control.deadline is None else [self._control.deadline]
        return min((*control, *self._streams.deadlines()), default=None)

    def handle_timeout(self, now: float) -> None:
        """Let every wait that is due end as SPEC.md says."""
        if self._over:
            return
        if self._control.deadline is not None and now >= self._control.deadline:
            self._fail(self._control.overdue())
            return
        for stream_id, stream in list(self._streams.open.items()):
            if stream.exchange.deadline is not None and now >= stream.exchange.deadline:
                self._sent(stream_id, stream.exchange.expire(now))

    @property
    def session(self) -> Session | None:
        """What the handshake proved; None before."""
        return self._control.session

    # What the owner does, as either side

    def advertise(self, quotes: Iterable[Signed], now: float) -> None:
        """Offer the models of these signed quotes to the peer, in place of those offered before.

        Raises `LocalProtocolError` before the handshake is done, for more quotes than one frame holds, for a quote of
        a network that the peer has not proved (NET-048), and for more changes than the peer takes (CTL-005).
        """
        if self._over:
            return
        signed = tuple(quotes)
        for each in signed:
            self.proofs.check_quote(quote_body(each), now)
        self._control.forget_quotes(now)
        self._write(CONTROL_STREAM[self._role], self._control.advertise(signed, now))

    def close(self, code: ErrorCode) -> None:
        """Close the connection; every exchange is over."""
        if not self._over:
            self._over = True
            self._actions.append(CloseConnection(code=code))
            self._end_all(code)

    # What the owner does, as a consumer

    def request(self, order: Order, now: float) -> int:
        """Ask for an answer; the stream's id.

        Raises `LocalProtocolError` where the session does not allow it, where the peer or this node has not proved the
        network of the order (NET-035), where the content is larger than a frame may be, or where too much is asked of
        this peer already (BUSY).
        """
        if self._over:
            message = "the connection is over"
            raise LocalProtocolError(message, code=ErrorCode.PEER_GONE, requirement="ERR-004")
        session = self.session
        if session is None or not session.pinned:
            message = "no request before authentication, or to an unpinned peer"
            raise LocalProtocolError(message, code=ErrorCode.UNPINNED, requirement="HSK-020")
        if NEEDED[order.request.operation] not in session.capabilities:
            message = "no request without its capability"
            raise LocalProtocolError(message, code=ErrorCode.UNSUPPORTED, requirement="HSK-020")
        if order.open.quote not in self._control.peer_quotes:
            message = "the quote is not one of the peer's"
            raise LocalProtocolError(message, code=ErrorCode.UNKNOWN_QUOTE, requirement="RCP-004")
        self.proofs.check_order(order.quote, now)
        stream_id = self._streams.next_own
        exchange = ConsumerExchange(stream_id, order, self._key, now)
        data = self._encode(exchange.ask() + self._reserved())
        self._streams.begin(exchange, len(data))
        self._actions.append(WriteStream(stream_id=stream_id, data=data))
        return stream_id

    def consumed(self, stream_id: int, size: int, now: float) -> None:
        """The owner has taken ``size`` bytes of chunks."""
        if (exchange := self._consumer(stream_id)) is not None:
            self._sent(stream_id, exchange.consumed(size, now))

    def cancel(self, stream_id: int, now: float) -> None:
        """Want no more of this answer. Without effect where it is over."""
        if (exchange := self._consumer(stream_id)) is not None:
            self._sent(stream_id, exchange.cancel(now))

    def countersign(self, stream_id: int) -> None:
        """Send the countersignature of an `Ended` exchange, once its evidence is stored."""
        if (exchange := self._consumer(stream_id)) is not None:
            self._sent(stream_id, exchange.countersign())

    # What the owner does, as a caller and a callee

    def call(self, procedure: int, arguments: bytes, now: float) -> int:
        """Ask the peer for a procedure; the stream's id. `CallAnswered` or `CallFailed` follows.

        Raises `LocalProtocolError` where the session does not allow it, the arguments are larger than a frame may be,
        or too much is asked of this peer already (BUSY).
        """
        if self._over:
            message = "the connection is over"
            raise LocalProtocolError(message, code=ErrorCode.PEER_GONE, requirement="ERR-004")
        stream_id = self._streams.next_own
        exchange = Caller(stream_id, now)
        data = self._encode(exchange.ask(procedure, arguments) + self._reserved())
        self._gate.ask(procedure, self.session, self._streams.calls(own=True), now)
        self._streams.begin(exchange, len(data))
        self._actions.append(WriteStream(stream_id=stream_id, data=data))
        return stream_id

    def answer(self, stream_id: int, result: bytes) -> None:
        """Give the result of a call that was received. Without effect where nobody waits for it any more."""
        stream = self._streams.open.get(stream_id)
        if stream and isinstance(stream.exchange, Callee):
            self._sent(stream_id, stream.exchange.answer(result))

    # What the owner does, as a provider

    def provider(self, stream_id: int) -> ProviderExchange | None:
        """The exchange on a peer's stream, to be asked for its `bound` and whether it is `ready`; None when over."""
        stream = self._streams.open.get(stream_id)
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
        """Give a request up, or a call. Without effect where it is over."""
        stream = self._streams.open.get(stream_id)
        exchange = stream.exchange if stream and isinstance(stream.exchange, ProviderExchange | Callee) else None
        if exchange is not None and exchange.state not in (State.ENDED, State.DONE):
            frames = exchange.refuse(code, retry_after_ms=retry_after_ms, limit=limit, actual=actual)
            self._sent(stream_id, frames)

    def chunk(self, stream_id: int, chunk: Chunk, now: float) -> None:
        """Deliver a piece. Without effect where the exchange is over; raises `LocalProtocolError` unless it may go."""
        exchange = self.provider(stream_id)
        if exchange is not None and exchange.state is State.STREAMING:
            self._sent(stream_id, exchange.chunk(chunk, now))

    def end(self, stream_id: int, finish: FinishReason, salt: bytes, now: float) -> None:
        """End an answer with its close. Without effect where it is over.

        Raises `LocalProtocolError` for CANCELLED where nobody cancelled.
        """
        exchange = self.provider(stream_id)
        if exchange is not None and exchange.state in (State.STREAMING, State.CANCELLED):
            self._sent(stream_id, exchange.end(finish, salt, now))

    # Inside

    def _consumer(self, stream_id: int) -> ConsumerExchange | None:
        stream = self._streams.open.get(stream_id)
        return stream.exchange if stream and isinstance(stream.exchange, ConsumerExchange) else None

    def _receive(self, stream_id: int, data: bytes, fin: bool, now: float) -> None:
        if stream_id in CONTROL_STREAM.values():
            self._receive_control(stream_id, data, fin, now)
            return
        if self.session is None:  # HSK-013: nothing but the handshake before both sides are proved
            message = "request before authentication"
            raise RemoteProtocolError(message, code=ErrorCode.HANDSHAKE_FAILED, requirement="HSK-013")
        stream = self._streams.open.get(stream_id) or self._accept_stream(stream_id, now)
        if stream is None:
            self._streams.discard(len(data))
            return
        for raw in stream.reader.feed(data):
            self._receive_frame(stream_id, stream, raw, now)
            if stream.exchange.state is State.DONE:
                return
        if stream.reader.buffered:
            self._streams.check_buffered()
        if fin:
            self._finished(stream_id, stream)

    def _accept_stream(self, stream_id: int, now: float) -> RequestStream | None:
        """A new request stream of the peer's; None for one that is over, or refused for being one too many."""
        if not self._streams.is_new(stream_id):
            return None
        exchange = ProviderExchange(stream_id, self._key, now)
        if not self._streams.accept(stream_id, exchange):
            self._sent(stream_id, exchange.refuse(ErrorCode.BUSY, retry_after_ms=1000))
            return None
        return self._streams.open[stream_id]

    def _reset(self, stream_id: int) -> None:
        if stream_id in CONTROL_STREAM.values():
            raise _misuse("control stream reset")
        if stream_id in self._streams.open:
            self._lost(stream_id)
        elif self.session is not None:
            self._streams.is_new(stream_id)  # over before anything came

    def _receive_control(self, stream_id: int, data: bytes, fin: bool, now: float) -> None:
        if stream_id == CONTROL_STREAM[self._role] or fin:  # CTL-001
            raise _misuse("control stream ended, or written by its reader")
        for raw in self._control_reader.feed(data):
            frames = self._control.receive(decode_frame(raw), now)
            self._events += self._control.events
            self._control.events.clear()
            self._write(CONTROL_STREAM[self._role], frames)
            if self.session is not None:
                self._control_reader.relimit(LIMITS)

    def _receive_frame(self, stream_id: int, stream: RequestStream, raw: RawFrame, now: float) -> None:
        exchange = stream.exchange
        if isinstance(exchange, ProviderExchange) and exchange.state is State.IDLE:
            if raw.type == FrameType.CALL:
                self._first_call(stream_id, stream, raw, now)
            else:
                self._first_frame(stream_id, exchange, raw, now)
            return
        frame = decode_frame(raw)
        if isinstance(frame, UnknownFrame):
            stream.ignore(frame)
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
                frame,
                session=self.session,
                provider=self._key.public,
                offered=self._control.offered,
                proofs=self.proofs,
                now=now,
            )
        except ProtocolError as error:
            self._events.append(RequestRefused(stream_id=stream_id, error=error))
            code = ErrorCode.MALFORMED if error.code is ErrorCode.ENCODING else error.code
            self._sent(stream_id, exchange.refuse(code))
            return
        exchange.begin(admitted)
        self._streams.admitted()
        self._events.append(RequestReceived(stream_id=stream_id, admitted=admitted))

    def _first_call(self, stream_id: int, stream: RequestStream, raw: RawFrame, now: float) -> None:
        """A call that may be answered, or an ERROR that says why not."""
        others = self._streams.calls(own=False)
        stream.exchange = callee = Callee(stream_id)
        try:
            frame = decode_frame(raw)
            assert isinstance(frame, Call)  # by its type
            assert self.session is not None  # checked before the stream was accepted
            self._gate.admit(frame, self.session, others, now)
        except ProtocolError as error:
            self._events.append(RequestRefused(stream_id=stream_id, error=error))
            code = ErrorCode.MALFORMED if error.code is ErrorCode.ENCODING else error.code
            retry = 1000 if code is ErrorCode.BUSY else None
            self._sent(stream_id, callee.refuse(code, retry_after_ms=retry))
            return
        callee.begin(now)
        self._events.append(CallReceived(stream_id=stream_id, procedure=frame.procedure, arguments=frame.arguments))

    def _finished(self, stream_id: int, stream: RequestStream) -> None:
        """The peer ended its side: after END as it should, else it is gone (INF-017, RCP-032)."""
        if not (isinstance(stream.exchange, ConsumerExchange) and stream.exchange.state is State.ENDED):
            self._lost(stream_id)

    def _lost(self, stream_id: int) -> None:
        stream = self._streams.open[stream_id]
        if isinstance(stream.exchange, ConsumerExchange | Caller):
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
        stream = self._streams.open[stream_id]
        self._events += stream.exchange.events
        stream.exchange.events.clear()
        over = stream.exchange.state is State.DONE
        fin = not stream.ended and (over or (bool(frames) and isinstance(frames[-1], _LAST)))
        stream.ended = stream.ended or fin
        self._write(stream_id, frames, fin=fin)
        if over:
            del self._streams.open[stream_id]

    def _write(self, stream_id: int, frames: list[Frame], *, fin: bool = False) -> None:
        data = self._encode(frames)
        if data or fin:
            self._actions.append(WriteStream(stream_id=stream_id, data=data, fin=fin))

    def _encode(self, frames: list[Frame]) -> bytes:
        return b"".join([encode(frame, self._extra(frame)) for frame in frames])

    def _extra(self, frame: Frame) -> dict[int, bool]:
        """EXT-005: a reserved key beside the registered ones, in frames that are sent once a request."""
        return self._grease.keys() if isinstance(frame, Models | Request | Accept | Call | Result) else {}

    def _fail(self, error: ProtocolError) -> None:
        self._over = True
        self._actions.append(CloseConnection(code=error.code))
        self._events.append(ConnectionFailed(error=error))
        self._end_all(error.code)

    def _end_all(self, code: int) -> None:
        for stream in self._streams.open.values():
            if isinstance(stream.exchange, ConsumerExchange | Caller):
                stream.exchange.lost(code)
            else:
                stream.exchange.lost()
            self._events += stream.exchange.events
        self._streams.open.clear()


def _misuse(message: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, code=ErrorCode.STREAM_MISUSE, requirement="CTL-001")
