"""Records of other nodes, and FIND and ANNOUNCE as an honest node answers them: SPEC.md, "Discovery"."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from conformance import signing
from conformance.data import limit
from conformance.dcbor import Item
from conformance.members import Signed, body
from conformance.vectors.discovery import Discovery

from .networks import arguments
from .rules import RefuseError, Rules

if TYPE_CHECKING:
    from .connection import Connection
    from .node import Node


class Reads(Discovery):
    """How a record is judged, less what its node does not look at."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def enforces(self, requirement: str) -> bool:
        """Whether this node makes the checks of a requirement."""
        return not self._rules.skips(requirement)


@dataclass(frozen=True, slots=True)
class Heard:
    """A record as its node brought it."""

    signed: Signed

    @property
    def terms(self) -> dict[int, Any]:
        """Its body."""
        return body(self.signed)


class Book:
    """What a node has heard of others, by network and node. Mutants override it."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.reads = Reads(node.rules)
        self.pages: dict[tuple[bytes, bytes], Heard] = {}

    def hear(self, connection: Connection, signed: Signed) -> None:
        """Take a record. Raises `RefuseError`."""
        terms = self.judged(signed, None)
        forbid = self.node.rules.forbid
        forbid("DSC-016", terms[0] != connection.peer, RefuseError("NOT_ALLOWED"))
        self.require(connection, terms[2])
        if not terms[3] and self.node.rules.skips("DSC-010"):
            return
        known = self.pages.get((terms[2], terms[0]))
        if known is not None:
            self.judged(signed, known.signed)
            if self.reads.which_sequence(known.terms[1], terms[1]) != terms[1] and not self.node.rules.skips("DSC-004"):
                return
        forbid("DSC-012", known is None and len(self.pages) >= limit("MAX_RECORDS"), RefuseError("BUSY"))
        self.pages[terms[2], terms[0]] = Heard(signed)
        self.dial(terms)

    def judged(self, signed: Signed, held: Signed | None) -> dict[int, Any]:
        """The body of a record. Raises `RefuseError`."""
        found = self.reads.record(
            {
                "body": signed[0].hex(),
                "signature": signed[1].hex(),
                "held": None if held is None else self.reads.encode(held).hex(),
                "now": int(self.node.clock()),
            }
        )
        if found["verdict"] != "accept":
            raise RefuseError("MALFORMED")
        return body(signed)

    def dial(self, terms: dict[int, Any]) -> None:
        """Go where a record leads, one connection a second, to its node and nobody else (DSC-005, DSC-007)."""
        for ip, port in terms[3]:
            told = self.reads.may_be_dialed(ip, "PEER") and self.reads.is_port(port)
            if (
                (told or self.node.rules.skips("DSC-005"))
                and self.node.reach is not None
                and terms[0] != self.node.key.public
            ):
                where = ".".join(map(str, ip)) if len(ip) == 4 else f"[{ip.hex(':', 2)}]"
                self.node.later(1 / limit("LEARNT_DIALS"), partial(self.node.reach, f"{where}:{port}", terms[0]))

    def require(self, connection: Connection, network: bytes) -> None:
        """DSC-017: both sides are of the network. Raises `RefuseError`."""
        shown = network == signing.DIRECT or connection.member(network) is not None
        self.node.rules.forbid("DSC-017", not shown, RefuseError("NOT_MEMBER"))

    def give(self, network: bytes, most: int) -> list[Signed]:
        """Records of a network: of those that have not left, and whose word is still good (DSC-010, DSC-018)."""
        skips, now = self.node.rules.skips, self.node.clock()
        found = [each for (where, _), each in self.pages.items() if where == network or skips("DSC-014")]
        found = [each for each in found if each.terms[5] > now or skips("DSC-018")]
        found = [each for each in found if each.terms[3]]
        return [each.signed for each in found][: None if skips("DSC-018") else most]


def find(connection: Connection, encoded: bytes) -> dict[int, Item]:
    """FIND. Raises `RefuseError`."""
    asked = arguments(connection, "find", encoded)
    node = connection.node
    own = [signing.DIRECT, *node.store.networks]
    named = {each: signing.blind(each, connection.binding, connection.peer) for each in own}
    network = next((each for each in own if asked[0] == (each if each == signing.DIRECT else named[each])), None)
    if network is None:
        raise RefuseError("NOT_MEMBER")
    node.book.require(connection, network)
    return {0: node.book.give(network, asked[1])}


def announce(connection: Connection, encoded: bytes) -> dict[int, Item]:
    """ANNOUNCE. Raises `RefuseError`."""
    connection.node.book.hear(connection, arguments(connection, "announce", encoded)[0])
    return {}
