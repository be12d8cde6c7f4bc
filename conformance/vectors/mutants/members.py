"""Mutants of SPEC.md, "Networks" and "Identity": memberships and node certificates."""

from __future__ import annotations

from conformance.dcbor import Item
from conformance.vectors.implementation import Implementation

from .mutant import Careless, Without, mutant


class _TrustsAccounts(Implementation):
    """Lets a node be whatever its account may be."""

    def roles(self, member: Item, certificate: Item, descriptor: Item) -> int:
        """The roles of the member."""
        return int(member[3])


class _TrustsAccountsInOrg(Implementation):
    """Takes an organisation's network for any other."""

    def roles(self, member: Item, certificate: Item, descriptor: Item) -> int:
        """The roles, as if the network were private."""
        return super().roles(member, certificate, {**descriptor, 2: 2})


class _LooksUp(Implementation):
    """Looks for one of the keys of a proof in the roll, and for no other."""

    def __init__(self, part: str) -> None:
        self._part = part

    def is_void(self, roll: Item, descriptor: Item, member: Item, certificate: Item) -> bool:
        """Whether the roll names that key, and for the others nothing."""
        nobody = bytes(32)
        only = {5: descriptor[5] if self._part == "authority" else nobody}
        proof = {1: member[1] if self._part == "member" else nobody, 5: member[5]}
        acts = None
        if certificate is not None and self._part == "certificate":
            acts = certificate
        return super().is_void(roll, only, proof, acts)


class _NoMonth(Implementation):
    """Believes a certificate for as long as it says."""

    def is_in_time(self, issued: int, expires: int, now: int) -> bool:
        """Whether it is good now."""
        return issued <= now + 120 and now < expires


MUTANTS = (
    mutant(
        "takes-any-number-in-a-membership",
        "NET-020~1",
        "membership: reject-roles-4 reject-quota-negative reject-quota-of-2-53 reject-serial-of-15-bytes",
        Careless("membership-body", 2),
    ),
    mutant("takes-members-of-other-networks", "NET-021~1", "membership: reject-foreign-network", Without("NET-021")),
    mutant(
        "verifies-no-membership",
        "NET-022~1",
        "membership: reject-of-the-authority-before reject-after-the-authority-was-changed reject-signed-by-the-root"
        " reject-signed-by-itself reject-unsigned reject-flipped-signature reject-wrong-context",
        Without("NET-022"),
    ),
    mutant(
        "takes-memberships-of-any-time",
        "NET-023~1",
        "membership: reject-expired reject-not-valid-yet reject-back-dated-beyond-30-days",
        Without("NET-023"),
    ),
    mutant(
        "takes-memberships-for-ever",
        "NET-023~1",
        "membership: reject-back-dated-beyond-30-days reject-expires-before-it-was-issued",
        _NoMonth(),
    ),
    mutant(
        "takes-memberships-of-others",
        "NET-024~1",
        "membership: reject-unknown-key reject-account-without-a-certificate",
        Without("NET-024"),
    ),
    mutant(
        "asks-for-no-role",
        "NET-025~1",
        "membership: reject-role-missing reject-no-role-where-one-is-needed",
        Without("NET-025"),
    ),
    mutant(
        "lets-nodes-be-what-accounts-are",
        "NET-025~1",
        "membership: reject-certificate-without-the-right reject-provider-of-an-account-in-org",
        _TrustsAccounts(),
    ),
    mutant(
        "lets-accounts-bring-machines-into-an-organisation",
        "NET-025~1",
        "membership: reject-provider-of-an-account-in-org accept-node-of-an-account-in-org",
        _TrustsAccountsInOrg(),
    ),
    mutant(
        "reads-no-roll",
        "NET-026~1",
        "membership: reject-revoked-member reject-revoked-authority reject-revoked-account reject-revoked-node",
        Without("NET-026"),
    ),
    mutant(
        "looks-up-members-only",
        "NET-026~1",
        "membership: reject-revoked-authority reject-certificate-of-a-revoked-epoch reject-revoked-node",
        _LooksUp("member"),
    ),
    mutant(
        "looks-up-certificates-only",
        "NET-026~1",
        "membership: reject-revoked-authority reject-revoked-member",
        _LooksUp("certificate"),
    ),
    mutant(
        "takes-any-number-in-a-node-certificate",
        "KEY-010~1",
        "membership: reject-certificate-rights-4",
        Careless("node-certificate-body", 2),
    ),
    mutant(
        "takes-certificates-of-others",
        "KEY-011~1",
        "membership: reject-certificate-for-another-node reject-another-node-with-the-certificate",
        Without("KEY-011"),
    ),
    mutant(
        "verifies-no-node-certificate",
        "KEY-012~1",
        "membership: reject-certificate-signed-by-the-node reject-certificate-signed-by-the-authority"
        " reject-certificate-unsigned reject-certificate-wrong-context",
        Without("KEY-012"),
    ),
    mutant(
        "takes-node-certificates-of-any-time",
        "KEY-013~1",
        "membership: reject-certificate-expired reject-certificate-not-valid-yet"
        " reject-certificate-back-dated-beyond-30-days",
        Without("KEY-013"),
    ),
)
