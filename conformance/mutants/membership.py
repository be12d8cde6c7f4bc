"""Authorities that count badly, let in whoever comes, or put nobody out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from conformance.honest.adapter import HonestAdapter
from conformance.honest.authority import Authority
from conformance.members import Signed

from .brief import does, skips
from .mutant import adapter_with


def _authority_with(**attributes: Any) -> type[HonestAdapter]:
    return adapter_with(authority_of=type("MutantAuthority", (Authority,), attributes))


def _counts_in_memory(self: Authority, invite: Signed, member: bytes) -> None:
    """Redeems, and writes nothing."""
    save, self.node.save = self.node.save, lambda: None  # type: ignore[method-assign]
    try:
        Authority.redeem(self, invite, member)
    finally:
        self.node.save = save  # type: ignore[method-assign]


def _forgets_who_came(self: Authority, member: bytes) -> Signed:
    """A new serial with each membership."""
    self.books.seats[member] = replace(self.books.seats[member], serial=self.node.entropy.take(16))
    return Authority.issue(self, member)


def _numbers_nothing(self: Authority, key: bytes, epoch: int) -> None:
    held = self.node.store.networks[self.network]
    self.node.store.networks[self.network] = replace(held, standing=replace(held.standing, roll=None))
    self.books.number = 0
    Authority.void(self, key, epoch)


def _gives_every_role(self: Authority, invite: Signed, member: bytes) -> None:
    Authority.redeem(self, invite, member)
    self.books.seats[member] = replace(self.books.seats[member], roles=3)


def _lists_nobody(self: Authority, member: bytes) -> None:
    self.books.seats[member] = replace(self.books.seats[member], out=True)


_skips, _does = partial(skips, "membership"), partial(does, "membership")

MUTANTS = (
    _skips(
        "NET-053",
        "counts-no-uses",
        "Lets in whoever has an invite, however often it was used.",
        "refuse-an-invite-that-is-used-up",
        "refuse-a-use-of-before-the-crash",
        "count-uses-of-many-at-once",
        row=5,
    ),
    _does(
        "counts-in-memory",
        "Forgets in a crash which invites were used.",
        "NET-053",
        "refuse-a-use-of-before-the-crash",
        adapter=_authority_with(redeem=_counts_in_memory),
    ),
    _skips(
        "NET-054",
        "counts-members-twice",
        "Counts a use each time that the same key asks.",
        "let-a-member-ask-again",
    ),
    _skips(
        "NET-062",
        "honours-what-was-withdrawn",
        "Lets in who comes with an invite that was withdrawn.",
        "refuse-an-invite-that-was-withdrawn",
    ),
    _skips(
        "NET-041",
        "takes-invites-of-anybody",
        "Does not look who signed an invite, of which network, nor when it ended.",
        "refuse-an-expired-invite",
        "refuse-an-invite-of-nobody",
        "refuse-an-invite-for-more",
        "refuse-an-invite-with-another-role",
        "refuse-an-invite-of-another-network",
        row=10,
    ),
    _does(
        "gives-every-role",
        "Lets everybody answer who was invited to ask.",
        "NET-053",
        "join-by-an-invite",
        adapter=_authority_with(redeem=_gives_every_role),
    ),
    _skips(
        "NET-055",
        "makes-others-members",
        "Makes whatever key a caller names a member.",
        "refuse-to-make-another-key-a-member",
        "refuse-an-account-that-did-not-sign",
        row=10,
    ),
    _skips(
        "NET-056",
        "lets-everybody-in",
        "Makes every key that asks a member of a network whose owner names them.",
        "refuse-a-key-that-nobody-named",
        row=10,
    ),
    _does(
        "gives-new-serials",
        "Gives each renewed membership a new serial, and so its quota once more.",
        "NET-057",
        "keep-the-serial-of-a-membership",
        row=9,
        adapter=_authority_with(issue=_forgets_who_came),
    ),
    _skips(
        "NET-058",
        "renews-what-is-revoked",
        "Gives a member that was put out a new membership.",
        "refuse-to-renew-a-revoked-membership",
    ),
    _does(
        "lists-nobody",
        "Puts members out for itself, and tells nobody.",
        "NET-058",
        "list-whom-the-owner-puts-out",
        adapter=_authority_with(put_out=_lists_nobody),
    ),
    _skips(
        "NET-059",
        "withdraws-for-strangers",
        "Lists whatever account asks for it.",
        "refuse-to-withdraw-for-a-stranger",
    ),
    _skips(
        "NET-060",
        "withdraws-nothing",
        "Takes an account's new epoch, and puts it into no roll.",
        "withdraw-an-account-s-certificates",
    ),
    _does(
        "numbers-nothing",
        "Gives every roll the same number.",
        "NET-061",
        "list-whom-the-owner-puts-out",
        adapter=_authority_with(void=_numbers_nothing),
    ),
    _skips(
        "KEY-015",
        "withdraws-for-anybody",
        "Takes an account's new epoch from whoever brings one.",
        "refuse-to-withdraw-for-another-account",
    ),
)
