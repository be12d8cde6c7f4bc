"""Nodes that forget, claim too much, count a debt twice, or give credit to keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance import dcbor, signing
from conformance.dcbor import Item
from conformance.honest.adapter import HonestAdapter
from conformance.honest.consumer import Consumer
from conformance.honest.ledger import Kept
from conformance.honest.node import Node
from conformance.honest.provider import Provider
from conformance.honest.rules import RefuseError

from .mutant import Mutant, adapter_with, consumer_with, node_with, provider_with, skipping


def _agrees_before_it_keeps(self: Consumer) -> None:
    """COUNTERSIGN first; the receipt is written later."""
    assert self.close is not None  # judged
    self.countersign(self.node.key.sign(signing.COUNTERSIGN, self.signed[2][0]))
    self.timers.stop_all()
    signature = self.node.key.sign(signing.COUNTERSIGN, self.signed[2][0])
    kept = Kept(owed=self.close[6], receipt=dcbor.encode([*self.signed, signature]))
    self.timers.start("write", 0.1, lambda: self.keep(kept))
    self.finish = self.close[7]
    self.state = "DONE"
    self.done.set()


def _keeps_no_receipt(self: Node, role: str, opened: Mapping[int, Item], kept: Kept) -> None:
    Node.keep(self, role, opened, Kept(owed=kept.owed, receipt=None) if role == "consumer" else kept)


def _owes_the_ceiling(self: Consumer) -> Kept:
    return Kept(owed=self.ceiling, receipt=None)


def _owes_nothing(self: Consumer) -> Kept:
    return Kept(owed=0, receipt=None)


def _owes_what_is_billed(self: Consumer, body: bytes, signature: bytes, salt: bytes) -> dict[int, Item]:
    close: dict[int, Item] = dcbor.decode(body)
    self.ceiling = max(self.ceiling, close[6])
    self.k = -(-close[6] // self.quote.tick_value)
    return Consumer.judge_close(self, body, signature, salt)


def _owes_prepaid_for_a_refusal(self: Consumer, value: Mapping[int, Item]) -> None:
    Consumer.failed(self, value)
    self.keep(Kept(owed=self.k * self.quote.tick_value, receipt=None))


def _names_nothing(self: Consumer, number: int, previous: bytes | None, salt: bytes) -> dict[int, Item]:
    return Consumer.open_body(self, number, None, salt)


async def _forgets_numbers(self: HonestAdapter, *, kill: bool = False) -> dict[str, Any]:
    self.running().store.sequences.clear()
    self.running().save()
    return await HonestAdapter.restart(self, kill=kill)


async def _forgets_names(self: HonestAdapter, *, kill: bool = False) -> dict[str, Any]:
    self.running().store.newest.clear()
    self.running().save()
    return await HonestAdapter.restart(self, kill=kill)


async def _forgets_opens(self: HonestAdapter, *, kill: bool = False) -> dict[str, Any]:
    self.running().store.opens.clear()
    self.running().save()
    return await HonestAdapter.restart(self, kill=kill)


async def _shows_twice(self: HonestAdapter) -> dict[str, Any]:
    shown = list(self.running().store.shown())
    return {"receipts": [*shown, *shown]}


def _claims_the_ceiling(self: Provider) -> Kept:
    kept = Provider.kept(self)
    return kept if kept.receipt is not None else Kept(owed=self.opened[7], receipt=None)


def _claims_prepaid(self: Provider, error: RefuseError) -> None:
    if self.opened and self.quote is not None:
        self.node.keep(
            "provider", self.opened, Kept(owed=self.quote.prepaid_ticks * self.quote.tick_value, receipt=None)
        )
    Provider.refuse(self, error)


def _counts_no_late_tick(self: Provider, value: Mapping[int, Item]) -> None:
    if self.state != "ENDED":
        Provider.tick(self, value)


def _counts_every_tick(self: Provider, value: Mapping[int, Item]) -> None:
    if self.state == "ENDED" and self.cancelled_after is not None:
        self.k = max(self.k, value[0])
        assert self.close is not None  # ENDED
        self.close = self.close | {6: self.k * self._terms().tick_value}
        return
    Provider.tick(self, value)


def _gives_every_key_its_own(self: Node, opened: Mapping[int, Item], name: bytes) -> None:
    own = set(self.store.opens.get((opened[0], opened[1]), {}).values())
    others = {each: use for each, use in self.store.uses.items() if each not in own}
    for each in others:
        del self.store.uses[each]
    Node.record(self, opened, name)
    self.store.uses.update(others)


def _never_renews(self: Node) -> int:
    return sum(amount for _, amount in self.store.uses.values())


def _counts_ceilings_for_ever(self: Node, name: bytes, owed: int) -> None:
    """What was reserved stays reserved."""


def _skips(requirement: str, slug: str, page: str, *cases: str, row: int | None = None, revision: int = 1) -> Mutant:
    return Mutant(
        slug=slug,
        page=page,
        breaks=(f"{requirement}~{revision}",),
        kills=tuple(f"ledger/{each}" for each in cases),
        node=skipping(requirement),
        row=row,
    )


def _does(slug: str, page: str, breaks: str, *cases: str, row: int | None = None, **parts: Any) -> Mutant:
    return Mutant(
        slug=slug,
        page=page,
        breaks=tuple(each if "~" in each else f"{each}~1" for each in breaks.split()),
        kills=tuple(f"ledger/{each}" for each in cases),
        row=row,
        **parts,
    )


MUTANTS = (
    # Consumer
    _does(
        "agrees-before-it-keeps",
        "Sends COUNTERSIGN before the receipt is on its disk.",
        "RCP-044",
        "keep-the-receipt-through-a-crash",
        row=16,
        adapter=consumer_with(agree=_agrees_before_it_keeps),
    ),
    _does(
        "keeps-no-receipt",
        "Countersigns, and keeps the amount alone.",
        "RCP-044",
        "keep-the-receipt",
        row=16,
        node=node_with(keep=_keeps_no_receipt),
    ),
    _does(
        "owes-the-ceiling",
        "Records the whole ceiling for whatever did not end well.",
        "RCP-032",
        "owe-nothing-for-a-refusal",
        "owe-what-was-released",
        "owe-for-a-cut-answer",
        "owe-for-a-lost-connection",
        adapter=consumer_with(claim=_owes_the_ceiling),
    ),
    _does(
        "owes-nothing",
        "Records nothing for what was delivered and did not end well.",
        "RCP-032",
        "owe-what-was-released",
        "owe-for-a-cut-answer",
        "owe-for-a-lost-connection",
        adapter=consumer_with(claim=_owes_nothing),
    ),
    _does(
        "owes-what-is-billed",
        "Records what a bad close bills.",
        "RCP-032",
        "owe-no-more-for-a-bad-close",
        row=6,
        adapter=consumer_with(judge_close=_owes_what_is_billed),
    ),
    _does(
        "owes-for-refusals",
        "Records the prepaid ticks of a request that was refused.",
        "RCP-032",
        "owe-nothing-for-a-refusal",
        adapter=consumer_with(failed=_owes_prepaid_for_a_refusal),
    ),
    # Numbers
    _does(
        "begins-again-at-one",
        "Begins to count its opens anew with each start.",
        "RCP-003",
        "number-opens-through-a-restart",
        row=7,
        adapter=adapter_with(restart=_forgets_numbers),
    ),
    _skips(
        "RCP-003",
        "signs-before-it-writes",
        "Takes its numbers in memory, and loses them in a crash.",
        "take-no-number-twice-after-a-crash",
        row=7,
    ),
    _does(
        "names-no-open-before",
        "Never says which open came before.",
        "RCP-042",
        "number-opens",
        "number-opens-through-a-restart",
        adapter=consumer_with(open_body=_names_nothing),
    ),
    _does(
        "forgets-the-open-before",
        "Forgets at each start which open came before.",
        "RCP-042",
        "number-opens-through-a-restart",
        adapter=adapter_with(restart=_forgets_names),
    ),
    _skips(
        "KEY-008",
        "keeps-its-key-without-its-numbers",
        "Goes on under its key after it has lost its numbers.",
        "change-the-key-with-the-store",
    ),
    # Provider
    _skips(
        "RCP-030",
        "takes-any-countersignature-for-one",
        "Stores an exchange as agreed, whatever the countersignature is.",
        "claim-no-agreement-with-a-forged-countersign",
        row=7,
    ),
    _does(
        "claims-the-ceiling",
        "Claims the whole ceiling of whatever did not end well.",
        "RCP-050",
        "claim-no-agreement-without-countersign",
        "claim-what-was-released",
        row=6,
        connection=provider_with(kept=_claims_the_ceiling),
    ),
    _does(
        "claims-for-refused-requests",
        "Claims the prepaid ticks of a request that it has refused.",
        "RCP-031",
        "claim-nothing-for-a-refused-request",
        row=6,
        connection=provider_with(refuse=_claims_prepaid),
    ),
    _does(
        "loses-late-ticks",
        "Does not count a tick that crosses its END.",
        "RCP-022~2",
        "count-a-tick-that-crosses-end",
        connection=provider_with(tick=_counts_no_late_tick),
    ),
    _does(
        "counts-ticks-after-cancel",
        "Counts a tick that comes after the END of a cancelled answer, and raises its claim by it.",
        "RCP-022~2 RCP-050",
        "ignore-a-tick-after-cancel",
        connection=provider_with(tick=_counts_every_tick),
    ),
    _skips(
        "RCP-055",
        "serves-before-it-writes",
        "Keeps opens in memory until the exchange is over, and loses them in a crash.",
        "remember-opens-through-a-crash",
        row=7,
    ),
    _does(
        "forgets-its-opens",
        "Forgets at each start which numbers it has seen: one receipt settles again.",
        "RCP-040 RCP-051",
        "book-nothing-twice",
        row=7,
        adapter=adapter_with(restart=_forgets_opens),
    ),
    _does(
        "books-twice",
        "Keeps a debt once for each time that it is shown.",
        "RCP-051",
        "serve-and-keep-the-receipt",
        "keep-the-receipt",
        row=7,
        adapter=adapter_with(receipts=_shows_twice),
    ),
    # Policy
    _skips(
        "NET-003",
        "serves-without-bound",
        "Serves whatever is asked, beyond its allowance.",
        "refuse-beyond-the-allowance",
        "give-no-allowance-to-a-new-key",
        row=9,
    ),
    _does(
        "gives-credit-to-every-key",
        "Gives every new key an allowance of its own: thirty keys get thirty times as much.",
        "NET-003 NET-004",
        "give-no-allowance-to-a-new-key",
        row=9,
        node=node_with(record=_gives_every_key_its_own),
    ),
    _does(
        "never-renews-its-allowance",
        "Counts what it has served for ever.",
        "NET-003",
        "renew-the-allowance-after-a-day",
        node=node_with(used=_never_renews),
    ),
    _does(
        "counts-ceilings-for-ever",
        "Counts a ceiling for a day, whatever was owed in the end.",
        "NET-003",
        "count-what-is-owed-afterwards",
        node=node_with(settled=_counts_ceilings_for_ever),
    ),
    _skips(
        "CTL-010",
        "offers-to-everybody",
        "Offers its models to peers that it does not serve.",
        "offer-nothing-to-a-stranger",
    ),
    _skips(
        "INF-025",
        "serves-what-it-withdrew",
        "Answers for a model that it does not serve any more.",
        "refuse-a-withdrawn-model",
    ),
    _skips(
        "INF-026",
        "serves-whom-it-forbade",
        "Answers a consumer that its owner has forbidden.",
        "refuse-a-consumer-that-is-no-longer-served",
    ),
    _skips("RCP-005", "takes-quotes-for-ever", "Serves at prices that expired.", "refuse-an-expired-quote"),
)
