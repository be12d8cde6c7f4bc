"""The consumer's side of one exchange: SPEC.md sections "Inference exchange" and "Receipts".

It counts what is delivered, releases ticks for it, and countersigns nothing that it cannot derive itself.
"""

from __future__ import annotations

from . import limits
from .answer import Chunk, Reading, join
from .content import FinishReason
from .economy import (
    Close,
    Evidence,
    countersign,
    read_close,
    response_commitment,
)
from .errors import ErrorCode, LocalProtocolError, ProtocolError, RemoteProtocolError
from .events import Accepted, ChunkReceived, Ended, Event, Failed
from .frames import TYPES, Accept, Cancel, Countersign, Credit, End, Error, Frame, Request, Tick
from .keys import SigningKey
from .order import Order
from .signed import Context, Signed
from .states import Direction, Role, State, step
from .ticks import ticks_for

_ROLE = Role.CONSUMER


class ConsumerExchange:
    """One request stream, seen from the node that asked. Every method returns the frames to send."""

    def __init__(self, stream_id: int, order: Order, key: SigningKey, now: float) -> None:
        self.stream_id = stream_id
        self._key = key
        self.events: list[Event] = []
        self.state = State.IDLE
        self._order = order
        self._open_hash = order.signed_open.digest(Context.OPEN)
        self._input: int | None = None  # unknown before ACCEPT
        self._tokens = 0
        self._chunks: list[Chunk] = []
        self._reading = Reading(order.request)
        self._received = 0
        self._consumed = 0
        self._credit = limits.INITIAL_CREDIT
        self._ticks = order.quote.prepaid_ticks
        self._wanted: tuple[int, int] | None = None  # chunks and tokens at the moment of CANCEL
        self._cause: ErrorCode | None = None  # why there was a CANCEL
        self._close: Signed | None = None
        self._countersignature: bytes | None = None
        self._expiry = now + order.request.deadline_ms / 1000 + limits.DEADLINE_GRACE
        self._heard = now

    def ask(self) -> list[Frame]:
        """The REQUEST: the first frame of the stream."""
        order = self._order
        prepaid = order.chain.link(self._ticks)
        return [self._send(Request(content=order.content, salt=order.salt, open=order.signed_open, prepaid=prepaid))]

    @property
    def deadline(self) -> float | None:
        """When `expire` is due, in seconds; None while nothing is waited for."""
        if self.state is State.DONE:
            return None
        if self._wanted is not None or self.state is State.ENDED:
            return self._expiry
        starved = self._credit - self._received < limits.MIN_CREDIT_STEP  # the owner does not read: not silence
        return self._expiry if starved else min(self._expiry, self._heard + limits.SILENCE_TIMEOUT)

    @property
    def evidence(self) -> Evidence:
        """What this side can prove now."""
        order = self._order
        link = order.chain.link(self._ticks)
        return Evidence(
            quote=order.signed_quote,
            open=order.signed_open,
            ticks=self._ticks,
            link=link,
            close=self._close,
            countersignature=self._countersignature,
        )

    def receive(self, frame: Frame, size: int, now: float) -> list[Frame]:
        """Take one frame of ``size`` bytes. Raises `RemoteProtocolError`, fatal to the connection."""
        self._heard = now
        before = self.state
        self.state = step(_ROLE, before, Direction.RECEIVE, TYPES[type(frame)], RemoteProtocolError)
        match frame:
            case Accept():
                return self._accepted(frame, now)
            case Chunk():
                return self._chunk(frame, size)
            case End():
                return self._end(frame, now)
            case Error():
                self._fail(frame, by_peer=True, refused=before in (State.REQUESTED, State.WITHDRAWN))
        return []

    def _accepted(self, frame: Accept, now: float) -> list[Frame]:
        self._input = frame.input_tokens
        if self._wanted is not None:
            return []
        # RCP-014: a prompt that costs more than the ceiling, or that the model could not even hold, is not agreed to;
        # the prepaid ticks are lost at most.
        if (
            self._owed() > self._order.open.ceiling
            or self._input > self._order.quote.context_length * self._order.request.prompts
        ):
            return self._give_up(ErrorCode.OVERRUN)
        if self._input > self._order.most_input:  # RCP-038
            return self._cancel(now, ErrorCode.OVERRUN)
        self.events.append(Accepted(stream_id=self.stream_id, input_tokens=self._input))
        return self._pay()

    def _chunk(self, frame: Chunk, size: int) -> list[Frame]:
        self._received += size
        if self._received > self._credit:
            message = f"{self._received} bytes of chunks with credit for {self._credit}"
            raise RemoteProtocolError(message, code=ErrorCode.FLOW_CONTROL, requirement="FLW-003")
        self._chunks.append(frame)
        self._tokens += frame.tokens
        # RCP-015: more than was asked for, than the ceiling pays, or than any answer has, is an overrun, whatever the
        # bill will say.
        too_many = self._tokens > self._order.request.max_tokens or self._received > limits.MAX_ANSWER
        if too_many or self._owed() > self._order.open.ceiling:
            return self._give_up(ErrorCode.OVERRUN)
        try:
            self._reading.take(frame)
        except RemoteProtocolError as error:
            return self._give_up(error.code)
        if self._wanted is not None:
            return []
        self.events.append(ChunkReceived(stream_id=self.stream_id, chunk=frame, size=size))
        return self._pay()

    def _owed(self) -> int:
        return self._order.quote.owed(self._input or 0, self._tokens)

    def _pay(self) -> list[Frame]:
        """RCP-018: release the tick that covers what is owed."""
        k = min(ticks_for(self._owed(), self._order.quote.tick_value), self._order.chain.length)
        if k <= self._ticks:
            return []
        self._ticks = k
        return [self._send(Tick(k=k, link=self._order.chain.link(k)))]

    def consumed(self, size: int, now: float) -> list[Frame]:
        """The owner has taken ``size`` bytes of chunks: give credit once half of the window is used up."""
        self._consumed += size
        limit = self._consumed + limits.INITIAL_CREDIT
        if self.state is not State.STREAMING or limit - self._credit < limits.INITIAL_CREDIT // 2:
            return []
        self._credit = limit
        self._heard = now  # until now the provider could not speak
        return [self._send(Credit(limit=limit))]

    def cancel(self, now: float) -> list[Frame]:
        """Want no more. Nothing to send where the exchange is over already."""
        return self._cancel(now, ErrorCode.CANCELLED)

    def _cancel(self, now: float, cause: ErrorCode) -> list[Frame]:
        if self.state not in (State.REQUESTED, State.STREAMING):
            return []
        self._cause = cause
        self._wanted = (len(self._chunks), self._tokens)
        self._expiry = now + limits.CLOSING_TIMEOUT
        link = self._order.chain.link(self._ticks)
        return [self._send(Cancel(chunks=len(self._chunks), k=self._ticks, link=link))]

    def _end(self, frame: End, now: float) -> list[Frame]:
        """RCP-026 to RCP-028: agree to nothing but what this side counted itself."""
        try:
            close = read_close(frame.close, provider=self._order.quote.provider)
            self._check(close, frame.salt)
        except ProtocolError:
            return self._give_up(ErrorCode.BAD_CLOSE)
        try:
            self._reading.end(close.finish)
        except RemoteProtocolError as error:
            return self._give_up(error.code)
        self._expiry = now + limits.CLOSING_TIMEOUT
        self._close = frame.close
        self._countersignature = countersign(self._key, frame.close)
        self.events.append(Ended(stream_id=self.stream_id, close=close, cause=self._cause, evidence=self.evidence))
        return []

    def _check(self, close: Close, salt: bytes) -> None:
        order = self._order
        cancelled = close.finish is FinishReason.CANCELLED
        if cancelled and self._wanted is None:
            raise _bad_close("cancelled by nobody", "RCP-027")
        chunks, tokens = self._wanted if cancelled and self._wanted else (len(self._chunks), self._tokens)
        expected = Close(
            open=self._open_hash,
            request=order.open.request,
            response=response_commitment(salt, join(self._chunks[:chunks]), close.finish, tokens),
            model_digest=order.quote.model_digest,
            # Before ACCEPT only the provider has counted; the ticks that were released bound what that can cost.
            input_tokens=close.input_tokens if cancelled and self._input is None else self._input or 0,
            output_tokens=tokens,
            total=order.quote.total(close.finish, close.input_tokens, tokens, self._ticks),
            finish=close.finish,
        )
        if close != expected or close.total > order.open.ceiling:
            raise _bad_close("not what was delivered", "RCP-028")
        # An END that crossed the CANCEL stands, but nobody may deliver past the payment window (RCP-033).
        window = (self._ticks + order.quote.window) * order.quote.tick_value
        if self._wanted is not None and close.total > window:
            raise _bad_close("delivered past the payment window after a CANCEL", "RCP-033")

    def countersign(self) -> list[Frame]:
        """Agree to the close. Nothing to send where there is none, or the provider is gone."""
        if self.state is not State.ENDED or self._countersignature is None:
            return []
        return [self._send(Countersign(signature=self._countersignature))]

    def _fail(self, frame: Error, *, by_peer: bool = False, refused: bool = False) -> None:
        released = min(self._ticks * self._order.quote.tick_value, self._order.open.ceiling)  # RCP-032
        self.events.append(
            Failed(
                stream_id=self.stream_id,
                code=frame.code,
                by_peer=by_peer,
                owed=0 if refused else released,
                evidence=self.evidence,
                retry_after_ms=frame.retry_after_ms,
                limit=frame.limit,
                actual=frame.actual,
            )
        )

    def _give_up(self, code: ErrorCode) -> list[Frame]:
        """Tell the provider why, and the owner what is owed."""
        frame = Error(code=code)
        self._fail(frame)
        return [self._send(frame)]

    def _send(self, frame: Frame) -> Frame:
        self.state = step(_ROLE, self.state, Direction.SEND, TYPES[type(frame)], LocalProtocolError)
        return frame

    def lost(self, code: int) -> None:
        """The stream or the connection is gone: what was released is owed, and no more (RCP-032)."""
        if self.state is not State.DONE:
            if self.state is not State.ENDED:
                self._fail(Error(code=code))
            self.state = State.DONE

    def expire(self, now: float) -> list[Frame]:
        """A wait is over: cancel first, and give up when END does not follow either.

        An owner that cannot keep its receipt does not countersign; the provider is told that it need not wait.
        """
        if self.state is State.ENDED:  # INF-032
            return [self._send(Error(code=ErrorCode.TIMEOUT))]
        if self._wanted is not None:
            return self._give_up(ErrorCode.TIMEOUT)
        return self._cancel(now, ErrorCode.TIMEOUT)


def _bad_close(message: str, requirement: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, code=ErrorCode.BAD_CLOSE, requirement=requirement)
