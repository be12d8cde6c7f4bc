"""Providers that serve unpaid, bill unpaid, or take what is no payment."""

from __future__ import annotations

from collections.abc import Mapping

from conformance import dcbor, framing
from conformance.dcbor import Item
from conformance.finish import CANCELLED
from conformance.honest.provider import IDLE, Provider
from conformance.honest.rules import RefuseError

from .mutant import Mutant, provider_with, skipping


def _a_window_of_one_more(self: Provider, text: str, tokens: int) -> bool:
    quote = self._terms()
    self.k += 1
    try:
        return Provider.may_send(self, text, tokens) or not quote.window
    finally:
        self.k -= 1


def _waits_when_paid(self: Provider, value: Mapping[int, Item]) -> None:
    """Takes what is due, and nothing beyond."""
    quote = self._terms()
    due = quote.ticks(quote.owed(self.input_tokens or 0, self.tokens), self.opened[7])
    if value[0] > due:
        raise RefuseError("BAD_TICK")
    Provider.tick(self, value)


def _bills_what_was_paid(self: Provider, finish: int, salt: bytes) -> dict[int, Item]:
    return Provider.bill(self, finish, salt) | {6: self.k * self._terms().tick_value}


def _bills_unpaid_cancels(self: Provider, finish: int, salt: bytes) -> dict[int, Item]:
    close = Provider.bill(self, finish, salt)
    return close | {6: self._terms().owed(close[4], close[5])}


def _bills_what_was_on_its_way(self: Provider, finish: int, salt: bytes) -> dict[int, Item]:
    self.cancelled_after = None
    return Provider.bill(self, finish, salt)


def _ends_otherwise(self: Provider) -> None:
    self.end(CANCELLED + 2)


def _agrees_to_anything(self: Provider, kind: int, body: bytes) -> None:
    if self.state == IDLE and kind == framing.END:
        close, _ = dcbor.decode(body)[1]
        self.send(framing.COUNTERSIGN, {0: self.node.key.sign("mycellm/countersign/v1", close)}, fin=True)
        return
    Provider.received(self, kind, body)


MUTANTS = (
    Mutant(
        slug="streams-unpaid",
        page="Delivers whatever was asked for, and does not wait for a tick.",
        breaks=("RCP-017~1",),
        kills=("payment/accept-ticks", "payment/accept-late-ticks"),
        node=skipping("RCP-017"),
    ),
    Mutant(
        slug="has-a-window-of-one-more",
        page="Delivers a tick's worth more than the window that it quoted.",
        breaks=("RCP-017~1",),
        kills=("payment/accept-late-ticks",),
        connection=provider_with(may_send=_a_window_of_one_more),
    ),
    Mutant(
        slug="refuses-ticks-in-advance",
        page="Gives up where a tick is right, and early.",
        breaks=("RCP-021~1",),
        kills=("payment/accept-ticks-in-advance",),
        connection=provider_with(tick=_waits_when_paid),
    ),
    Mutant(
        slug="takes-a-tick-twice",
        page="Takes the last tick again, which pays for nothing.",
        breaks=("RCP-019~1",),
        kills=("payment/refuse-repeated-tick",),
        node=skipping("RCP-019"),
    ),
    Mutant(
        slug="takes-any-tick",
        page="Takes any number with any link, a lower one too.",
        breaks=("RCP-019~1", "RCP-020~1", "RCP-021~1"),
        kills=(
            "payment/refuse-lower-tick",
            "payment/refuse-repeated-tick",
            "payment/refuse-tick-above-ceiling",
            "payment/refuse-cancel-with-lower-tick",
        ),
        node=skipping("RCP-019", "RCP-020", "RCP-021"),
    ),
    Mutant(
        slug="bills-unpaid-prompts",
        page="Sends a bill for a prompt that was never paid, beyond the window.",
        breaks=("RCP-034~1",),
        kills=("payment/refuse-unpaid-prompt",),
        node=skipping("RCP-034"),
    ),
    Mutant(
        slug="bills-what-was-paid",
        page="Bills all ticks that were released, whatever it delivered.",
        breaks=("RCP-025~1",),
        kills=("payment/accept-ticks", "payment/accept-ticks-in-advance", "payment/accept-cancel-of-paid"),
        connection=provider_with(bill=_bills_what_was_paid),
    ),
    Mutant(
        slug="bills-cancelled-text-in-full",
        page="Bills a cancelled answer beyond the ticks that were released.",
        breaks=("RCP-025~1",),
        kills=("payment/accept-cancel-of-unpaid",),
        connection=provider_with(bill=_bills_unpaid_cancels),
    ),
    Mutant(
        slug="bills-text-that-was-on-its-way",
        page="Bills a cancelled answer with the chunks that CANCEL does not name.",
        breaks=("RCP-007~1",),
        kills=("payment/accept-cancel-of-unpaid",),
        connection=provider_with(bill=_bills_what_was_on_its_way),
    ),
    Mutant(
        slug="calls-a-cancel-a-shutdown",
        page="Answers CANCEL with another reason, so that all chunks are billed.",
        breaks=("INF-023~1",),
        kills=("payment/accept-cancel-of-paid",),
        connection=provider_with(cancelled=_ends_otherwise),
    ),
    Mutant(
        slug="takes-any-cancel",
        page="Takes a CANCEL that names fewer chunks than were paid for.",
        breaks=("RCP-023~1",),
        kills=(
            "payment/refuse-cancel-with-ticks-beyond-chunks",
            "payment/refuse-cancel-with-fewer-chunks-than-paid",
        ),
        node=skipping("RCP-023"),
    ),
    Mutant(
        slug="passes-over-what-is-out-of-place",
        page="Passes over frames that its state does not list.",
        breaks=("STM-001~1",),
        kills=(
            "payment/reject-tick-before-accept",
            "payment/reject-claim-of-consumer",
            "receipts/reject-countersignature-before-end",
        ),
        node=skipping("STM-001"),
        row=6,
    ),
    Mutant(
        slug="countersigns-anything",
        page="Countersigns whatever bill it is sent: a million credits, with no inference behind them.",
        breaks=("RCP-045~1", "ERR-003~2"),
        kills=("payment/refuse-claim-without-request",),
        connection=provider_with(received=_agrees_to_anything),
        row=6,
    ),
)
