"""Settlement nodes that look at balances and take nothing, book twice, or believe who asks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from conformance.data import limit
from conformance.dcbor import Item
from conformance.honest.connection import Connection
from conformance.honest.consumer import Consumer
from conformance.honest.provider import Provider
from conformance.honest.rules import RefuseError
from conformance.honest.settlement import BOOKED, REPEATED, Account, Ledger, Name, Settlement
from conformance.members import Member, Signed

from .brief import does, skips
from .mutant import consumer_with, node_with, provider_with, skipping


def _settles_with(**attributes: Any) -> Any:
    return node_with(settles=type("MutantSettlement", (Settlement,), attributes))


def _takes_nothing(  # noqa: PLR0917  as the method that it replaces
    self: Settlement, name: Name, opened: Signed, payer: Member, payee: Member, ceiling: int, expires: int
) -> int:
    """Notes a reservation for nothing."""
    Settlement.take(self, name, opened, payer, payee, 0, expires)
    return expires


def _takes_later(  # noqa: PLR0917  as the method that it replaces
    self: Settlement, name: Name, opened: Signed, payer: Member, payee: Member, ceiling: int, expires: int
) -> int:
    """Looks now and takes a moment later, as a check and an update that are two transactions."""
    take = partial(Settlement.take, self, name, opened, payer, payee, ceiling, expires)
    asyncio.get_running_loop().call_later(0.01, take)
    return expires


def _adds_up(self: Settlement, name: Name, account: Account, amount: int, *, final: bool) -> tuple[int, int]:
    booked = account.booked + amount
    self.ledger(name.network).accounts[name] = replace(account, booked=booked)
    return BOOKED, booked


def _books_the_newest(self: Settlement, name: Name, account: Account, amount: int, *, final: bool) -> tuple[int, int]:
    self.ledger(name.network).accounts[name] = replace(account, booked=amount, final=final)
    return (BOOKED if amount != account.booked else REPEATED), amount


def _never_lowers(self: Settlement, name: Name, account: Account, amount: int, *, final: bool) -> tuple[int, int]:
    return Settlement.enter(self, name, account, max(amount, account.booked), final=final)


def _grants_again(self: Settlement, network: bytes, member: Member) -> None:
    granted = self.ledger(network).granted
    serial = member.serial + len(granted).to_bytes(4, "big")
    granted[serial] = (member.member, member.quota)


def _grants_to_every_key(self: Settlement, network: bytes, member: Member) -> None:
    self.ledger(network).granted.setdefault(member.serial, (member.member, member.quota or 1_000_000))


def _settles_all_or_nothing(
    self: Settlement, connection: Connection, claims: list[dict[int, Any]]
) -> list[dict[int, Item]]:
    outcomes = Settlement.settle(self, connection, claims)
    refused = next((each for each in outcomes if each[0] not in (BOOKED, REPEATED)), None)
    return outcomes if refused is None else [refused for _ in claims]


def _charges_the_provider(self: Settlement, name: Name, account: Account, amount: int, *, final: bool) -> Any:
    """Gives to the consumer what it takes from it."""
    return Settlement.enter(self, name, replace(account, payee=account.payer), amount, final=final)


def _keeps_what_is_left(self: Ledger, member: bytes, now: float) -> int:
    """Frees nothing of a reservation, whatever came of it."""
    return sum(each.ceiling - each.booked for each in self.accounts.values() if each.payer == member)


def _keeps_it(self: Settlement, network: bytes) -> Ledger:
    kind = type("MutantLedger", (Ledger,), {"reserved": _keeps_what_is_left})
    ledger: Ledger = self.node.store.ledgers.setdefault(network, kind())
    return ledger


def _never_ends(self: Ledger, member: bytes, now: float) -> int:
    """Frees nothing that was not claimed."""
    open_ = (each for each in self.accounts.values() if each.payer == member and not each.final)
    return sum(each.ceiling - each.booked for each in open_)


def _waits_for_ever(self: Settlement, network: bytes) -> Ledger:
    kind = type("MutantLedger", (Ledger,), {"reserved": _never_ends})
    ledger: Ledger = self.node.store.ledgers.setdefault(network, kind())
    return ledger


def _forgets_after_an_hour(self: Settlement, name: Name, opened: Signed) -> Account:
    """Remembers what was settled for an hour."""
    account = Settlement.claimed(self, name, opened)
    if account.final and self.node.clock() > account.expires + limit("SETTLEMENT_GRACE"):
        return replace(account, final=False, booked=0, expires=1 << 50)
    return account


def _says_nothing_of_it(self: Settlement, connection: Connection, asked: dict[int, Any]) -> int:
    try:
        return Settlement.reserve(self, connection, asked)
    except RefuseError as error:
        if error.limit is not None:
            raise RefuseError("INSUFFICIENT_CREDIT", limit=0, actual=0) from None
        raise


def _bills_beyond(self: Provider, finish: int, salt: bytes) -> dict[int, Item]:
    return Provider.bill(self, finish, salt) | {6: self.opened[7] + 1000}


def _hides_what_is_missing(self: Consumer, value: Mapping[int, Item]) -> None:
    self.error = "PEER_GONE"
    Consumer.failed(self, value)


_skips, _does = partial(skips, "settlement"), partial(does, "settlement")

MUTANTS = (
    _skips(
        "SET-001",
        "believes-callers",
        "Reserves, books and tells balances for whoever calls.",
        "refuse-a-reservation-of-a-stranger",
        "refuse-claims-of-a-stranger",
        "refuse-a-balance-of-a-stranger",
        row=10,
    ),
    _skips(
        "SET-003",
        "believes-opens",
        "Looks at no signature of what it reserves and books, nor whose it is.",
        "refuse-a-reservation-without-signature",
        "refuse-a-reservation-signed-by-the-provider",
        "refuse-a-reservation-of-a-forged-quote",
        "refuse-a-reservation-of-another-quote",
        "refuse-an-open-that-nobody-signed",
        "refuse-claims-of-others",
        row=6,
    ),
    _skips(
        "SET-004",
        "reserves-for-anybody",
        "Reserves for whoever is named, whoever asks, at prices of whenever.",
        "refuse-a-reservation-by-the-consumer",
        "refuse-a-reservation-of-an-expired-quote",
        "refuse-a-reservation-for-a-revoked-consumer",
        "refuse-a-reservation-for-a-provider-alone",
    ),
    _skips(
        "SET-005",
        "believes-ticks",
        "Looks at no link of a claim.",
        "refuse-a-tick-of-another-open",
        "refuse-a-tick-that-was-not-released",
        "refuse-more-ticks-than-there-are",
        row=7,
    ),
    _does(
        "believes-closes",
        "Books what a close says, whoever signed it, and over whatever.",
        "SET-006~2",
        "refuse-a-close-that-the-provider-did-not-sign",
        "refuse-a-receipt-that-the-consumer-did-not-sign",
        "refuse-a-receipt-with-an-empty-countersignature",
        "refuse-a-receipt-of-a-million",
        "refuse-a-receipt-of-more-than-was-billed",
        "refuse-a-receipt-of-another-open",
        row=6,
        node=skipping("SET-006"),
    ),
    _does(
        "looks-and-takes-nothing",
        "Looks at the balance, and takes nothing from it: budgets are shown and not kept.",
        "SET-007 SET-009",
        "reserve-for-many-at-once",
        row=22,
        node=_settles_with(take=_takes_nothing),
    ),
    _skips(
        "SET-008",
        "lends",
        "Reserves more than there is.",
        "refuse-more-than-is-available",
        row=22,
    ),
    _does(
        "lends-to-many-at-once",
        "Lets twelve reservations pass where the balance pays two.",
        "SET-009",
        "reserve-for-many-at-once",
        row=23,
        node=_settles_with(take=_takes_later),
    ),
    _does(
        "says-nothing-of-it",
        "Refuses for want of credit, and says not what there is.",
        "SET-008",
        "refuse-more-than-is-available",
        node=_settles_with(reserve=_says_nothing_of_it),
    ),
    _skips(
        "SET-010",
        "reserves-again",
        "Reserves anew, with another end, each time that it is asked.",
        "reserve-one-open-once",
        row=23,
    ),
    _skips(
        "SET-011",
        "takes-two-opens-of-one-number",
        "Does not look which open a number belongs to.",
        "refuse-another-open-of-one-number",
        "refuse-a-claim-of-another-open-of-one-number",
        row=7,
    ),
    _does(
        "pays-back",
        "Takes from the consumer, and gives to the consumer.",
        "SET-012",
        "settle-for-the-consumer-too",
        node=_settles_with(enter=_charges_the_provider),
    ),
    _does(
        "adds-up",
        "Adds up whatever is shown: one receipt three times is three debts.",
        "SET-013~2 SET-014",
        "book-a-receipt-once",
        "book-a-claim-once",
        row=7,
        node=_settles_with(enter=_adds_up),
    ),
    _does(
        "books-the-newest",
        "Books what comes last: a claim that comes late takes back what was booked.",
        "SET-013~2",
        "book-claims-in-any-order",
        node=_settles_with(enter=_books_the_newest),
    ),
    _does(
        "never-lowers",
        "Keeps what was claimed before, whatever both have signed in the end.",
        "SET-013~2",
        "book-a-receipt-below-its-claims",
        "free-what-the-provider-gives-back",
        node=_settles_with(enter=_never_lowers),
    ),
    _skips(
        "SET-014",
        "changes-what-is-final",
        "Goes on booking after a receipt.",
        "change-nothing-after-a-receipt",
        row=7,
    ),
    _does(
        "remembers-for-an-hour",
        "Forgets after an hour what it has settled.",
        "SET-014",
        "remember-opens-for-ever",
        row=7,
        node=_settles_with(claimed=_forgets_after_an_hour),
    ),
    _skips(
        "SET-015",
        "mints",
        "Books receipts for which nothing was reserved: two who agree make credit of nothing.",
        "refuse-a-claim-without-a-reservation",
        row=6,
    ),
    _does(
        "keeps-what-is-left",
        "Frees nothing of a reservation, whatever came of it.",
        "SET-016~2 SET-007",
        "reserve-and-settle",
        node=_settles_with(ledger=_keeps_it),
    ),
    _does(
        "waits-for-ever",
        "Frees nothing of what nobody claims.",
        "SET-016~2",
        "free-what-nobody-claims",
        node=_settles_with(ledger=_waits_for_ever),
    ),
    _skips(
        "SET-017",
        "books-in-memory",
        "Says BOOKED, and loses it in a crash.",
        "keep-bookings-through-a-crash",
    ),
    _does(
        "settles-all-or-nothing",
        "Says of a whole batch what is wrong with one claim of it.",
        "SET-018",
        "settle-each-claim-by-itself",
        node=_settles_with(settle=_settles_all_or_nothing),
    ),
    _skips(
        "SET-019",
        "reserves-for-forgers",
        "Holds evidence against a consumer, and reserves for it.",
        "refuse-who-has-signed-two-opens-of-one-number",
        "refuse-who-was-reported",
    ),
    _does(
        "grants-again",
        "Grants a quota each time that its membership is shown.",
        "SET-020",
        "grant-a-quota-once",
        row=9,
        node=_settles_with(grant=_grants_again),
    ),
    _does(
        "grants-to-every-key",
        "Gives every key that comes a credit to begin with.",
        "SET-020",
        "grant-a-quota-once",
        row=9,
        node=_settles_with(grant=_grants_to_every_key),
    ),
    # Providers and consumers
    _skips(
        "SET-021",
        "serves-without-a-reservation",
        "Asks for a reservation, and serves whatever comes of it.",
        "refuse-for-want-of-credit",
        "refuse-without-a-reservation",
        row=22,
    ),
    _skips(
        "SET-022",
        "has-one-word-for-no",
        "Says that the accounts cannot be reached where there is not enough on them.",
        "refuse-for-want-of-credit",
    ),
    _skips(
        "SET-023",
        "serves-on-hope",
        "Serves where the accounts cannot be reached, in the hope that they can be later.",
        "refuse-without-a-reservation",
        row=22,
    ),
    _skips(
        "SET-024",
        "reserves-for-a-second",
        "Asks for reservations that end before the answer may.",
        "serve-with-a-reservation",
    ),
    _skips("SET-025", "forgets-its-claims", "Loses in a crash what it has still to claim.", "claim-through-a-crash"),
    _does(
        "claims-beyond-the-ceiling",
        "Bills and claims more than the ceiling.",
        "SET-026",
        "serve-with-a-reservation",
        row=14,
        connection=provider_with(bill=_bills_beyond),
    ),
    _does(
        "hides-what-is-missing",
        "Tells its user that the peer is gone where the credit is.",
        "SET-027",
        "tell-the-user-what-is-missing",
        adapter=consumer_with(failed=_hides_what_is_missing),
    ),
)
