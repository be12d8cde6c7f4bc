"""Providers to which one open is more than one debt."""

from __future__ import annotations

from collections.abc import Mapping

from conformance.dcbor import Item
from conformance.honest.ledger import Store
from conformance.honest.node import Node
from conformance.honest.provider import Provider
from conformance.honest.rules import RefuseError

from .mutant import Mutant, node_with, provider_with, skipping


def _decides_by_connection(self: Provider) -> None:
    shared = self.node.store
    self.node.store = self.connection.__dict__.setdefault("store", Store(uses=shared.uses, draws=shared.draws))
    try:
        Provider.decide(self)
    finally:
        self.node.store = shared


def _known(self: Provider) -> dict[int, bytes]:
    return self.node.store.opens.setdefault((self.opened[0], self.opened[1]), {})


def _records_at_the_end(self: Provider) -> None:
    if self.input_tokens is not None:
        _known(self)[self.opened[3]] = self.open_name
    Provider.finish(self)


def _forgets_what_was_not_finished(self: Provider) -> None:
    if self.opened and (self.close is None or self.cancelled_after is not None):
        _known(self).pop(self.opened[3], None)
    Provider.finish(self)


def _compares_whole_opens(self: Node, opened: Mapping[int, Item], name: bytes) -> None:
    known = self.store.opens.setdefault((opened[0], opened[1]), {})
    if known.get(opened[3]) not in (None, name):
        known.pop(opened[3])
    Node.record(self, opened, name)


def _demands_ascending(self: Node, opened: Mapping[int, Item], name: bytes) -> None:
    known = self.store.opens.setdefault((opened[0], opened[1]), {})
    if any(each >= opened[3] for each in known):
        raise RefuseError("SEQUENCE_USED")
    Node.record(self, opened, name)


def _demands_every_previous(self: Node, opened: Mapping[int, Item], name: bytes) -> None:
    known = self.store.opens.setdefault((opened[0], opened[1]), {})
    if opened[4] is not None and opened[4] not in known.values():
        raise RefuseError("BAD_OPEN")
    Node.record(self, opened, name)


MUTANTS = (
    Mutant(
        slug="serves-one-open-again-and-again",
        page="Does not ask whether it has seen a sequence number: one open is served, and settled, many times.",
        breaks=("RCP-040~1",),
        kills=(
            "sequences/refuse-replayed-request",
            "sequences/refuse-request-replayed-elsewhere",
            "sequences/refuse-sequence-used-elsewhere",
            "sequences/refuse-sequence-with-lower-ceiling",
            "sequences/refuse-replay-while-running",
            "sequences/refuse-replay-after-cancel",
            "sequences/refuse-sequence-after-hang-up",
        ),
        node=skipping("RCP-040"),
        row=7,
    ),
    Mutant(
        slug="records-opens-by-connection",
        page="Keeps a list of opens for each connection: a second connection begins anew.",
        breaks=("RCP-039~1",),
        kills=(
            "sequences/refuse-request-replayed-elsewhere",
            "sequences/refuse-sequence-used-elsewhere",
            "sequences/refuse-sequence-after-hang-up",
            "sequences/refuse-sequence-twice-at-once",
        ),
        connection=provider_with(decide=_decides_by_connection),
    ),
    Mutant(
        slug="records-opens-at-the-end",
        page="Looks the number up before ACCEPT, and records it behind END: what runs meanwhile runs twice.",
        breaks=("RCP-039~1",),
        kills=("sequences/refuse-replay-while-running", "sequences/refuse-sequence-twice-at-once"),
        node=skipping("RCP-039"),
        connection=provider_with(finish=_records_at_the_end),
    ),
    Mutant(
        slug="compares-whole-opens",
        page="Refuses the same open, and serves another one with the same number.",
        breaks=("RCP-040~1",),
        kills=("sequences/refuse-sequence-used-elsewhere", "sequences/refuse-sequence-with-lower-ceiling"),
        node=node_with(record=_compares_whole_opens),
    ),
    Mutant(
        slug="forgets-unfinished-opens",
        page="Forgets the number of an exchange that was cancelled or broken off.",
        breaks=("RCP-040~1",),
        kills=("sequences/refuse-replay-after-cancel", "sequences/refuse-sequence-after-hang-up"),
        connection=provider_with(finish=_forgets_what_was_not_finished),
    ),
    Mutant(
        slug="demands-ascending-numbers",
        page="Refuses a number that was never used, because a higher one was.",
        breaks=("RCP-053~1",),
        kills=("sequences/accept-lower-sequence",),
        node=node_with(record=_demands_ascending),
    ),
    Mutant(
        slug="does-not-compare-previous",
        page="Does not see that a consumer denies the open before.",
        breaks=("RCP-041~1",),
        kills=("sequences/refuse-missing-previous", "sequences/refuse-previous-of-another-past"),
        node=skipping("RCP-041"),
    ),
    Mutant(
        slug="demands-every-previous",
        page="Refuses an open whose ``previous`` it has not recorded, though the one before may be on its way.",
        breaks=("RCP-041~1",),
        kills=("sequences/accept-unknown-previous",),
        node=node_with(record=_demands_every_previous),
    ),
)
