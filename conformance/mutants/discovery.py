"""Nodes that believe rumours, tell them for ever and to anybody, and go wherever they lead."""

from __future__ import annotations

from functools import partial
from typing import Any

from conformance.honest.discovery import Book
from conformance.members import Signed

from .brief import does, skips
from .mutant import node_with


def _hears_with(**attributes: Any) -> Any:
    return node_with(hears=type("MutantBook", (Book,), attributes))


def _tells_nobody(self: Book, network: bytes, most: int) -> list[Signed]:
    return []


_skips, _does = partial(skips, "discovery"), partial(does, "discovery")

MUTANTS = (
    _skips(
        "DSC-002",
        "believes-unsigned-records",
        "Takes records that their nodes did not sign.",
        "refuse-a-record-without-signature",
    ),
    _skips(
        "DSC-003",
        "believes-records-of-any-date",
        "Does not look at the dates of a record.",
        "refuse-a-record-that-has-expired",
        "refuse-a-record-of-the-future",
        "refuse-a-record-for-ever",
        row=25,
    ),
    _skips(
        "DSC-004",
        "believes-what-comes-last",
        "Takes whatever record came last, however old it is.",
        "refuse-a-record-of-two-bodies",
        "keep-the-newest-record",
    ),
    _skips(
        "DSC-016",
        "believes-rumours",
        "Takes records of others from whoever brings them.",
        "refuse-a-record-of-another-node",
        row=1,
    ),
    _does(
        "tells-nobody",
        "Hears what nodes say of themselves, and tells it to nobody.",
        "DSC-009",
        "find-who-announced-itself",
        node=_hears_with(give=_tells_nobody),
    ),
    _skips(
        "DSC-010",
        "tells-of-who-has-left",
        "Tells of nodes that have said that they leave.",
        "forget-who-has-left",
        row=25,
    ),
    _skips(
        "DSC-018",
        "tells-for-ever",
        "Tells what has expired, and more than anybody wants.",
        "forget-what-has-expired",
        "give-no-more-than-is-wanted",
        row=25,
    ),
    _skips(
        "DSC-017",
        "tells-anybody",
        "Tells the records of its networks to whoever asks, and takes them from whoever brings them.",
        "refuse-to-tell-a-stranger",
        "refuse-the-record-of-a-stranger",
        row=10,
    ),
    _skips("DSC-014", "mixes-networks", "Tells in one network what it has heard in another.", "keep-networks-apart"),
    _skips(
        "DSC-005",
        "dials-anywhere",
        "Goes wherever a record leads, its own machine included.",
        "dial-nobody-at-home",
        row=24,
    ),
)
