"""The networks of the vectors: their keys, descriptors, certificates, rolls and invites."""

from __future__ import annotations

from dataclasses import replace

from mycellm_proto.codec import encode
from mycellm_proto.economy import Assurance
from mycellm_proto.invite import Contact, Invite
from mycellm_proto.keys import SigningKey
from mycellm_proto.membership import MemberRole, Membership, NodeCertificate, NodeRight
from mycellm_proto.networks import Admission, CreditPolicy, DataHandling, Descriptor, NetworkKind
from mycellm_proto.roll import Roll
from mycellm_proto.signed import Signed

from .constants import ALICE, BOB, CAROL, NOW, entropy

DAY = 86_400
MONTH = 30 * DAY

ROOT = SigningKey(entropy("root"))
AUTHORITY = SigningKey(entropy("authority"))
OLD_AUTHORITY = SigningKey(entropy("authority before"))
SETTLER = SigningKey(entropy("settlement node"))
DORA = SigningKey(entropy("dora"))
"""An account, for which Alice's node acts."""

LAB = Descriptor(
    root=ROOT.public,
    name="lab-2",
    kind=NetworkKind.PRIVATE,
    admission=Admission.INVITE,
    revision=3,
    authority=AUTHORITY.public,
    models=None,
    data_handling=DataHandling.ON_NODE,
    assurance=Assurance.SELF_ASSERTED,
    settlement=SETTLER.public,
    credit_policy=CreditPolicy.SETTLED,
    expires=NOW + 365 * DAY,
)
NETWORK = LAB.network
OTHER = replace(LAB, root=CAROL.public)
"""Another network, under the same authority."""

BOBS = Membership(
    network=NETWORK,
    member=BOB.public,
    serial=entropy("bob's membership")[:16],
    roles=MemberRole.CONSUMER | MemberRole.PROVIDER,
    quota=0,
    epoch=2,
    issued=NOW - DAY,
    expires=NOW + 10 * DAY,
)
"""A node that is a member itself."""
DORAS = replace(
    BOBS, member=DORA.public, serial=entropy("dora's membership")[:16], quota=5_000_000, expires=NOW + 20 * DAY
)
"""An account that is a member."""
LAPTOP = NodeCertificate(
    account=DORA.public,
    node=ALICE.public,
    rights=NodeRight.CONSUME | NodeRight.PROVIDE,
    epoch=5,
    issued=NOW - 2 * DAY,
    expires=NOW + 15 * DAY,
)
"""A node of Dora's."""


def ascending(*entries: tuple[bytes, int]) -> tuple[tuple[bytes, int], ...]:
    """Revocations in the order of a roll."""
    return tuple(sorted(entries))


ROLL = Roll(network=NETWORK, number=7, issued=NOW - 60, revoked=ascending((CAROL.public, 4), (BOB.public, 2)))
"""Carol is out; Bob's certificates before the present one are void."""

INVITE = Invite(
    network=NETWORK,
    serial=entropy("invite")[:16],
    uses=3,
    roles=MemberRole.CONSUMER,
    quota=2_000_000,
    expires=NOW + 7 * DAY,
    contact=Contact(node=SETTLER.public, addresses=((bytes((192, 0, 2, 7)), 4242), (bytes(15) + b"\x01", 4242))),
)


def hexed(signed: Signed | None) -> str | None:
    """A signed object as one item, or none."""
    return None if signed is None else encode(signed.to_value()).hex()
