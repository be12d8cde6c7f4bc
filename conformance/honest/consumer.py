"""The consumer's side of one exchange: SPEC.md, "Inference exchange" and "Receipts"."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from conformance import answers, dcbor, framing, shapes, signing
from conformance.data import error_name, limit
from conformance.dcbor import Item
from conformance.finish import CANCELLED
from conformance.offer import Quote, chain

from .ledger import Kept
from .port import Timers
from .rules import FailError, NotAskedError, RefuseError

if TYPE_CHECKING:
    from .initiator import Initiator

REQUESTED, STREAMING, WITHDRAWN, CANCELLING, ENDED, DONE = (
    "REQUESTED", "STREAMING", "WITHDRAWN", "CANCELLED", "ENDED", "DONE",
)  # fmt: skip
_RECEIVES = {
    REQUESTED: {framing.ACCEPT, framing.ERROR},
    STREAMING: {framing.CHUNK, framing.END, framing.ERROR},
    WITHDRAWN: {framing.ACCEPT, framing.END, framing.ERROR},
    CANCELLING: {framing.CHUNK, framing.END, framing.ERROR},
}
"""Rows of SPEC.md, "States"."""
_TEMPLATE_TOKENS = 512
_MESSAGE_TOKENS = 16


class Consumer:
    """One request stream of this node's."""

    def __init__(
        self, connection: Initiator, stream: int, content: dict[int, Item], quote: Quote, signed_quote: list[bytes]
    ) -> None:
        self.connection = connection
        self.node = connection.node
        self.rules = connection.rules
        self.stream = stream
        self.content = content
        self.quote = quote
        self.signed = [signed_quote]
        """Quote, open and close with their signatures."""
        self.encoded = dcbor.encode(content)
        self.ceiling = self.affordable()
        self.state = REQUESTED
        self.timers = Timers()
        self.opened: dict[int, Item] = {}
        self.links: list[bytes] = []
        self.k = quote.prepaid_ticks
        self.input_tokens: int | None = None
        self.chunks: list[tuple[str, int]] = []
        self.pieces: list[dict[int, Item]] = []
        self.reading = answers.Reading(self.content)
        self.received_bytes = 0
        self.credit = limit("INITIAL_CREDIT")
        self.cancelled_after: int | None = None
        self.close: dict[int, Item] | None = None
        self.refused = False
        """Whether the provider refused before it accepted: nothing is owed."""
        self.finish: int | None = None
        """Why the answer ended, once it is whole."""
        self.error: str | None = None
        """Why it failed."""
        self.done = asyncio.Event()
        """The user knows how it ended."""
        self._ignored = 0
        self._ended_side = False

    @property
    def over(self) -> bool:
        """Whether the exchange is over."""
        return self.state == DONE

    @property
    def text(self) -> str:
        """What the user is shown of the answer."""
        shown = self.pieces if self.cancelled_after is None else self.pieces[: self.cancelled_after]
        return str(answers.answer_of(shown, 0)[0])

    @property
    def size(self) -> int:
        """About the bytes of REQUEST."""
        return len(self.encoded) + 512

    @property
    def unanswered(self) -> int:
        """Bytes of a REQUEST that was answered by neither ACCEPT nor ERROR (FLW-015)."""
        return self.size if self.state in (REQUESTED, WITHDRAWN) else 0

    # Asking

    def affordable(self) -> int:
        """The ceiling: a long prompt and ``max_tokens``, but no more than the user gives."""
        quote = self.quote
        most = quote.owed(min(self.most_input(), quote.context_length), self.content[3])
        least = quote.prepaid_ticks * quote.tick_value
        return min(max(most, least), self.node.max_spend, limit("MAX_TICKS") * quote.tick_value)

    def most_input(self) -> int:
        """The input tokens that this node can account for (RCP-038)."""
        messages = self.content[2]
        text = sum(len(each[1].encode()) for each in messages)
        return text + _MESSAGE_TOKENS * len(messages) + _TEMPLATE_TOKENS

    def check(self) -> None:
        """What may not be signed. Raises `NotAskedError`."""
        quote = self.quote
        if self.ceiling < quote.prepaid_ticks * quote.tick_value and not self.rules.skips("RCP-037"):
            raise NotAskedError("CEILING_TOO_LOW")

    def ask(self) -> None:
        """REQUEST."""
        salt = self.node.entropy.take(32)
        self.links = chain(self.node.entropy.take(32), self.quote.most_ticks(self.ceiling))
        number, previous = self.node.take_number(self.quote.network, self.quote.provider)
        self.opened = self.open_body(number, previous, salt)
        self.signed.append(self.node.key.signed(signing.OPEN, self.opened))
        self.node.signed_open(self.opened, signing.name(signing.OPEN, self.signed[1][0]))
        prepaid = self.links[min(self.k, len(self.links) - 1)]
        self.send(framing.REQUEST, {0: self.encoded, 1: salt, 2: self.signed[1], 3: prepaid})
        self.timers.start("answer", self.content[4] / 1000 + limit("DEADLINE_GRACE"), self.answer_overdue)
        self.listen()

    def open_body(self, number: int, previous: bytes | None, salt: bytes) -> dict[int, Item]:
        """The body of the open."""
        return {
            0: self.quote.network,
            1: self.node.key.public,
            2: self.quote.provider,
            3: number,
            4: previous,
            5: self.quote.name,
            6: signing.name(signing.REQUEST, dcbor.encode(salt), self.encoded),
            7: self.ceiling,
            8: self.links[0],
        }

    # What comes

    def received(self, kind: int, body: bytes) -> None:
        """One frame of the provider's. Raises `FailError`."""
        if framing.is_unknown(kind):
            self.rules.forbid("EXT-002", kind % 2 == 0, FailError("UNKNOWN_FRAME"))
            self._ignored += 1
            self.rules.forbid("EXT-008", self._ignored > limit("MAX_IGNORED"), FailError("UNKNOWN_FRAME"))
            return
        expected = kind in _RECEIVES.get(self.state, ())
        self.rules.forbid("STM-001", not expected, FailError("UNEXPECTED_FRAME"))
        if not expected:
            return
        self.listen()
        value = self.connection.value(kind, body)
        try:
            if kind == framing.ACCEPT:
                self.accepted(value[0])
            elif kind == framing.CHUNK:
                self.pieces.append(value)
                self.chunk(value[0], value[1], len(framing.write_frame(kind, body)))
            elif kind == framing.END:
                self.end(value)
            else:
                self.failed(value)
        except RefuseError as error:
            self.give_up(error)

    def accepted(self, tokens: int) -> None:
        """ACCEPT. Raises `RefuseError`."""
        self.input_tokens = tokens
        if self.state == WITHDRAWN:
            self.state = CANCELLING
            return
        self.state = STREAMING
        beyond = tokens > self.quote.context_length or self.quote.owed(tokens, 0) > self.ceiling
        self.rules.forbid("RCP-014", beyond, RefuseError("OVERRUN"))
        if tokens > self.most_input() and not self.rules.skips("RCP-038"):
            self.error = "OVERRUN"
            self.cancel()
            return
        self.pay()

    def chunk(self, text: str, tokens: int, size: int) -> None:
        """CHUNK. Raises `FailError` or `RefuseError`."""
        self.received_bytes += size
        self.rules.forbid("FLW-003", self.received_bytes > self.credit, FailError("FLOW_CONTROL"))
        self.chunks.append((text, tokens))
        quote = self.quote
        beyond = (
            self.tokens > self.content.get(3, 0)
            or quote.owed(self.input_tokens or 0, self.tokens) > self.ceiling
            or self.received_bytes > limit("MAX_ANSWER")
        )
        self.rules.forbid("RCP-015", beyond, RefuseError("OVERRUN"))
        for requirement, broken in self.reading.take(self.pieces[-1]):
            self.rules.forbid(requirement, broken, RefuseError("BAD_ANSWER"))
        if self.state == STREAMING:
            self.pay()
            self.give_credit()

    @property
    def tokens(self) -> int:
        """Output tokens so far."""
        return sum(count for _, count in self.chunks)

    # Paying

    def due(self) -> int:
        """K of *Format* (RCP-018)."""
        return self.quote.ticks(self.quote.owed(self.input_tokens or 0, self.tokens), self.ceiling)

    def pay(self) -> None:
        """Release what has become due."""
        k = min(self.due(), len(self.links) - 1)
        if k > self.k:
            self.k = k
            self.send(framing.TICK, {0: k, 1: self.links[k]})

    def give_credit(self) -> None:
        """FLW-011: raise the limit once half of it is used."""
        initial = limit("INITIAL_CREDIT")
        if self.received_bytes + initial - self.credit >= initial // 2:
            self.credit = self.received_bytes + initial
            self.send(framing.CREDIT, {0: self.credit})

    # The end

    def end(self, value: Mapping[int, Item]) -> None:
        """END. Raises `RefuseError`."""
        signed = value[1]
        close = self.judge_close(signed[0], signed[1], value[0])
        for requirement, broken in self.reading.end(close[7]):
            self.rules.forbid(requirement, broken, RefuseError("BAD_ANSWER"))
        self.state = ENDED
        self.close = close
        self.signed.append(signed)
        self.agree()

    def judge_close(self, body: bytes, signature: bytes, salt: bytes) -> dict[int, Item]:
        """The close, where this node agrees to it. Raises `RefuseError`."""
        forbid, bad = self.rules.forbid, RefuseError("BAD_CLOSE")
        try:
            close: dict[int, Item] = dcbor.decode(body)
        except dcbor.NotDeterministicError:
            raise bad from None
        forbid("RCP-024", shapes.broken("close-body", close) is not None, bad)
        proved = signing.is_signed_by(self.quote.provider, signing.CLOSE, body, signature)
        forbid("RCP-026", not proved, bad)
        forbid("RCP-027", close.get(7) == CANCELLED and self.cancelled_after is None, bad)
        forbid("RCP-028", close != self.expected_close(close, salt) or close[6] > self.ceiling, bad)
        window = (self.k + self.quote.window) * self.quote.tick_value
        forbid("RCP-033", self.cancelled_after is not None and close[6] > window, bad)
        return close

    def expected_close(self, close: Mapping[int, Item], salt: bytes) -> dict[int, Item]:
        """What the close has to say, by its reason."""
        cancelled = close.get(7) == CANCELLED and self.cancelled_after is not None
        answer = self.answer(self.pieces[: self.cancelled_after] if cancelled else self.pieces, close.get(7))
        tokens = answer[2]
        counted = close.get(4) if cancelled and self.input_tokens is None else self.input_tokens or 0
        total = self.quote.owed(counted if isinstance(counted, int) else 0, tokens)
        if cancelled:
            total = min(total, self.k * self.quote.tick_value)
        return {
            0: signing.name(signing.OPEN, self.signed[1][0]),
            1: self.opened[6],
            2: signing.name(signing.RESPONSE, dcbor.encode(salt), dcbor.encode(answer)),
            3: self.quote.model_digest,
            4: counted,
            5: tokens,
            6: total,
            7: close.get(7),
            8: 0,
        }

    def answer(self, billed: list[dict[int, Item]], finish: Item) -> dict[int, Item]:
        """What the commitment is over."""
        return answers.answer_of(billed, finish)

    def agree(self) -> None:
        """Keep the receipt (RCP-044), then countersign (RCP-046)."""
        assert self.close is not None  # judged
        countersignature = self.node.key.sign(signing.COUNTERSIGN, self.signed[2][0])
        self.keep(Kept(owed=self.close[6], receipt=dcbor.encode([*self.signed, countersignature])))
        self.countersign(countersignature)
        if self.cancelled_after is None:
            self.finish = self.close[7]
        self.over_now(self.error or "CANCELLED")

    def countersign(self, countersignature: bytes) -> None:
        """COUNTERSIGN."""
        self.send(framing.COUNTERSIGN, {0: countersignature}, fin=True)
        self._ended_side = True

    def failed(self, value: Mapping[int, Item]) -> None:
        """ERROR of the provider."""
        self.refused = self.state in (REQUESTED, WITHDRAWN)
        self.keep(self.claim())
        self.over_now(error_name(value[0]))

    def give_up(self, error: RefuseError) -> None:
        """ERROR of this node."""
        self.send(framing.ERROR, {0: error.code}, fin=True)
        self._ended_side = True
        self.keep(self.claim())
        self.over_now(error_name(error.code))

    def ended(self) -> None:
        """The provider's side ended without END or ERROR (INF-031)."""
        if not self.over:
            self.gone()

    def gone(self) -> None:
        """The provider is gone: what was released is owed."""
        if self.over:
            return
        if self.state != ENDED:
            self.keep(self.claim())
        self.present_cut()

    def present_cut(self) -> None:
        """INF-021: an answer that was cut is none."""
        self.over_now("PEER_GONE")

    def claim(self) -> Kept:
        """What is owed without a receipt (RCP-032)."""
        released = min(self.k * self.quote.tick_value, self.ceiling)
        return Kept(owed=0 if self.refused else released, receipt=None)

    def keep(self, kept: Kept) -> None:
        """Store how it ended."""
        self.node.keep("consumer", self.opened, kept)

    def over_now(self, error: str) -> None:
        """The exchange is over; the user learns ``error`` where there is no whole answer."""
        if self.finish is None:
            self.error = self.error or error
        self.state = DONE
        self.timers.stop_all()
        if not self._ended_side and not self.connection.over:
            self.connection.port.write(self.stream, b"", fin=True)
        self.done.set()

    # Cancelling and waiting

    def cancel(self) -> None:
        """CANCEL what has come, with the last released tick."""
        if self.state not in (REQUESTED, STREAMING):
            return
        self.state = WITHDRAWN if self.state == REQUESTED else CANCELLING
        self.cancelled_after = len(self.chunks)
        self.send(framing.CANCEL, {0: len(self.chunks), 1: self.k, 2: self.links[self.k]})
        self.timers.stop("answer")
        self.timers.start("closing", limit("CLOSING_TIMEOUT"), self.closing_overdue)

    def user_gone(self) -> None:
        """INF-015: nobody waits for the answer any more."""
        if not self.rules.skips("INF-015"):
            self.cancel()

    def listen(self) -> None:
        """Wait for the next frame (INF-019), while there is credit."""
        if self.credit - self.received_bytes >= limit("MIN_CREDIT_STEP"):
            self.timers.start("silence", limit("SILENCE_TIMEOUT"), self.answer_overdue)
        else:
            self.timers.stop("silence")

    def answer_overdue(self) -> None:
        """INF-019: the end of a wait."""
        if self.state in (REQUESTED, STREAMING) and not self.rules.skips("INF-019"):
            self.error = "TIMEOUT"
            self.cancel()

    def closing_overdue(self) -> None:
        """INF-020: END did not follow CANCEL."""
        if self.state in (WITHDRAWN, CANCELLING) and not self.rules.skips("INF-020"):
            self.give_up(RefuseError("TIMEOUT"))

    def send(self, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
        """One frame."""
        self.connection.port.write(self.stream, framing.write_frame(kind, dcbor.encode(body)), fin)
