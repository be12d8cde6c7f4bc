"""Family ``membership``: whether a node is a member, by all that it shows; every way not to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mycellm_proto.codec import Value
from mycellm_proto.errors import ErrorCode
from mycellm_proto.limits import CLOCK_SKEW
from mycellm_proto.membership import (
    NO_ROLE,
    MemberRole,
    NodeRight,
    Proof,
    VerifiedMember,
    verify_membership,
)
from mycellm_proto.networks import Admission, Descriptor, NetworkKind, read_descriptor
from mycellm_proto.roll import Roll, read_roll
from mycellm_proto.signed import Context, Signed

from .constants import ALICE, BOB, CAROL, NOW, entropy, flipped
from .family import HEX, NUMBER, DisagreementError, Family, Json, accept, case, nullable, outcome, reject
from .members import (
    AUTHORITY,
    BOBS,
    DAY,
    DORA,
    DORAS,
    LAB,
    LAPTOP,
    MONTH,
    NETWORK,
    OLD_AUTHORITY,
    OTHER,
    ROLL,
    ROOT,
    ascending,
    hexed,
)
from .notation import as_map

_SKEW = int(CLOCK_SKEW)
_BOBS = BOBS.sign(AUTHORITY)
_DORAS = DORAS.sign(AUTHORITY)
_LAPTOP = LAPTOP.sign(DORA)
_LAB = LAB.sign(ROOT)
_ROLL = ROLL.sign(AUTHORITY)
_ORG = replace(LAB, kind=NetworkKind.ORG, admission=Admission.AUTHORITY)
_BOTH = MemberRole.CONSUMER | MemberRole.PROVIDER


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """All that a verifier has. Bob is a member himself, unless a case says otherwise."""

    membership: Signed = _BOBS
    certificate: Signed | None = None
    node: bytes = BOB.public
    role: MemberRole = NO_ROLE
    descriptor: Signed = _LAB
    roll: Signed | None = _ROLL

    def verify(self) -> VerifiedMember:
        """The eight checks."""
        descriptor = read_descriptor(self.descriptor, network=NETWORK, now=NOW)
        roll = None if self.roll is None else read_roll(self.roll, descriptor=descriptor, now=NOW)
        proof = Proof(membership=self.membership, node_certificate=self.certificate)
        return verify_membership(proof, descriptor=descriptor, roll=roll, node=self.node, now=NOW, role=self.role)


def _by(descriptor: Descriptor) -> Signed:
    return descriptor.sign(ROOT)


def _roll(*entries: tuple[bytes, int]) -> Signed:
    roll: Roll = replace(ROLL, revoked=ascending(*entries))
    return roll.sign(AUTHORITY)


_PLAIN = _Scene()
_DORA = _Scene(membership=_DORAS, certificate=_LAPTOP, node=ALICE.public)
_DIRECT = "NET-022~1 NET-024~1"

_GOOD: tuple[tuple[str, str, _Scene], ...] = (
    ("accept-node-itself", _DIRECT, _PLAIN),
    ("accept-node-of-an-account", "KEY-011~1 KEY-012~1", _DORA),
    ("accept-without-a-roll", "NET-026~1", replace(_PLAIN, roll=None)),
    ("accept-as-provider", "NET-025~1", replace(_PLAIN, role=MemberRole.PROVIDER)),
    ("accept-as-both", "NET-025~1", replace(_DORA, role=_BOTH)),
    ("accept-without-a-role", "NET-025~1", replace(_PLAIN, membership=replace(BOBS, roles=NO_ROLE).sign(AUTHORITY))),
    (
        "accept-consumer-by-a-certificate-that-only-consumes",
        "NET-025~1",
        replace(_DORA, certificate=replace(LAPTOP, rights=NodeRight.CONSUME).sign(DORA), role=MemberRole.CONSUMER),
    ),
    ("accept-node-of-an-account-in-org", "NET-025~1", replace(_DORA, descriptor=_by(_ORG), role=MemberRole.CONSUMER)),
    ("accept-provider-itself-in-org", "NET-025~1", replace(_PLAIN, descriptor=_by(_ORG), role=MemberRole.PROVIDER)),
    (
        "accept-of-30-days",
        "NET-023~1",
        replace(_PLAIN, membership=replace(BOBS, issued=NOW - DAY, expires=NOW - DAY + MONTH).sign(AUTHORITY)),
    ),
    (
        "accept-within-the-clock-skew",
        "NET-023~1",
        replace(_PLAIN, membership=replace(BOBS, issued=NOW + _SKEW).sign(AUTHORITY)),
    ),
    (
        "accept-in-its-last-second",
        "NET-023~1",
        replace(_PLAIN, membership=replace(BOBS, expires=NOW + 1).sign(AUTHORITY)),
    ),
    (
        "accept-certificate-that-expires-first",
        "KEY-013~1",
        replace(_DORA, certificate=replace(LAPTOP, expires=NOW + 1).sign(DORA)),
    ),
    ("accept-epoch-of-the-roll", "NET-026~1", replace(_PLAIN, roll=_roll((BOB.public, BOBS.epoch)))),
    (
        "accept-others-revoked",
        "NET-026~1",
        replace(_DORA, roll=_roll((BOB.public, 9), (CAROL.public, 9), (ROOT.public, 9))),
    ),
)

_MEMBER, _NODE = "NET-020~1", "KEY-010~1"
# What no honest authority writes about Bob. Slug, requirement, change.
_MEMBERSHIPS: tuple[tuple[str, str, Mapping[int, Value]], ...] = (
    ("reject-odd-key", "EXT-003~1", {9: True}),
    ("reject-network-text", _MEMBER, {0: "lab"}),
    ("reject-member-of-31-bytes", _MEMBER, {1: bytes(31)}),
    ("reject-serial-of-15-bytes", _MEMBER, {2: bytes(15)}),
    ("reject-roles-4", _MEMBER, {3: 4}),
    ("reject-roles-negative", _MEMBER, {3: -1}),
    ("reject-roles-true", _MEMBER, {3: True}),
    ("reject-quota-negative", _MEMBER, {4: -1}),
    ("reject-quota-of-2-53", _MEMBER, {4: 1 << 53}),
    ("reject-epoch-negative", _MEMBER, {5: -1}),
    ("reject-expires-null", _MEMBER, {7: None}),
    ("reject-foreign-network", "NET-021~1", {0: OTHER.network}),
    ("reject-expired", "NET-023~1", {7: NOW}),
    ("reject-not-valid-yet", "NET-023~1", {6: NOW + _SKEW + 1}),
    ("reject-back-dated-beyond-30-days", "NET-023~1", {6: NOW + 10 * DAY - MONTH - 1}),
    ("reject-expires-before-it-was-issued", "NET-023~1", {6: NOW + 100, 7: NOW + 99}),
    ("reject-membership-of-another", "NET-024~1", {1: CAROL.public}),
)
# And what no honest account writes about Alice's node.
_CERTIFICATES: tuple[tuple[str, str, Mapping[int, Value]], ...] = (
    ("reject-certificate-odd-key", "EXT-003~1", {7: True}),
    ("reject-certificate-rights-4", _NODE, {2: 4}),
    ("reject-certificate-epoch-text", _NODE, {3: "1"}),
    ("reject-certificate-expires-negative", _NODE, {5: -1}),
    ("reject-certificate-of-another-account", "KEY-011~1", {0: CAROL.public}),
    ("reject-certificate-for-another-node", "KEY-011~1", {1: CAROL.public}),
    ("reject-certificate-expired", "KEY-013~1", {5: NOW}),
    ("reject-certificate-not-valid-yet", "KEY-013~1", {4: NOW + _SKEW + 1}),
    ("reject-certificate-back-dated-beyond-30-days", "KEY-013~1", {4: NOW + 15 * DAY - MONTH - 1}),
)
_UNKNOWN = entropy("a key that nobody has heard of")

_BAD: tuple[tuple[str, str, _Scene], ...] = (
    (
        "reject-of-the-authority-before",
        "NET-022~1",
        replace(_PLAIN, membership=BOBS.sign(OLD_AUTHORITY)),
    ),
    (
        "reject-after-the-authority-was-changed",
        "NET-022~1",
        replace(_PLAIN, descriptor=_by(replace(LAB, revision=4, authority=CAROL.public)), roll=None),
    ),
    ("reject-signed-by-the-root", "NET-022~1", replace(_PLAIN, membership=BOBS.sign(ROOT))),
    ("reject-signed-by-itself", "NET-022~1", replace(_PLAIN, membership=BOBS.sign(BOB))),
    ("reject-unsigned", "NET-022~1", replace(_PLAIN, membership=replace(_BOBS, signature=bytes(64)))),
    (
        "reject-flipped-signature",
        "NET-022~1",
        replace(_PLAIN, membership=replace(_BOBS, signature=flipped(_BOBS.signature))),
    ),
    (
        "reject-wrong-context",
        "NET-022~1",
        replace(_PLAIN, membership=Signed.make_over(AUTHORITY, Context.INVITE, _BOBS.body)),
    ),
    ("reject-unknown-key", "NET-024~1", replace(_PLAIN, node=_UNKNOWN)),
    ("reject-account-without-a-certificate", "NET-024~1", replace(_DORA, certificate=None)),
    ("reject-another-node-with-the-certificate", "KEY-011~1", replace(_DORA, node=CAROL.public)),
    ("reject-certificate-signed-by-the-node", "KEY-012~1", replace(_DORA, certificate=LAPTOP.sign(ALICE))),
    ("reject-certificate-signed-by-the-authority", "KEY-012~1", replace(_DORA, certificate=LAPTOP.sign(AUTHORITY))),
    ("reject-certificate-unsigned", "KEY-012~1", replace(_DORA, certificate=replace(_LAPTOP, signature=bytes(64)))),
    (
        "reject-certificate-wrong-context",
        "KEY-012~1",
        replace(_DORA, certificate=Signed.make_over(DORA, Context.ACCOUNT_EPOCH, _LAPTOP.body)),
    ),
    (
        "reject-role-missing",
        "NET-025~1",
        replace(
            _PLAIN,
            membership=replace(BOBS, roles=MemberRole.CONSUMER).sign(AUTHORITY),
            role=MemberRole.PROVIDER,
        ),
    ),
    (
        "reject-no-role-where-one-is-needed",
        "NET-025~1",
        replace(_PLAIN, membership=replace(BOBS, roles=NO_ROLE).sign(AUTHORITY), role=MemberRole.CONSUMER),
    ),
    (
        "reject-certificate-without-the-right",
        "NET-025~1",
        replace(_DORA, certificate=replace(LAPTOP, rights=NodeRight.CONSUME).sign(DORA), role=MemberRole.PROVIDER),
    ),
    (
        "reject-provider-of-an-account-in-org",
        "NET-025~1",
        replace(_DORA, descriptor=_by(_ORG), role=MemberRole.PROVIDER),
    ),
    ("reject-revoked-member", "NET-026~1", replace(_PLAIN, roll=_roll((BOB.public, BOBS.epoch + 1)))),
    ("reject-revoked-authority", "NET-026~1", replace(_PLAIN, roll=_roll((AUTHORITY.public, BOBS.epoch + 1)))),
    ("reject-revoked-account", "NET-026~1", replace(_DORA, roll=_roll((DORA.public, LAPTOP.epoch + 1)))),
    (
        "reject-certificate-of-a-revoked-epoch",
        "NET-026~1",
        replace(
            _DORA,
            membership=replace(DORAS, epoch=LAPTOP.epoch + 1).sign(AUTHORITY),
            roll=_roll((DORA.public, LAPTOP.epoch + 1)),
        ),
    ),
    ("reject-revoked-node", "NET-026~1", replace(_DORA, roll=_roll((ALICE.public, LAPTOP.epoch + 1)))),
    (
        "reject-descriptor-of-another-root",
        "NET-012~1",
        replace(_PLAIN, descriptor=OTHER.sign(CAROL)),
    ),
    ("reject-descriptor-signed-by-another", "NET-013~1", replace(_PLAIN, descriptor=LAB.sign(CAROL))),
    ("reject-descriptor-expired", "NET-015~1", replace(_PLAIN, descriptor=_by(replace(LAB, expires=NOW)))),
    ("reject-roll-signed-by-another", "NET-019~1", replace(_PLAIN, roll=ROLL.sign(CAROL))),
    (
        "reject-roll-of-another-network",
        "NET-018~1",
        replace(_PLAIN, roll=replace(ROLL, network=OTHER.network).sign(AUTHORITY)),
    ),
)


def _cases() -> list[dict[str, Json]]:
    made = []
    for slug, requirement, scene in _GOOD:
        verified = scene.verify()
        if verified.roles & scene.role != scene.role:
            raise DisagreementError(slug)
        expect = accept(
            member=verified.member.hex(),
            roles=int(verified.roles),
            serial=verified.serial.hex(),
            quota=verified.quota,
            expires=verified.expires,
        )
        made.append(_case(slug, requirement, scene, expect))
    for slug, requirement, change in _MEMBERSHIPS:
        forged = Signed.make(AUTHORITY, Context.MEMBERSHIP, {**as_map(_BOBS.body), **change})
        made.append(_refused(slug, requirement, replace(_PLAIN, membership=forged)))
    for slug, requirement, change in _CERTIFICATES:
        forged = Signed.make(DORA, Context.NODE_CERTIFICATE, {**as_map(_LAPTOP.body), **change})
        made.append(_refused(slug, requirement, replace(_DORA, certificate=forged)))
    made += [_refused(slug, requirement, scene) for slug, requirement, scene in _BAD]
    trailing = Signed.make_over(AUTHORITY, Context.MEMBERSHIP, _BOBS.body + b"\x00")
    made.append(_refused("reject-body-with-trailing-byte", "ENC-011~1", replace(_PLAIN, membership=trailing)))
    return made


def _case(slug: str, requirement: str, scene: _Scene, expect: Json) -> dict[str, Json]:
    content: dict[str, Json] = {
        "network": NETWORK.hex(),
        "node": scene.node.hex(),
        "role": int(scene.role),
        "now": NOW,
        "membership": hexed(scene.membership),
        "node_certificate": hexed(scene.certificate),
        "descriptor": hexed(scene.descriptor),
        "roll": hexed(scene.roll),
    }
    return case(slug, requirement, **content, expect=expect)


def _refused(slug: str, requirement: str, scene: _Scene) -> dict[str, Json]:
    return _case(slug, requirement, scene, reject(scene.verify, ErrorCode.NOT_MEMBER, requirement))


FAMILY = Family(
    name="membership",
    description="Memberships, as a verifier judges them together with everything that they rest on.",
    notes=(
        "The verifier knows the id network, and that its peer is node. role is what the node has to be, as bits (0:"
        " nothing in particular), now the time in seconds since 1970.",
        "membership, node_certificate, descriptor and roll are signed objects, or null where there is none.",
        "Accepted: member is charged and credited, roles are the node's, quota is granted once for serial, and all of"
        " it ends at expires.",
    ),
    verification=(
        "Make the eight checks of SPEC.md, Networks. Nothing but the inputs counts; none of them has been verified.",
    ),
    schema={
        "network": HEX,
        "node": HEX,
        "role": NUMBER,
        "now": NUMBER,
        "membership": HEX,
        "node_certificate": nullable(HEX),
        "descriptor": HEX,
        "roll": nullable(HEX),
        "expect": outcome(member=HEX, roles=NUMBER, serial=HEX, quota=NUMBER, expires=NUMBER),
    },
    cases=_cases,
)
