"""The rules of the ledger, without a database: what an operation changes, given the rows that it is about.

Each operation either is refused and changes nothing, or books events. An event moves one amount from one pocket to
another, so no sequence of them creates or destroys credit. Pockets never go below zero; only what was issued does.

| | reserved, claimed c | final | lapsed |
| --- | --- | --- | --- |
| claim a | a > c: a - c from reserved to pending | repeated | repeated, if a <= c |
| finalise t | all pending and reserved, to t for the provider | repeated | repeated, if t = c |
| lapse | c for the provider, the rest released | repeated | repeated |

So claims, in whatever order and however often, add up to the largest of them, and a receipt decides whenever it comes
before the end: claims before and after it change nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .errors import AmountError, IdentityConflictError, InsufficientCreditError, LedgerError, NoReservationError
from .facts import (
    MAX_EVIDENCE,
    MAX_ISSUE,
    POCKETS,
    SERIAL_SIZE,
    Account,
    Claim,
    Conflict,
    Event,
    Finalise,
    Grant,
    Kind,
    Lapse,
    Opened,
    Outcome,
    Pocket,
    Reserve,
    Settlement,
    State,
)

if TYPE_CHECKING:
    from .facts import Operation

GRACE_S = 3600
"""Seconds after an open's expiry in which claims and receipts still count: for a provider that was off the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an operation led to. ``settlement`` is how the open stands; None for a grant."""

    outcome: Outcome
    settlement: Settlement | None = None


@dataclass(slots=True, kw_only=True)
class Book:
    """The rows that some operations are about, as loaded, and what the operations add to them.

    ``available`` holds the pockets of the accounts that were found. The rest is what is to be written.
    """

    now: float
    grace: float = GRACE_S
    available: dict[Account, int] = field(default_factory=dict)
    settlements: dict[bytes, Settlement] = field(default_factory=dict)
    grants: dict[bytes, Grant] = field(default_factory=dict)
    known: set[Account] = field(default_factory=set)

    events: list[Event] = field(default_factory=list)
    deltas: defaultdict[Account, dict[Pocket, int]] = field(
        default_factory=lambda: defaultdict(lambda: dict.fromkeys(Pocket, 0))
    )
    changed: dict[bytes, Settlement] = field(default_factory=dict)
    new: set[bytes] = field(default_factory=set)
    new_grants: list[Grant] = field(default_factory=list)
    conflicts: dict[bytes, Conflict] = field(default_factory=dict)

    def apply(self, operation: Operation) -> Answer:
        """Book ``operation``. Raises `LedgerError`; then no account is changed."""
        match operation:
            case Grant():
                return self._grant(operation)
            case Reserve():
                return self._reserve(operation)
            case Claim():
                return self._claim(operation)
            case Finalise():
                return self._finalise(operation)
            case Lapse():
                return self._lapse(operation)

    def accounts(self) -> set[Account]:
        """The accounts that anything happened to, or that a new settlement names."""
        named = {account for each in self.changed.values() for account in (each.consumer, each.provider)}
        return named | self.deltas.keys()

    def _grant(self, grant: Grant) -> Answer:
        _check_amount("A grant", grant.amount, MAX_ISSUE)
        if len(grant.serial) != SERIAL_SIZE:
            raise ValueError(f"a serial number of {len(grant.serial)} bytes")
        held = self.grants.get(grant.key)
        if held is not None:
            if held != grant:
                raise IdentityConflictError("This serial number was used for another grant.")
            return Answer(outcome=Outcome.REPEATED)
        member, issue = Account.of(grant.network, grant.member), Account.issue(grant.network)
        issued = -self.available.get(issue, 0) + grant.amount
        if issued > MAX_ISSUE:
            raise AmountError("Granted in this network", MAX_ISSUE, issued)
        self.grants[grant.key] = grant
        self.new_grants.append(grant)
        self._add(
            Event(
                subject=grant.key,
                number=0,
                kind=Kind.GRANT,
                source=issue,
                target=member,
                amount=grant.amount,
                created=self.now,
            )
        )
        return Answer(outcome=Outcome.BOOKED)

    def _reserve(self, reserve: Reserve) -> Answer:
        opened = reserve.opened
        _check_amount("A ceiling", reserve.ceiling, MAX_ISSUE)
        if not 0 <= reserve.expires <= MAX_ISSUE:
            raise ValueError("not a time")
        held = self._held(opened)
        if held is not None:
            if held.ceiling != reserve.ceiling:
                raise LedgerError("The same open cannot have two ceilings.")
            return Answer(outcome=Outcome.REPEATED, settlement=held)
        if self.now >= reserve.expires + self.grace:
            raise NoReservationError("The time of this open is over; nothing can be reserved for it.")
        consumer = Account.of(opened.identity.network, reserve.member)
        provider = Account.of(opened.identity.network, reserve.provider_member)
        available = self.available.get(consumer, 0)
        if available < reserve.ceiling:
            raise InsufficientCreditError(available, reserve.ceiling)
        self.new.add(opened.key)
        settlement = Settlement(
            opened=opened,
            consumer=consumer,
            provider=provider,
            ceiling=reserve.ceiling,
            expires=reserve.expires,
        )
        return self._keep(settlement, [(Kind.RESERVE, reserve.ceiling, b"")])

    def _claim(self, claim: Claim) -> Answer:
        held = self._reserved(claim.opened, "A claim", claim.amount, claim.evidence)
        if held.state is State.FINAL or claim.amount <= held.claimed:
            return Answer(outcome=Outcome.REPEATED, settlement=held)
        self._check_time(held)
        moves = [(Kind.CLAIM, claim.amount - held.claimed, claim.evidence)]
        return self._keep(replace(held, claimed=claim.amount), moves)

    def _finalise(self, finalise: Finalise) -> Answer:
        total, evidence = finalise.total, finalise.evidence
        held = self._reserved(finalise.opened, "A receipt", total, evidence)
        if held.state is State.FINAL or (held.state is State.LAPSED and held.total == total):
            return Answer(outcome=Outcome.REPEATED, settlement=held)
        self._check_time(held)
        confirmed = min(held.claimed, total)
        moves = [
            (Kind.REVERSAL, held.claimed - confirmed, b""),
            (Kind.CONFIRM, confirmed, b""),
            (Kind.FINALISE, total - confirmed, evidence),
            (Kind.RELEASE, held.ceiling - total, b""),
        ]
        needed = [move for move in moves if move[1] or move[0] is Kind.FINALISE]
        return self._keep(replace(held, state=State.FINAL, total=total), needed)

    def _lapse(self, lapse: Lapse) -> Answer:
        held = self._reserved(lapse.opened, "Nothing", 0, b"")
        if held.state is not State.RESERVED or not self._is_over(held):
            return Answer(outcome=Outcome.REPEATED, settlement=held)
        moves = [(Kind.CONFIRM, held.claimed, b"")] if held.claimed else []
        moves.append((Kind.LAPSE, held.ceiling - held.claimed, b""))
        return self._keep(replace(held, state=State.LAPSED, total=held.claimed), moves)

    def _held(self, opened: Opened) -> Settlement | None:
        """The settlement of ``opened``. Of another open with its identity, both are kept: the first such pair."""
        held = self.settlements.get(opened.key)
        if held is not None and held.opened.open_hash != opened.open_hash:
            self.conflicts.setdefault(opened.key, Conflict(first=held.opened, second=opened))
            raise IdentityConflictError(f"Another open holds the number {opened.identity.sequence} of this consumer.")
        return held

    def _reserved(self, opened: Opened, what: str, amount: int, evidence: bytes) -> Settlement:
        if len(evidence) > MAX_EVIDENCE:
            raise ValueError(f"evidence of {len(evidence)} bytes")
        held = self._held(opened)
        if held is None:
            _check_amount(what, amount, MAX_ISSUE)
            raise NoReservationError("Nothing was reserved for this open.")
        _check_amount(what, amount, held.ceiling)
        return held

    def _check_time(self, held: Settlement) -> None:
        if held.state is State.LAPSED or self._is_over(held):
            raise NoReservationError("The time of this open is over, and what was left was released.")

    def _is_over(self, held: Settlement) -> bool:
        return self.now >= held.expires + self.grace

    def _keep(self, settlement: Settlement, moves: list[tuple[Kind, int, bytes]]) -> Answer:
        key = settlement.opened.key
        for number, (kind, amount, evidence) in enumerate(moves, settlement.events):
            source, target = parties(kind, settlement)
            event = Event(
                subject=key,
                number=number,
                kind=kind,
                source=source,
                target=target,
                amount=amount,
                created=self.now,
                evidence=evidence,
            )
            self._add(event)
        settlement = replace(settlement, events=settlement.events + len(moves))
        self.settlements[key] = self.changed[key] = settlement
        return Answer(outcome=Outcome.BOOKED, settlement=settlement)

    def _add(self, event: Event) -> None:
        """Note ``event``, and move its amount."""
        self.events.append(event)
        for account, pocket, amount in zip(
            (event.source, event.target), POCKETS[event.kind], (-event.amount, event.amount), strict=True
        ):
            self.deltas[account][pocket] += amount
            if pocket is Pocket.AVAILABLE:
                self.available[account] = self.available.get(account, 0) + amount


def parties(kind: Kind, settlement: Settlement) -> tuple[Account, Account]:
    """From whom to whom an event of that kind goes."""
    consumer, provider = settlement.consumer, settlement.provider
    return {
        Kind.CLAIM: (consumer, provider),
        Kind.REVERSAL: (provider, consumer),
        Kind.CONFIRM: (provider, provider),
        Kind.FINALISE: (consumer, provider),
    }.get(kind, (consumer, consumer))


def _check_amount(what: str, amount: int, limit: int) -> None:
    if amount < 0:
        raise ValueError(f"{what} of {amount} micro-credits")
    if amount > limit:
        raise AmountError(what, limit, amount)
