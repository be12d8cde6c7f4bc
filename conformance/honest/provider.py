"""The provider's side of one exchange: SPEC.md, "Inference exchange" and "Receipts"."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from conformance import answers, dcbor, framing, signing
from conformance.answers import EMBED
from conformance.data import error_code, limit
from conformance.dcbor import Item
from conformance.finish import CANCELLED, CEILING, DEADLINE, LENGTH, STOP
from conformance.offer import Quote, leads_to

from .admission import Admission
from .ledger import Kept
from .port import Timers
from .reserving import is_settled, owe, secure
from .rules import FailError, RefuseError
from .stops import Stops

if TYPE_CHECKING:
    from .connection import Connection

IDLE, REQUESTED, STREAMING, CANCELLING, ENDED, DONE = "IDLE", "REQUESTED", "STREAMING", "CANCELLED", "ENDED", "DONE"
_LAST_APPLIED = 13
"""Every key of a content up to this one is applied."""
_RECEIVES = {
    REQUESTED: {framing.CANCEL},
    STREAMING: {framing.TICK, framing.CREDIT, framing.CANCEL, framing.ERROR},
    CANCELLING: {framing.ERROR},
    ENDED: {framing.TICK, framing.CREDIT, framing.CANCEL, framing.COUNTERSIGN, framing.ERROR},
}
"""Rows of SPEC.md, "States"."""


class Provider(Admission):
    """One request stream of the peer's."""

    watches: ClassVar[type[Stops]] = Stops

    def __init__(self, connection: Connection, stream: int) -> None:
        self.connection = connection
        self.node = connection.node
        self.rules = connection.rules
        self.stream = stream
        self.state = IDLE
        self.timers = Timers()
        self.content: dict[int, Item] = {}
        self.opened: dict[int, Item] = {}
        self.open_name = b""
        self.quote: Quote | None = None
        self.k = 0
        self.link = b""
        self.input_tokens: int | None = None
        self.chunks: list[tuple[str, int]] = []
        self.pieces: list[dict[int, Item]] = []
        self.script: tuple[list[dict[int, Item]], int] | None = None
        self.sent = 0
        self.credit = limit("INITIAL_CREDIT")
        self.said = 0
        self.stops = self.watches(())
        self.luck = 0
        self.pending: tuple[str, int, int | None] | None = None
        """What waits for payment or credit: text, tokens, and why the answer ends with it."""
        self.cancelled_after: int | None = None
        self.close: dict[int, Item] | None = None
        self.receipt: bytes | None = None
        self.signed: list[list[bytes]] = []
        """Quote, open and close with their signatures."""
        self.countersignature: bytes | None = None
        self._ignored = 0
        self.ended_side = False
        self._pumping = False
        self.timers.start("request", limit("REQUEST_TIMEOUT"), self._request_overdue)

    @property
    def over(self) -> bool:
        """Whether the exchange is over."""
        return self.state == DONE

    # What comes

    def received(self, kind: int, body: bytes) -> None:
        """One frame of the consumer's. Raises `FailError`."""
        if self.state == IDLE:
            try:
                self.first_frame(kind, body)
            except RefuseError as error:
                self.refuse(error)
            return
        if framing.is_unknown(kind):
            self.rules.forbid("EXT-002", kind % 2 == 0, FailError("UNKNOWN_FRAME"))
            self._ignored += 1
            self.rules.forbid("EXT-008", self._ignored > limit("MAX_IGNORED"), FailError("UNKNOWN_FRAME"))
            return
        self.rules.forbid("STM-001", kind not in _RECEIVES.get(self.state, ()), FailError("UNEXPECTED_FRAME"))
        if kind not in _RECEIVES.get(self.state, ()):
            return
        value = self.connection.value(kind, body)
        handlers = {
            framing.TICK: self.tick,
            framing.CREDIT: self.credited,
            framing.CANCEL: self.cancel,
            framing.COUNTERSIGN: self.countersigned,
            framing.ERROR: self.given_up,
        }
        try:
            handlers[kind](value)
        except RefuseError as error:
            self.refuse(error)

    def first_frame(self, kind: int, body: bytes) -> None:
        """Checks c to o. Raises `RefuseError`."""
        self.timers.stop("request")
        self.rules.forbid("ERR-003", kind != framing.REQUEST, RefuseError("UNKNOWN_REQUEST"))
        if kind != framing.REQUEST:
            return
        request = self.request_body(body)
        session = self.connection.session
        assert session is not None  # no request before the handshake
        self.rules.forbid("HSK-015", not session.pinned, RefuseError("UNPINNED"))
        self.content = self.judge_content(request[0])
        self.judge_open(request, session.peer)
        self.judge_terms(request)
        self.state = REQUESTED
        self.connection.admitted()
        self.decide()

    def decide(self) -> None:
        """Check o, and ACCEPT. Raises `RefuseError`."""
        quote = self._terms()
        tokens = self.count_input()
        room = quote.context_length - tokens
        forbid = self.rules.forbid
        forbid("INF-026", not self.node.permits(self.opened[1]), RefuseError("NOT_ALLOWED"))
        forbid("INF-025", not self.node.serves, RefuseError("UNKNOWN_MODEL"))
        lacking = self.unapplied()
        forbid("INF-006", bool(lacking), RefuseError("UNSUPPORTED", actual=self.names(lacking)))
        embeds = self.content.get(0) == EMBED
        too_long = RefuseError("CONTEXT_TOO_LONG", limit=quote.context_length - 1, actual=tokens)
        forbid("INF-008", room < 1 and not embeds, too_long)
        if embeds:
            most = max(self.node.model.prompt_tokens(each) for each in self.content[2])
            too_long = RefuseError("CONTEXT_TOO_LONG", limit=quote.context_length, actual=most)
            forbid("INF-042", most > quote.context_length, too_long)
        needed = quote.owed(tokens, 0 if embeds else 1)
        forbid(
            "RCP-013",
            needed > self.opened[7],
            RefuseError("CEILING_TOO_LOW", limit=self.opened[7], actual=needed),
        )
        self.node.record(self.opened, self.open_name)
        self.timers.start("deadline", self.content[4] / 1000, self.deadline)
        if is_settled(self.node, self.opened[0]):
            self.state = REQUESTED
            secure(self, tokens)
        else:
            self.accept_after_thinking(tokens)

    def accept_after_thinking(self, tokens: int) -> None:
        """ACCEPT once the prompt is counted, and the first token once the model has it."""
        self.timers.start("model", self.node.model.thinking, partial(self.accept, tokens))

    def accept(self, tokens: int) -> None:
        """Promise an answer."""
        self.input_tokens = tokens
        self.stops = self.watches(self.content.get(5, ()))
        self.script = self.node.model.script(self.content)
        self.luck = self.content.get(12, self.node.entropy.below(1 << 64))
        self.state = STREAMING
        self.send(framing.ACCEPT, {0: tokens, self.node.entropy.reserved(): None})
        self._heartbeat_soon()
        if self.node.model.silence:
            self.timers.start("model", self.node.model.silence, self.pump)
        else:
            self.pump()

    def unapplied(self) -> list[int]:
        """The keys of what is asked for and not applied."""
        return [key for key in self.content if key > _LAST_APPLIED and key not in self.node.applies]

    def names(self, lacking: list[int]) -> int | None:
        """INF-041: what UNSUPPORTED says of it."""
        return lacking[0] if lacking else None

    def count_input(self) -> int:
        """The tokens that the model reads."""
        return self.node.model.read(self.content)

    # The answer

    def pump(self) -> None:
        """Send what may be sent."""
        if self._pumping:
            return
        self._pumping = True
        while self.state == STREAMING and self.step():
            if self.node.model.delay:
                self.timers.start("model", self.node.model.delay, self.pump)
                break
        self._pumping = False

    def step(self) -> bool:
        """The next piece of the answer; whether another may follow at once."""
        if self.script is not None:
            return self.recite(*self.script)
        text, tokens, finish = self.pending = self.pending or self.draw()
        if text or tokens:
            if not self.may_send(text, tokens):
                if not self.timers.running("payment"):
                    self.timers.start("payment", limit("PAYMENT_TIMEOUT"), self._payment_overdue)
                return False
            self.chunk(text, tokens)
        self.timers.stop("payment")
        self.pending = None
        if finish is not None:
            self.end(finish)
        return finish is None

    def recite(self, left: list[dict[int, Item]], finish: int) -> bool:
        """The next piece of an answer that is more than words."""
        if left and self.tokens + left[0][1] > self.content.get(3, 0):
            finish, left = LENGTH, []
        if not left:
            self.timers.stop("payment")
            self.end(finish)
            return False
        if not self.may_send(left[0][0], left[0][1], framing.size(framing.CHUNK, left[0])):
            if not self.timers.running("payment"):
                self.timers.start("payment", limit("PAYMENT_TIMEOUT"), self._payment_overdue)
            return False
        self.timers.stop("payment")
        self.piece(left.pop(0))
        return True

    def draw(self) -> tuple[str, int, int | None]:
        """The next token: text that may go out, how many tokens that counts, and why the answer ends with it."""
        text, finish = self.next_text()
        finish = finish or self.bound(self.stops.held + text)
        if finish is not None:
            return self.stops.flush(), 0, finish
        self.said += 1
        out, stopped = self.stops.push(text)
        return out, 1, STOP if stopped else None

    def next_text(self) -> tuple[str, int | None]:
        """The next token's text, or why there is none."""
        if self.said >= self.node.model.words:
            return "", STOP
        return self.node.model.word(self.said, self.content, self.luck), None

    def bound(self, text: str) -> int | None:
        """Why the answer ends before ``text``."""
        quote, tokens = self._terms(), self.tokens + 1
        skips = self.rules.skips
        if tokens > self.content.get(3, 0) and not skips("INF-012"):
            return LENGTH
        if (self.input_tokens or 0) + tokens > quote.context_length:
            return LENGTH
        if self.sent + framing.size(framing.CHUNK, {0: text, 1: 1}) > limit("MAX_ANSWER") and not skips("FLW-014"):
            return LENGTH
        if quote.owed(self.input_tokens or 0, tokens) > self.opened[7] and not skips("RCP-016"):
            return CEILING
        return None

    def may_send(self, text: str, tokens: int, size: int | None = None) -> bool:
        """Whether payment and credit allow a CHUNK (RCP-017, FLW-002)."""
        quote = self._terms()
        owed = quote.owed(self.input_tokens or 0, self.tokens + tokens)
        paid = owed <= (self.k + quote.window) * quote.tick_value or self.rules.skips("RCP-017")
        size = size or framing.size(framing.CHUNK, {0: text, 1: tokens})
        return paid and (self.sent + size <= self.credit or self.rules.skips("FLW-002"))

    @property
    def tokens(self) -> int:
        """Output tokens so far."""
        return sum(count for _, count in self.chunks)

    def chunk(self, text: str, tokens: int) -> None:
        """Deliver."""
        self.piece({0: text, 1: tokens})

    def piece(self, body: dict[int, Item]) -> None:
        """CHUNK of any part."""
        self.chunks.append((body[0], body[1]))
        self.pieces.append(body)
        self.sent += framing.size(framing.CHUNK, body)
        self.send(framing.CHUNK, body)
        self._heartbeat_soon()

    # Payment

    def release(self, k: int, link: bytes) -> None:
        """Take a link that pays for ``k`` ticks in all. Raises `RefuseError`."""
        quote = self._terms()
        outside = not self.k <= k <= quote.most_ticks(self.opened[7])
        self.rules.forbid("RCP-021", outside, RefuseError("BAD_TICK"))
        genuine = k >= self.k and leads_to(link, k - self.k, self.link)
        self.rules.forbid("RCP-020", not genuine, RefuseError("BAD_TICK"))
        self.k, self.link = k, link

    def tick(self, value: Mapping[int, Item]) -> None:
        """TICK."""
        if self.state == ENDED:
            if self.cancelled_after is None and self.k < value[0] <= self._terms().most_ticks(self.opened[7]):
                self._count_late(value[0], value[1])
            return
        self.rules.forbid("RCP-019", value[0] <= self.k, RefuseError("BAD_TICK"))
        self.release(value[0], value[1])
        self.pump()

    def _count_late(self, k: int, link: bytes) -> None:
        """RCP-022: a tick that crossed END still pays."""
        if leads_to(link, k - self.k, self.link):
            self.k, self.link = k, link

    def credited(self, value: Mapping[int, Item]) -> None:
        """CREDIT."""
        if self.state == ENDED:
            return
        step = value[0] - self.credit
        self.rules.forbid("FLW-004", step < limit("MIN_CREDIT_STEP"), FailError("FLOW_CONTROL"))
        self.rules.forbid("FLW-005", value[0] - self.sent > limit("MAX_CREDIT"), FailError("FLOW_CONTROL"))
        self.credit = value[0]
        self.pump()

    def cancel(self, value: Mapping[int, Item]) -> None:
        """CANCEL."""
        if self.state == ENDED:
            return
        self.rules.forbid("INF-016", value[0] > len(self.chunks), FailError("UNEXPECTED_FRAME"))
        quote = self._terms()
        tokens = sum(count for _, count in self.chunks[: value[0]])
        covered = quote.ticks(quote.owed(self.input_tokens or 0, tokens), self.opened[7])
        self.rules.forbid("RCP-023", value[1] > covered, RefuseError("BAD_TICK"))
        self.release(value[1], value[2])
        self.cancelled_after = value[0]
        self.state = CANCELLING
        self.cancelled()

    def cancelled(self) -> None:
        """Stop the model and bill what the consumer took."""
        self.end(CANCELLED)

    # The end

    def end(self, finish: int) -> None:
        """END with the close, or give up where not even the prompt is paid (RCP-034)."""
        quote = self._terms()
        owed = quote.owed(self.input_tokens or 0, self.tokens)
        unpaid = owed > (self.k + quote.window) * quote.tick_value
        if finish != CANCELLED and unpaid and not self.rules.skips("RCP-034"):
            self.refuse(RefuseError({DEADLINE: "DEADLINE_EXCEEDED"}.get(finish, "TICK_OVERDUE")))
            return
        salt = self.node.entropy.take(32)
        self.close = self.bill(finish, salt)
        signed = self.node.key.signed(signing.CLOSE, self.close)
        self.receipt = signed[0]
        self.signed.append(signed)
        self.state = ENDED
        self.send(framing.END, {0: salt, 1: signed}, fin=True)
        self.ended_side = True
        self.timers.stop_all()
        self.timers.start("closing", limit("CLOSING_TIMEOUT"), self.finish)

    def bill(self, finish: int, salt: bytes) -> dict[int, Item]:
        """The body of the close (RCP-007, RCP-025)."""
        quote = self._terms()
        answer = self.answer(self.pieces[: self.cancelled_after] if finish == CANCELLED else self.pieces, finish)
        tokens = answer[2]
        total = quote.owed(self.input_tokens or 0, tokens)
        if finish == CANCELLED:
            total = min(total, self.k * quote.tick_value)
        return {
            0: self.open_name,
            1: self.opened[6],
            2: signing.name(signing.RESPONSE, dcbor.encode(salt), dcbor.encode(answer)),
            3: quote.model_digest,
            4: self.input_tokens or 0,
            5: tokens,
            6: total,
            7: finish,
            8: 0,
        }

    def answer(self, billed: list[dict[int, Item]], finish: int) -> dict[int, Item]:
        """What the commitment is over."""
        return answers.answer_of(billed, finish)

    def countersigned(self, value: Mapping[int, Item]) -> None:
        """COUNTERSIGN."""
        assert self.receipt is not None  # only after END
        agreed = signing.is_signed_by(self.opened[1], signing.COUNTERSIGN, self.receipt, value[0])
        if agreed or self.rules.skips("RCP-030"):
            self.countersignature = value[0]
        try:
            self.rules.forbid("RCP-029", not agreed, FailError("BAD_CLOSE"))
        finally:
            self.finish()

    def given_up(self, _: Mapping[int, Item]) -> None:
        """ERROR of the consumer."""
        self.finish()

    def refuse(self, error: RefuseError) -> None:
        """Send ERROR: refuse a request, or give it up."""
        if self.state in (ENDED, DONE):
            return
        body: dict[int, Item] = {0: error.code}
        if error.code == error_code("BUSY"):
            body[1] = 1000
        if error.limit is not None:
            body[2] = error.limit
        if error.actual is not None:
            body[3] = error.actual
        self.send(framing.ERROR, body, fin=True)
        self.ended_side = True
        self.finish()

    def deadline(self) -> None:
        """INF-013, INF-022: the request's deadline passed."""
        if self.state == REQUESTED:
            self.refuse(RefuseError("DEADLINE_EXCEEDED"))
        elif self.state == STREAMING:
            self.end(DEADLINE)

    def gone(self) -> None:
        """The consumer's side is over: a cancel at the last tick (INF-017)."""
        self.finish()

    def finish(self) -> None:
        """The exchange is over."""
        if self.state == DONE:
            return
        if self.opened and self.input_tokens is not None:
            kept = self.kept()
            self.node.settled(self.open_name, kept.owed)
            self.node.keep("provider", self.opened, kept)
            owe(self)
        self.state = DONE
        self.timers.stop_all()
        if not self.ended_side and not self.connection.over:
            self.connection.port.write(self.stream, b"", fin=True)
        self.connection.forget(self.stream)

    def kept(self) -> Kept:
        """What this exchange came to (RCP-050): the total that was agreed, else what the released ticks pay."""
        if self.countersignature is not None and self.close is not None:
            receipt = dcbor.encode([*self.signed, self.countersignature])
            return Kept(owed=self.close[6], receipt=receipt)
        owed = min(self.k * self._terms().tick_value, self.opened[7])
        return Kept(owed=owed if self.close is None else min(owed, self.close[6]), receipt=None)

    def send(self, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
        """One frame."""
        self.connection.port.write(self.stream, framing.write_frame(kind, dcbor.encode(body)), fin)

    def _heartbeat_soon(self) -> None:
        self.timers.start("heartbeat", limit("HEARTBEAT"), self.heartbeat)

    def heartbeat(self) -> None:
        """INF-014: nothing to say, but alive."""
        if self.state == STREAMING and not self.rules.skips("INF-014"):
            if self.may_send("", 0):
                self.chunk("", 0)
            else:
                self._heartbeat_soon()

    def _payment_overdue(self) -> None:
        if self.state == STREAMING and not self.rules.skips("FLW-013"):
            self.refuse(RefuseError("TICK_OVERDUE"))

    def _request_overdue(self) -> None:
        call = self.connection.begins_a_call(self.stream, self)
        if self.state == IDLE and not self.rules.skips("CAL-013" if call else "INF-024"):
            self.refuse(RefuseError("TIMEOUT"))

    def _terms(self) -> Quote:
        assert self.quote is not None  # judged before anything is counted
        return self.quote
