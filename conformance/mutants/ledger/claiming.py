"""Providers that claim too much, count a debt twice, or give credit to keys."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from conformance.dcbor import Item
from conformance.honest.adapter import HonestAdapter
from conformance.honest.ledger import Kept
from conformance.honest.node import Node
from conformance.honest.provider import Provider
from conformance.honest.rules import RefuseError
from conformance.mutants.brief import does, skips
from conformance.mutants.mutant import adapter_with, node_with, provider_with, skipping


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


def _reserves_nothing(self: Node, opened: Mapping[int, Item], name: bytes) -> None:
    Node.record(self, opened, name)
    self.store.uses[name] = (self.clock(), 0)


def _never_renews(self: Node) -> int:
    return sum(amount for _, amount in self.store.uses.values())


def _counts_ceilings_for_ever(self: Node, name: bytes, owed: int) -> None:
    """What was reserved stays reserved."""


_skips, _does = partial(skips, "ledger"), partial(does, "ledger")

MUTANTS = (
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
    _does(
        "serves-without-bound",
        "Serves what its allowance would pay for at another time.",
        "NET-003~2",
        "give-no-allowance-to-a-new-key",
        row=9,
        node=skipping("NET-003"),
    ),
    _does(
        "gives-credit-to-every-key",
        "Gives every new key an allowance of its own: thirty keys get thirty times as much.",
        "NET-003~2 NET-004",
        "give-no-allowance-to-a-new-key",
        row=9,
        node=node_with(record=_gives_every_key_its_own),
    ),
    _does(
        "reserves-nothing",
        "Looks at its allowance before it serves, and takes from it only afterwards: a hundred at once all pass.",
        "NET-003~2",
        "reserve-the-allowance-at-once",
        "give-no-allowance-to-a-new-key",
        node=node_with(record=_reserves_nothing),
    ),
    _does(
        "never-renews-its-allowance",
        "Counts what it has served for ever.",
        "NET-003~2",
        "renew-the-allowance-after-a-day",
        node=node_with(used=_never_renews),
    ),
    _does(
        "counts-ceilings-for-ever",
        "Counts a ceiling for a day, whatever was owed in the end.",
        "NET-003~2",
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
