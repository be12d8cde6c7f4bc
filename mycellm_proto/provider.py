"""The provider's side of one exchange: SPEC.md sections "Inference exchange" and "Receipts".

It never delivers past the ceiling, the payment window or the consumer's credit, and bills what it delivered.
"""

from __future__ import annotations

from contextlib import suppress

from . import limits
from .admission import Admitted
from .answer import Chunk, Logprob, Reading, join
from .content import FinishReason
from .economy import Close, Evidence, check_countersignature, response_commitment, sign
from .errors import ErrorCode, LocalProtocolError, ProtocolError, RemoteProtocolError
from .events import CancelReceived, Event, Settled, Unblocked
from .frames import TYPES, Accept, Cancel, Countersign, Credit, End, Error, Frame, FrameType, Tick, encode
from .keys import SigningKey
from .signed import Context, Signed
from .states import Direction, Role, State, step
from .ticks import ticks_for

_ROLE = Role.PROVIDER
_UNPAID = {FinishReason.DEADLINE: ErrorCode.DEADLINE_EXCEEDED, FinishReason.SHUTDOWN: ErrorCode.SHUTTING_DOWN}
"""What stands in for an END with that reason while the prompt is not paid (INF-013)."""
CHUNK_OVERHEAD = 24
"""Bytes of a CHUNK beside its text, log-probabilities and vector, at most."""
CANDIDATE_OVERHEAD = 12
"""Bytes of a token's log-probability beside its text, at most: three heads, a number, and a key's."""
HEARTBEAT = Chunk(text="", tokens=0)


class ProviderExchange:
    """One request stream, seen from the node that answers. Every method returns the frames to send."""

    def __init__(self, stream_id: int, key: SigningKey, now: float) -> None:
        self.stream_id = stream_id
        self.events: list[Event] = []
        self.state = State.IDLE
        self.deadline: float | None = now + limits.REQUEST_TIMEOUT
        self._key = key
        self._accepted = False

    def begin(self, admitted: Admitted) -> None:
        """Take a verified REQUEST."""
        self.state = step(_ROLE, self.state, Direction.RECEIVE, FrameType.REQUEST, RemoteProtocolError)
        self.deadline = None  # the owner's own work, bounded by the request's deadline
        self.request = admitted.request
        self.open = admitted.open
        self.quote = admitted.quote
        self._evidence = admitted.evidence
        self._meter = admitted.meter
        self._input = 0
        self._delivered: list[Chunk] = []
        self._reading = Reading(admitted.request)
        self._tokens = 0
        self._sent = 0
        self._credit = limits.INITIAL_CREDIT
        self._wanted: int | None = None
        self._waiting = HEARTBEAT  # the CHUNK that could not go last
        self._close: Signed | None = None
        self._countersignature: bytes | None = None

    @property
    def evidence(self) -> Evidence:
        """What this side can prove now."""
        return Evidence(
            quote=self._evidence.quote,
            open=self._evidence.open,
            ticks=self._meter.ticks,
            link=self._meter.link,
            close=self._close,
            countersignature=self._countersignature,
        )

    def receive(self, frame: Frame) -> list[Frame]:
        """Take one frame after REQUEST. Raises `RemoteProtocolError`, fatal to the connection."""
        state = self.state
        self.state = step(_ROLE, state, Direction.RECEIVE, TYPES[type(frame)], RemoteProtocolError)
        if state is State.ENDED and isinstance(frame, Tick | Credit | Cancel):
            self._crossed(frame)
            return []
        match frame:
            case Tick():
                return self._paid(frame.k, frame.link)
            case Credit():
                self._credited(frame.limit)
            case Cancel():
                return self._cancelled(frame)
            case Countersign():
                return self._countersigned(frame)
            case Error():
                self._settle()
        return []

    def accept(self, input_tokens: int) -> list[Frame]:
        """Promise an answer to a prompt of ``input_tokens``; refuse it where the ceiling does not pay for a token."""
        needed = self.quote.owed(input_tokens, min(1, self.request.max_tokens))
        if needed > self.open.ceiling:  # RCP-013
            return self.refuse(ErrorCode.CEILING_TOO_LOW, limit=self.open.ceiling, actual=needed)
        self._input = input_tokens
        self._accepted = True
        return [self._send(Accept(input_tokens=input_tokens))]

    def refuse(
        self,
        code: ErrorCode,
        *,
        retry_after_ms: int | None = None,
        limit: int | None = None,
        actual: int | None = None,
    ) -> list[Frame]:
        """Give the request up with an error. Before ACCEPT nothing is owed (RCP-031)."""
        begun = self.state is not State.IDLE
        frame = self._send(Error(code=code, retry_after_ms=retry_after_ms, limit=limit, actual=actual))
        self.deadline = None
        if begun:
            self._settle()
        return [frame]

    def bound(self, chunk: Chunk) -> FinishReason | None:
        """Why an answer must end before this chunk: INF-012 ``max_tokens``, FLW-014 its bytes, RCP-016 the ceiling."""
        tokens = self._tokens + chunk.tokens
        if tokens > self.request.max_tokens or self._sent + most_bytes(chunk) > limits.MAX_ANSWER:
            return FinishReason.LENGTH
        owed = self.quote.owed(self._input, tokens)
        return FinishReason.CEILING if owed > self.open.ceiling else None

    def ready(self, chunk: Chunk, now: float) -> bool:
        """Whether a chunk may go now: RCP-017 the payment window, FLW-002 the credit. False starts a deadline."""
        if self._may_go(chunk):
            if not chunk.is_empty:  # a heartbeat ends no wait
                self.deadline = None
            return True
        if not chunk.is_empty or self.deadline is None:
            self._waiting = chunk
        if self.deadline is None:
            self.deadline = now + limits.PAYMENT_TIMEOUT
        return False

    def _may_go(self, chunk: Chunk) -> bool:
        owed = self.quote.owed(self._input, self._tokens + chunk.tokens)
        return owed <= self._covered and self._sent + most_bytes(chunk) <= self._credit

    @property
    def _covered(self) -> int:
        """Micro-credits that may be owed now: what was paid, and the window."""
        return (self._meter.ticks + self.quote.window) * self.quote.tick_value

    def chunk(self, chunk: Chunk, now: float) -> list[Frame]:
        """Deliver. Raises `LocalProtocolError` past a `bound`, unless `ready`, or for what was not asked for."""
        if self.bound(chunk) is not None or not self.ready(chunk, now):
            message = "chunk beyond the ceiling, the payment window or the credit"
            raise LocalProtocolError(message, code=ErrorCode.OVERRUN, requirement="RCP-016")
        size = len(encode(chunk))  # raises before anything counts where no frame holds it
        try:
            self._reading.take(chunk)
        except RemoteProtocolError as error:
            raise LocalProtocolError(str(error), code=error.code, requirement=error.requirement) from error
        self._send(chunk)
        self._delivered.append(chunk)
        self._tokens += chunk.tokens
        self._sent += size
        return [chunk]

    def end(self, finish: FinishReason, salt: bytes, now: float) -> list[Frame]:
        """Bill what was delivered: all of it, or what a CANCEL asked for. ``salt`` is 32 fresh random bytes.

        Where not even the prompt is paid, the answer is given up instead (RCP-034); where what ``finish`` says is not
        there, it has FAILED (INF-040).
        """
        try:
            self._reading.end(finish)
        except RemoteProtocolError:
            finish = FinishReason.FAILED
        if self._wanted is not None:
            finish = FinishReason.CANCELLED
        elif finish is FinishReason.CANCELLED:
            raise LocalProtocolError("nobody cancelled", code=ErrorCode.BAD_CLOSE, requirement="RCP-025")
        elif self.quote.owed(self._input, self._tokens) > self._covered:
            return self.refuse(_UNPAID.get(finish, ErrorCode.TICK_OVERDUE))
        delivered = self._delivered[: self._wanted]
        tokens = sum(chunk.tokens for chunk in delivered)
        close = Close(
            open=self._evidence.open.digest(Context.OPEN),
            request=self.open.request,
            response=response_commitment(salt, join(delivered), finish, tokens),
            model_digest=self.quote.model_digest,
            input_tokens=self._input,
            output_tokens=tokens,
            total=self.quote.total(finish, self._input, tokens, self._meter.ticks),
            finish=finish,
        )
        signed = sign(self._key, close)
        frames = [self._send(End(salt=salt, close=signed))]
        self._close = signed
        self.deadline = now + limits.CLOSING_TIMEOUT
        return frames

    def _paid(self, k: int, link: bytes) -> list[Frame]:
        try:
            if k <= self._meter.ticks:
                raise RemoteProtocolError("tick does not advance", code=ErrorCode.BAD_TICK, requirement="RCP-019")
            self._meter.release(k, link)
        except RemoteProtocolError as error:
            return self.refuse(error.code)
        self._unblock()
        return []

    def _crossed(self, frame: Frame) -> None:
        """A frame that crossed our END: a tick still pays, and nothing else has an effect (RCP-022).

        After a CANCEL none can be on its way, and the bill rests on the ticks that it named.
        """
        if isinstance(frame, Tick) and self._wanted is None:
            with suppress(RemoteProtocolError):
                self._meter.release(frame.k, frame.link)

    def _credited(self, limit: int) -> None:
        too_small = limit < self._credit + limits.MIN_CREDIT_STEP  # FLW-004: credit moves in steps
        if too_small or limit > self._sent + limits.MAX_CREDIT:  # FLW-005: and never far ahead of what was sent
            message = f"credit of {limit} after {self._credit}, {self._sent} sent"
            requirement = "FLW-004" if too_small else "FLW-005"
            raise RemoteProtocolError(message, code=ErrorCode.FLOW_CONTROL, requirement=requirement)
        self._credit = limit
        self._unblock()

    def _unblock(self) -> None:
        if self._may_go(self._waiting):  # FLW-013: what does not let the CHUNK go begins no new wait
            self.deadline = None
        self.events.append(Unblocked(stream_id=self.stream_id))

    def _cancelled(self, frame: Cancel) -> list[Frame]:
        # INF-016: nobody takes more chunks than were sent.
        if frame.chunks > len(self._delivered):
            message = f"{frame.chunks} chunks taken of {len(self._delivered)}"
            raise RemoteProtocolError(message, code=ErrorCode.UNEXPECTED_FRAME, requirement="INF-016")
        tokens = sum(chunk.tokens for chunk in self._delivered[: frame.chunks])
        covered = ticks_for(self.quote.owed(self._input, tokens), self.quote.tick_value)
        try:
            # RCP-023: who paid for more chunks than it names has taken more.
            if frame.k > max(covered, self.quote.prepaid_ticks):
                message = "chunks that were paid for are left out"
                raise RemoteProtocolError(message, code=ErrorCode.BAD_TICK, requirement="RCP-023")
            self._meter.release(frame.k, frame.link)
        except RemoteProtocolError as error:
            return self.refuse(error.code)
        self._wanted = frame.chunks
        self.deadline = None
        self.events.append(CancelReceived(stream_id=self.stream_id))
        return []

    def _countersigned(self, frame: Countersign) -> list[Frame]:
        assert self._close is not None  # ENDED is reached by `end` alone
        try:
            check_countersignature(self._close, frame.signature, consumer=self.open.consumer)
            self._countersignature = frame.signature
        except ProtocolError:
            self._settle()  # RCP-030: what is left is the claim
            raise
        self._settle()
        return []

    def _settle(self) -> None:
        self.state = State.DONE
        self.deadline = None
        self.events.append(Settled(stream_id=self.stream_id, accepted=self._accepted, evidence=self.evidence))

    def _send(self, frame: Frame) -> Frame:
        self.state = step(_ROLE, self.state, Direction.SEND, TYPES[type(frame)], LocalProtocolError)
        return frame

    def lost(self) -> None:
        """The consumer is gone: a cancel at the last tick (INF-017). What it released can be claimed."""
        if self.state in (State.STREAMING, State.CANCELLED, State.REQUESTED, State.ENDED):
            self._settle()

    def expire(self, now: float) -> list[Frame]:
        """A wait is over: for the REQUEST, for a tick or credit, or for the countersignature."""
        if self.state is State.IDLE:
            return self.refuse(ErrorCode.TIMEOUT)
        if self.state is State.ENDED:
            self._settle()
            return []
        return self.refuse(ErrorCode.TICK_OVERDUE)


def most_bytes(chunk: Chunk) -> int:
    """Bytes of a CHUNK on the wire, at most."""
    size = len(chunk.text.encode()) + len(chunk.vector) + CHUNK_OVERHEAD
    return size + sum(logprob_bytes(each) for each in chunk.logprobs) if chunk.logprobs else size


def logprob_bytes(logprob: Logprob) -> int:
    """Bytes of one entry of ``logprobs``, at most."""
    candidates = (logprob.token, *logprob.top)
    return sum(len(each.text) + CANDIDATE_OVERHEAD for each in candidates)
