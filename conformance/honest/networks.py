"""PROVE and SHOW as an honest member answers them, and what it holds of its networks: SPEC.md, "Networks"."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from conformance import dcbor, shapes, signing
from conformance.dcbor import Item
from conformance.members import Proof, Signed, Standing
from conformance.vectors.networks import Networks

from .rules import RefuseError, Rules

if TYPE_CHECKING:
    from .connection import Connection

PROVE, SHOW = 1, 2


class Reads(Networks):
    """How a membership is verified, less what its node does not look at."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def enforces(self, requirement: str) -> bool:
        """Whether this node makes the checks of a requirement."""
        return not self._rules.skips(requirement)

    def broken(self, rule: str, value: Item) -> str | None:
        """What is wrong with the shape of something."""
        loose = rule == "membership-body" and self._rules.skips("NET-020")
        return None if loose else super().broken(rule, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A network that this node is a member of."""

    standing: Standing
    proof: Proof

    def shown(self) -> dict[int, Item]:
        """The part that PROVE and SHOW have in common: membership, node certificate, roll."""
        certificate = {} if self.proof.certificate is None else {2: self.proof.certificate}
        return {1: self.proof.membership, **certificate, 3: self.standing.roll}


def arguments(connection: Connection, rule: str, encoded: bytes) -> dict[int, Item]:
    """What a call is asked with, by its rule. Raises `RefuseError`."""
    try:
        value = connection.rules.decode(encoded)
    except dcbor.NotDeterministicError:
        raise RefuseError("MALFORMED") from None
    if shapes.broken(rule, value) is not None:
        raise RefuseError("MALFORMED")
    return shapes.known(rule, value)


def prove(connection: Connection, encoded: bytes) -> dict[int, Item]:
    """PROVE. Raises `RefuseError`."""
    blinded = arguments(connection, "prove", encoded)[0]
    network = named(connection, blinded)
    if network is None:
        raise RefuseError("NOT_MEMBER")
    early = connection.initiates and connection.member(network) is None
    connection.rules.forbid("NET-032", early, RefuseError("NOT_MEMBER"))
    connection.given.add(network)
    held = connection.node.store.networks[network]
    return {0: held.standing.descriptor, **held.shown()}


def named(connection: Connection, blinded: bytes) -> bytes | None:
    """The network that the peer names (NET-033): one of which this node is a member itself."""
    node, peer = connection.node, connection.peer
    own = [each for each in node.store.networks if node.own(each) is not None]
    found = [each for each in own if signing.blind(each, connection.binding, peer) == blinded]
    if not found and node.rules.skips("NET-033"):
        return next(iter(own), None)
    return next(iter(found), None)


def show(connection: Connection, encoded: bytes) -> dict[int, Item]:
    """SHOW. Raises `RefuseError`."""
    shown = arguments(connection, "show", encoded)
    network, node = shown[0], connection.node
    if network not in node.store.networks:
        raise RefuseError("NOT_MEMBER")
    connection.rules.forbid("NET-034", network not in connection.given, RefuseError("NOT_MEMBER"))
    node.learn(network, roll=shown[3])
    connection.proofs[network] = Proof(membership=shown[1], certificate=shown.get(2))
    if connection.member(network) is None:
        del connection.proofs[network]
        raise RefuseError("NOT_MEMBER")
    asyncio.get_running_loop().call_soon(connection.introduced)
    return {}


def held(descriptor: Signed, proof: Proof, roll: Signed | None) -> Held:
    """What JOIN gives."""
    return Held(standing=Standing(descriptor=descriptor, roll=roll), proof=proof)


def learnt(known: Held, reads: Networks, now: float, descriptor: Signed | None, roll: Signed | None) -> Held:
    """With what somebody has shown."""
    return replace(known, standing=known.standing.newer(reads, now, descriptor=descriptor, roll=roll))
