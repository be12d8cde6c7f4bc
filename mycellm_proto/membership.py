"""Memberships and node certificates, and how they are verified: SPEC.md sections "Networks" and "Identity".

A membership is the authority's word that a key is a member; a node certificate is an account's word that a node acts
for it. Neither is a secret: what proves membership is that the node key in them is the one that the handshake proved.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from .errors import ErrorCode
from .fields import Field, Shape, flags, integer, octets
from .keys import KEY_SIZE, SigningKey
from .limits import CLOCK_SKEW, MAX_AMOUNT, MAX_CERTIFICATE_LIFE, MAX_EPOCH
from .networks import Descriptor, NetworkKind, not_member
from .roll import Roll
from .signed import HASH_SIZE, Context, Signed

SERIAL_SIZE = 16


class MemberRole(IntFlag):
    """What a member may be in an exchange, as bits (registry: spec/registries/member-roles.toml)."""

    CONSUMER = 1
    PROVIDER = 2


NO_ROLE = MemberRole(0)
"""A member that neither consumes nor provides: a settlement node, say."""


class NodeRight(IntFlag):
    """What a node may do for its account, as bits (registry: spec/registries/node-rights.toml)."""

    CONSUME = 1
    PROVIDE = 2


NODE_CERTIFICATE = Shape(
    "node-certificate-body",
    Field(0, "account", octets(KEY_SIZE)),
    Field(1, "node", octets(KEY_SIZE)),
    Field(2, "rights", flags(NodeRight)),
    Field(3, "epoch", integer(MAX_EPOCH)),
    Field(4, "issued", integer(MAX_AMOUNT)),
    Field(5, "expires", integer(MAX_AMOUNT)),
    signed=True,
    code=ErrorCode.NOT_MEMBER,
    requirement="KEY-010",
)
MEMBERSHIP = Shape(
    "membership-body",
    Field(0, "network", octets(HASH_SIZE)),
    Field(1, "member", octets(KEY_SIZE)),
    Field(2, "serial", octets(SERIAL_SIZE)),
    Field(3, "roles", flags(MemberRole)),
    Field(4, "quota", integer(MAX_AMOUNT)),
    Field(5, "epoch", integer(MAX_EPOCH)),
    Field(6, "issued", integer(MAX_AMOUNT)),
    Field(7, "expires", integer(MAX_AMOUNT)),
    signed=True,
    code=ErrorCode.NOT_MEMBER,
    requirement="NET-020",
)
ACCOUNT_EPOCH = Shape(
    "account-epoch-body",
    Field(0, "account", octets(KEY_SIZE)),
    Field(1, "epoch", integer(MAX_EPOCH, 1)),
    signed=True,
    code=ErrorCode.MALFORMED,
    requirement="KEY-014",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCertificate:
    """An account's word that a node acts for it, with these ``rights``; times in seconds since 1970."""

    account: bytes
    node: bytes
    rights: NodeRight
    epoch: int
    issued: int
    expires: int

    def sign(self, account: SigningKey) -> Signed:
        """This certificate as it travels."""
        return Signed.make(account, Context.NODE_CERTIFICATE, NODE_CERTIFICATE.write(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """The authority's word that a key is a member; ``quota`` is granted once a serial, in micro-credits."""

    network: bytes
    member: bytes
    serial: bytes
    roles: MemberRole
    quota: int
    epoch: int
    issued: int
    expires: int

    def sign(self, authority: SigningKey) -> Signed:
        """This membership as it travels."""
        return Signed.make(authority, Context.MEMBERSHIP, MEMBERSHIP.write(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEpoch:
    """An account's word that its certificates of earlier epochs are void."""

    account: bytes
    epoch: int

    def sign(self, account: SigningKey) -> Signed:
        """This epoch as it travels."""
        return Signed.make(account, Context.ACCOUNT_EPOCH, ACCOUNT_EPOCH.write(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a node shows of itself in a network: its membership, or its account's and the node certificate."""

    membership: Signed
    node_certificate: Signed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedMember:
    """A node that was verified as a member, until ``expires`` and as long as no newer roll says otherwise.

    ``member`` is the key that is charged and credited: the node's own, or its account's. ``roles`` are what this node
    may be. ``roll`` and ``revision`` are what it was verified against; a roll of 0 is none.
    """

    network: bytes
    node: bytes
    member: bytes
    serial: bytes
    roles: MemberRole
    quota: int
    expires: int
    revision: int
    roll: int


def verify_membership(
    proof: Proof,
    *,
    descriptor: Descriptor,
    roll: Roll | None,
    node: bytes,
    now: float,
    role: MemberRole = NO_ROLE,
) -> VerifiedMember:
    """Whether ``node``, whose key the handshake proved, is a member with at least ``role``.

    ``descriptor`` and ``roll`` are those that the verifier holds, verified; ``now`` is in seconds since 1970. Raises
    `RemoteProtocolError` (NOT_MEMBER). Numbers are the steps of SPEC.md, "Networks".
    """
    if now >= descriptor.expires:  # 2, since it may have been read long ago
        raise not_member("descriptor has expired", "NET-015")
    membership = Membership(**MEMBERSHIP.read_item(proof.membership.body))  # 4
    if membership.network != descriptor.network:
        raise not_member("membership of another network", "NET-021")
    proof.membership.verify(descriptor.authority, Context.MEMBERSHIP, code=ErrorCode.NOT_MEMBER, requirement="NET-022")
    check_times(membership.issued, membership.expires, now, "NET-023")  # 5
    certificate = read_holder(membership.member, proof.node_certificate, node=node, now=now)  # 6
    roles, expires = membership.roles, min(membership.expires, descriptor.expires)
    if certificate is not None:
        roles &= MemberRole(int(certificate.rights))  # the bits are the same
        expires = min(expires, certificate.expires)
        if descriptor.kind is NetworkKind.ORG:
            roles &= ~MemberRole.PROVIDER
    if roles & role != role:  # 7
        raise not_member("the member lacks the role", "NET-025")
    _check_roll(roll, descriptor, membership, certificate)  # 8
    return VerifiedMember(
        network=membership.network,
        node=node,
        member=membership.member,
        serial=membership.serial,
        roles=roles,
        quota=membership.quota,
        expires=expires,
        revision=descriptor.revision,
        roll=0 if roll is None else roll.number,
    )


def read_holder(member: bytes, signed: Signed | None, *, node: bytes, now: float) -> NodeCertificate | None:
    """How ``node`` is the key ``member``, or acts for it: None for the key itself, else the account's certificate.

    Raises `RemoteProtocolError` (NOT_MEMBER). Whether a roll voids the certificate is not looked at.
    """
    if signed is None:
        if member != node:
            raise not_member("membership of another key, without a node certificate", "NET-024")
        return None
    certificate = NodeCertificate(**NODE_CERTIFICATE.read_item(signed.body))
    if (certificate.account, certificate.node) != (member, node):
        raise not_member("node certificate of another account or node", "KEY-011")
    signed.verify(member, Context.NODE_CERTIFICATE, code=ErrorCode.NOT_MEMBER, requirement="KEY-012")
    check_times(certificate.issued, certificate.expires, now, "KEY-013")
    return certificate


def check_times(issued: int, expires: int, now: float, requirement: str) -> None:
    """A certificate is good from its issue to its expiry, 30 days later at most. Raises `RemoteProtocolError`."""
    if not 0 <= expires - issued <= MAX_CERTIFICATE_LIFE:
        raise not_member("the certificate is for more than 30 days, or for less than none", requirement)
    if issued > now + CLOCK_SKEW:
        raise not_member("the certificate is not valid yet", requirement)
    if now >= expires:
        raise not_member("the certificate has expired", requirement)


def read_account_epoch(signed: Signed) -> AccountEpoch:
    """An epoch that its account signed. Raises `RemoteProtocolError` (MALFORMED; NOT_ALLOWED for the signature)."""
    epoch = AccountEpoch(**ACCOUNT_EPOCH.read_item(signed.body))
    signed.verify(epoch.account, Context.ACCOUNT_EPOCH, code=ErrorCode.NOT_ALLOWED, requirement="KEY-015")
    return epoch


def _check_roll(
    roll: Roll | None, descriptor: Descriptor, membership: Membership, certificate: NodeCertificate | None
) -> None:
    """NET-026: no key that the certificates are for or by is revoked beyond their epochs."""
    if roll is None:
        return
    by_and_for = [(descriptor.authority, membership.epoch), (membership.member, membership.epoch)]
    if certificate is not None:
        by_and_for += [(certificate.account, certificate.epoch), (certificate.node, certificate.epoch)]
    if any(roll.voids(key, epoch) for key, epoch in by_and_for):
        raise not_member("revoked", "NET-026")
