"""What this node holds of one network, and how that may change: SPEC.md section "Networks".

Nothing here does IO. A value is verified when it is made, and each change gives a new value, so that whoever holds one
holds a network whose statements belong together. Revisions and numbers only rise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mycellm_proto.membership import Proof, verify_membership
from mycellm_proto.networks import newer_descriptor, read_descriptor
from mycellm_proto.roll import newer_roll, read_roll

if TYPE_CHECKING:
    from mycellm_proto.invite import Contact
    from mycellm_proto.membership import VerifiedMember
    from mycellm_proto.networks import Descriptor
    from mycellm_proto.roll import Roll
    from mycellm_proto.signed import Signed


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldNetwork:
    """A network that this node is a member of.

    ``contact`` is the authority's node, for renewals; None where that is this node. ``heard`` is when (seconds since 1970) the authority's or the settlement node last confirmed descriptor and roll.
    """

    descriptor: Descriptor
    signed_descriptor: Signed
    proof: Proof
    roll: Roll | None = None
    signed_roll: Signed | None = None
    contact: Contact | None = None
    heard: float = 0.0

    @property
    def id(self) -> bytes:
        """The network's id (32 bytes)."""
        return self.descriptor.network

    @property
    def name(self) -> str:
        """What its root calls it: for people, never for decisions."""
        return self.descriptor.name

    def member(self, node: bytes, now: float) -> VerifiedMember:
        """This node as a member. Raises `RemoteProtocolError` (NOT_MEMBER) once its membership is void."""
        return verify_membership(self.proof, descriptor=self.descriptor, roll=self.roll, node=node, now=now)

    def renewed(self, signed_descriptor: Signed, signed_roll: Signed | None, now: float) -> HeldNetwork:
        """With what a member showed, where it is newer. Raises `RemoteProtocolError` for what proves nothing."""
        descriptor = read_descriptor(signed_descriptor, network=self.id, now=now)
        held = self
        if newer_descriptor(self.descriptor, descriptor) is not self.descriptor:
            held = replace(held, descriptor=descriptor, signed_descriptor=signed_descriptor)
            if descriptor.authority != self.descriptor.authority:
                held = replace(held, roll=None, signed_roll=None)  # it was the old authority's
        return held.with_roll(signed_roll, now)

    def with_roll(self, signed: Signed | None, now: float) -> HeldNetwork:
        """With the roll that a member showed, where it is newer. Raises `RemoteProtocolError`."""
        if signed is None:
            return self
        roll = read_roll(signed, descriptor=self.descriptor, now=now)
        if newer_roll(self.roll, roll) is self.roll:
            return self
        return replace(self, roll=roll, signed_roll=signed)


def hold(
    *,
    network: bytes,
    descriptor: Signed,
    proof: Proof,
    roll: Signed | None,
    node: bytes,
    now: float,
    contact: Contact | None = None,
) -> HeldNetwork:
    """A network that ``node`` has just become a member of, everything verified. Raises `RemoteProtocolError`."""
    read = read_descriptor(descriptor, network=network, now=now)
    fresh = HeldNetwork(descriptor=read, signed_descriptor=descriptor, proof=proof, contact=contact, heard=now)
    held = fresh.with_roll(roll, now)
    held.member(node, now)
    return held
