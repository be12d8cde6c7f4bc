"""What this node holds of one network: what it knows of it, and what makes it a member. SPEC.md section "Networks".

A value: each change gives a new one, in which descriptor and roll are never older (`Standing`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mycellm_proto.membership import verify_membership
from mycellm_proto.standing import Standing

if TYPE_CHECKING:
    from mycellm_proto.invite import Contact
    from mycellm_proto.membership import Proof, VerifiedMember
    from mycellm_proto.networks import Descriptor
    from mycellm_proto.signed import Signed


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldNetwork:
    """A network that this node is a member of by ``proof``.

    ``contact`` is the authority's node, for renewals; None where that is this node.
    """

    standing: Standing
    proof: Proof
    contact: Contact | None = None

    @property
    def descriptor(self) -> Descriptor:
        """What the network is."""
        return self.standing.descriptor

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
        return verify_membership(self.proof, descriptor=self.descriptor, roll=self.standing.roll, node=node, now=now)

    def learn(self, *, descriptor: Signed | None = None, roll: Signed | None = None, now: float) -> HeldNetwork:
        """With what was shown, where it is newer. Raises `RemoteProtocolError` for what proves nothing."""
        return replace(self, standing=self.standing.learn(descriptor=descriptor, roll=roll, now=now))

    def confirmed(self, now: float) -> HeldNetwork:
        """Given out by the settlement node just ``now``."""
        return replace(self, standing=self.standing.renew(now))


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
    """A network that ``node`` is a member of, everything verified. Raises `RemoteProtocolError`."""
    held = HeldNetwork(standing=Standing.first(network, descriptor, roll, now), proof=proof, contact=contact)
    held.member(node, now)
    return held
