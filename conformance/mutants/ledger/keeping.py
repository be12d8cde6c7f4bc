"""Nodes that forget what they owe, or their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from conformance import dcbor, signing
from conformance.dcbor import Item
from conformance.honest.adapter import HonestAdapter
from conformance.honest.consumer import Consumer
from conformance.honest.ledger import Kept
from conformance.honest.node import Node
from conformance.mutants.brief import does, skips
from conformance.mutants.mutant import adapter_with, consumer_with, node_with


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


_skips, _does = partial(skips, "ledger"), partial(does, "ledger")

MUTANTS = (
    _does(
        "agrees-before-it-keeps",
        "Sends COUNTERSIGN before the receipt is on its disk.",
        "RCP-044",
        "keep-the-receipt-through-a-crash",
        row=17,
        adapter=consumer_with(agree=_agrees_before_it_keeps),
    ),
    _does(
        "keeps-no-receipt",
        "Countersigns, and keeps the amount alone.",
        "RCP-044",
        "keep-the-receipt",
        row=17,
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
)
