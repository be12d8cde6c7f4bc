"""Who is a member of a network, by what it shows: SPEC.md, "Networks", as the suite and its honest node judge it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from . import dcbor, signing
from .vectors.networks import Networks

Signed: TypeAlias = list[bytes]
CONSUMER, PROVIDER = 1, 2
OPEN, INVITE, AUTHORITY = 1, 2, 3
SETTLED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a node shows of itself."""

    membership: Signed
    certificate: Signed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Whom a proof makes a node."""

    member: bytes
    roles: int
    serial: bytes
    quota: int
    expires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of a network: its descriptor, and the newest roll."""

    descriptor: Signed
    roll: Signed | None = None

    @property
    def terms(self) -> dict[int, Any]:
        """The descriptor's body."""
        return body(self.descriptor)

    @property
    def network(self) -> bytes:
        """The network's id."""
        return signing.rooted(self.terms[0])

    def allows(self, digest: bytes) -> bool:
        """Whether a model may be served in the network."""
        return self.terms[6] is None or digest in self.terms[6]

    def member(self, reads: Networks, proof: Proof, node: bytes, now: float) -> Member | None:
        """Whom ``proof`` makes ``node``; None where it makes it nobody."""
        found = reads.membership(
            {
                "network": self.network.hex(),
                "node": node.hex(),
                "now": int(now),
                "descriptor": _hexed(self.descriptor),
                "roll": _hexed(self.roll),
                "membership": _hexed(proof.membership),
                "node_certificate": _hexed(proof.certificate),
                "role": 0,
            }
        )
        if found["verdict"] != "accept":
            return None
        key, serial = bytes.fromhex(str(found["member"])), bytes.fromhex(str(found["serial"]))
        return Member(
            member=key, roles=found["roles"], serial=serial, quota=found["quota"], expires=found["expires"]
        )  # fmt: skip

    def newer(self, reads: Networks, now: float, *, descriptor: Signed | None, roll: Signed | None) -> Standing:
        """With what somebody shows, where it is good and counts (NET-016, NET-027)."""
        known = self
        if descriptor is not None:
            offered = reads.judge_descriptor(descriptor[0], descriptor[1], self.network, int(now))
            if offered is not None and reads.which_counts(self.terms[4], offered[4]) != self.terms[4]:
                known = replace(known, descriptor=descriptor)
        if roll is not None:
            offered = reads.judge_roll(roll[0], roll[1], known.terms, int(now))
            held = None if known.roll is None else body(known.roll)[1]
            if offered is not None and reads.which_counts(held, offered[1]) != held:
                known = replace(known, roll=roll)
        return known


def body(signed: Signed) -> dict[int, Any]:
    """The body of a signed object that was judged before."""
    value: dict[int, Any] = dcbor.decode(signed[0])
    return value


def _hexed(signed: Signed | None) -> str | None:
    return None if signed is None else dcbor.encode(signed).hex()
