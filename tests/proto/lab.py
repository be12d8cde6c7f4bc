"""A network, its authority and its members, for tests."""

from __future__ import annotations

from mycellm_proto.economy import Assurance
from mycellm_proto.invite import Contact, Invite
from mycellm_proto.keys import SigningKey
from mycellm_proto.membership import MemberRole, Membership, NodeCertificate, NodeRight
from mycellm_proto.networks import Admission, CreditPolicy, DataHandling, Descriptor, NetworkKind
from mycellm_proto.roll import Roll

from .pair import ALICE, NOW, seed

DAY = 86_400
CONSUMER, PROVIDER = MemberRole.CONSUMER, MemberRole.PROVIDER

ROOT = SigningKey(seed("root"))
AUTHORITY = SigningKey(seed("authority"))
SETTLER = SigningKey(seed("settlement node"))
DORA = SigningKey(seed("dora"))

LAB = Descriptor(
    root=ROOT.public,
    name="lab",
    kind=NetworkKind.PRIVATE,
    admission=Admission.INVITE,
    revision=1,
    authority=AUTHORITY.public,
    models=None,
    data_handling=DataHandling.OPEN,
    assurance=Assurance.SELF_ASSERTED,
    settlement=SETTLER.public,
    credit_policy=CreditPolicy.SETTLED,
    expires=int(NOW) + 365 * DAY,
)
NETWORK = LAB.network
ROLL = Roll(network=NETWORK, number=1, issued=int(NOW))
LAPTOP = NodeCertificate(
    account=DORA.public,
    node=ALICE.public,
    rights=NodeRight.CONSUME | NodeRight.PROVIDE,
    epoch=0,
    issued=int(NOW),
    expires=int(NOW) + DAY,
)
"""Dora's word that Alice's node acts for her."""


def member(key: SigningKey, roles: MemberRole = CONSUMER | PROVIDER) -> Membership:
    """The membership of ``key``, to be signed by the authority."""
    return Membership(
        network=NETWORK,
        member=key.public,
        serial=key.public[:16],
        roles=roles,
        quota=0,
        epoch=0,
        issued=int(NOW),
        expires=int(NOW) + 10 * DAY,
    )


def invite() -> Invite:
    """An invite for three students."""
    return Invite(
        network=NETWORK,
        serial=bytes(16),
        uses=3,
        roles=CONSUMER,
        quota=1_000_000,
        expires=int(NOW) + DAY,
        contact=Contact(node=SETTLER.public, addresses=((bytes((127, 0, 0, 1)), 4242),)),
    )
