"""The settlement node: accounts in memory, and RESERVE, SETTLE, BALANCE and REPORT: SPEC.md, "Settlement"."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from conformance import dcbor
from conformance.data import limit
from conformance.dcbor import Item
from conformance.members import CONSUMER, PROVIDER, SETTLED, Member, Proof, Signed
from conformance.vectors.claims import Claims

from .networks import arguments
from .rules import RefuseError, Rules

if TYPE_CHECKING:
    from .connection import Connection
    from .node import Node

BOOKED, REPEATED, REFUSED = 1, 2, 3


class Judges(Claims):
    """What is judged of reservations and claims, less what its node does not look at."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def enforces(self, requirement: str) -> bool:
        """Whether this node makes the checks of a requirement."""
        return not self._rules.skips(requirement)


class Name(NamedTuple):
    """The settlement identity of an open."""

    network: bytes
    consumer: bytes
    provider: bytes
    sequence: int

    @staticmethod
    def of(opened: dict[int, Any]) -> Name:
        """That of an open's body."""
        return Name(*(opened[key] for key in range(4)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One open that was reserved."""

    opened: Signed
    payer: bytes
    payee: bytes
    ceiling: int
    expires: int
    booked: int = 0
    final: bool = False

    def over(self, now: float) -> bool:
        """Whether nothing of it is reserved any more."""
        return self.final or now >= self.expires + limit("SETTLEMENT_GRACE")


@dataclass(kw_only=True)
class Ledger:
    """The accounts of one network."""

    granted: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)
    """Member and quota by serial."""
    accounts: dict[Name, Account] = field(default_factory=dict)
    forked: set[bytes] = field(default_factory=set)
    """Consumers of which two opens of one identity were shown."""

    def balance(self, member: bytes, now: float) -> int:
        """What a member has, of which a part may be reserved. What is booked is the payee's once it is final."""
        balance = sum(quota for key, quota in self.granted.values() if key == member)
        for each in self.accounts.values():
            balance -= each.booked if each.payer == member else 0
            balance += each.booked if each.payee == member and each.over(now) else 0
        return balance

    def reserved(self, member: bytes, now: float) -> int:
        """What of it is not available."""
        open_ = (each for each in self.accounts.values() if each.payer == member and not each.over(now))
        return sum(each.ceiling - each.booked for each in open_)


class Settlement:
    """The settlement node's part of an honest node. Mutants override it."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.judges = Judges(node.rules)

    def ledger(self, network: bytes) -> Ledger:
        """The accounts of a network."""
        return self.node.store.ledgers.setdefault(network, Ledger())

    def keeps(self, network: bytes) -> bool:
        """Whether this node is the settlement node of a network."""
        held = self.node.store.networks.get(network)
        if held is None:
            return False
        terms = held.standing.terms
        return bool(terms[10] == SETTLED and terms[9] == self.node.key.public)

    def caller(self, connection: Connection, network: bytes) -> Member:
        """Whom the caller has shown itself to be (SET-001). Raises `RefuseError`."""
        member = connection.member(network) if self.keeps(network) else None
        self.node.rules.forbid("SET-001", member is None, RefuseError("NOT_MEMBER"))
        if member is None:
            member = Member(member=connection.peer, roles=3, serial=b"", quota=0, expires=0)
        self.grant(network, member)
        return member

    def grant(self, network: bytes, member: Member) -> None:
        """SET-020: the quota, once for each serial."""
        self.ledger(network).granted.setdefault(member.serial, (member.member, member.quota))

    # Reservations

    def reserve(self, connection: Connection, asked: dict[int, Any]) -> int:
        """Take a ceiling from what the consumer's member has; when it expires. Raises `RefuseError`."""
        opened, name = self.authorised(connection, asked[0], asked[1])
        payee = self.caller(connection, name.network)
        forbid, now = self.node.rules.forbid, self.node.clock()
        mine = connection.peer == name.provider
        forbid("SET-004", not mine, RefuseError("NOT_ALLOWED"))
        quote = self.judges.inside(asked[0])
        forbid("SET-004", now >= quote[10] + limit("CLOCK_SKEW"), RefuseError("QUOTE_EXPIRED"))
        payer = self.payer(name, Proof(membership=asked[2], certificate=asked.get(3)))
        forbid("SET-004", not payee.roles & PROVIDER, RefuseError("NOT_MEMBER"))
        self.grant(name.network, payer)
        ledger = self.ledger(name.network)
        forbid("SET-019", name.consumer in ledger.forked, RefuseError("NOT_ALLOWED"))
        before = self.known(name, asked[1])
        if before is not None:
            if before.over(now):
                raise RefuseError("SEQUENCE_USED")
            return before.expires
        available = ledger.balance(payer.member, now) - ledger.reserved(payer.member, now)
        short = opened[7] > available
        forbid("SET-008", short, RefuseError("INSUFFICIENT_CREDIT", limit=available, actual=opened[7]))
        return self.take(name, asked[1], payer, payee, opened[7], int(now) + asked[4])

    def take(  # noqa: PLR0917  the parts of one account
        self, name: Name, opened: Signed, payer: Member, payee: Member, ceiling: int, expires: int
    ) -> int:
        """Reserve (SET-007)."""
        self.ledger(name.network).accounts[name] = Account(
            opened=opened, payer=payer.member, payee=payee.member, ceiling=ceiling, expires=expires
        )
        self.node.save()
        return expires

    def authorised(self, connection: Connection, quote: Signed, opened: Signed) -> tuple[dict[int, Any], Name]:
        """Points 1 to 4. Raises `RefuseError`."""
        body = self.judges.broken("open-body", _read(opened[0])) is None
        network = _read(opened[0])[0] if body else bytes(32)
        here = network if self.keeps(network) else bytes(32)
        code = self.judges.unauthorised({0: quote, 1: opened}, here, connection.peer)
        if code is not None:
            raise RefuseError(code)
        terms: dict[int, Any] = self.judges.inside(opened)
        return terms, Name.of(terms)

    def payer(self, name: Name, proof: Proof) -> Member:
        """The member behind the consumer (SET-004). Raises `RefuseError`."""
        member = self.node.verified(name.network, proof, name.consumer)
        asks = member is not None and bool(member.roles & CONSUMER)
        self.node.rules.forbid("SET-004", not asks, RefuseError("NOT_MEMBER"))
        return member or Member(member=name.consumer, roles=3, serial=b"", quota=0, expires=0)

    def known(self, name: Name, opened: Signed) -> Account | None:
        """What is reserved for this open (SET-010, SET-011). Raises `RefuseError` for another one of its identity."""
        ledger = self.ledger(name.network)
        before = ledger.accounts.get(name)
        if before is None:
            return None
        if before.opened[0] != opened[0]:
            if not self.node.rules.skips("SET-011"):
                self.fork(name)
                raise RefuseError("SEQUENCE_USED")
            return None
        return None if self.node.rules.skips("SET-010") else before

    def fork(self, name: Name) -> None:
        """Two opens of one identity were shown."""
        self.ledger(name.network).forked.add(name.consumer)
        self.node.save()

    # Claims

    def settle(self, connection: Connection, claims: list[dict[int, Any]]) -> list[dict[int, Item]]:
        """Each claim by itself (SET-018)."""
        return [self.outcome(connection, each) for each in claims]

    def outcome(self, connection: Connection, claim: dict[int, Any]) -> dict[int, Item]:
        """What becomes of one claim."""
        try:
            outcome, amount = self.book(connection, claim)
        except RefuseError as error:
            return {0: REFUSED, 1: error.code, 2: 0}
        return {0: outcome, 2: amount}

    def book(self, connection: Connection, claim: dict[int, Any]) -> tuple[int, int]:
        """Judge and book a claim. Raises `RefuseError`."""
        opened, name = self.authorised(connection, claim[0], claim[1])
        self.caller(connection, name.network)
        code = self.judges.unpaid(claim) or self.judges.not_agreed(claim)
        if code is not None:
            raise RefuseError(code)
        quote = self.judges.inside(claim[0])
        final, amount = 5 in claim, min(claim[2] * quote[7], opened[7])
        if 4 in claim:
            total = self.judges.inside(claim[4])[6]
            final = final or total == 0
            amount = total if final else min(amount, total)
        account = self.claimed(name, claim[1])
        if account.over(self.node.clock()) and not self.node.rules.skips("SET-014"):
            self.node.rules.forbid("SET-015", not account.final and amount > account.booked, _NOTHING)
            return REPEATED, account.booked
        return self.enter(name, account, amount, final=final)

    def claimed(self, name: Name, opened: Signed) -> Account:
        """The account of a claim (SET-015). Raises `RefuseError`."""
        account = self.ledger(name.network).accounts.get(name)
        if account is None and self.node.rules.skips("SET-015"):
            terms = self.judges.inside(opened)
            account = Account(
                opened=opened, payer=name.consumer, payee=name.provider, ceiling=terms[7], expires=1 << 50
            )
        if account is None:
            raise _NOTHING
        if account.opened[0] != opened[0] and not self.node.rules.skips("SET-011"):
            self.fork(name)
            raise RefuseError("SEQUENCE_USED")
        return account

    def enter(self, name: Name, account: Account, amount: int, *, final: bool) -> tuple[int, int]:
        """Raise what is booked, or make it what both signed (SET-013)."""
        booked = amount if final else max(account.booked, amount)
        if booked == account.booked and final == account.final:
            return REPEATED, booked
        self.ledger(name.network).accounts[name] = replace(account, booked=booked, final=final)
        if not self.node.rules.skips("SET-017"):
            self.node.save()
        return BOOKED, booked


_NOTHING = RefuseError("NO_RESERVATION")


def reserve(connection: Connection, encoded: bytes) -> dict[int, Item]:
    """RESERVE. Raises `RefuseError`."""
    return {0: connection.node.settlement.reserve(connection, arguments(connection, "reserve", encoded))}


def settle(connection: Connection, encoded: bytes) -> dict[int, Item]:
    """SETTLE. Raises `RefuseError`."""
    claims = arguments(connection, "settle", encoded)[0]
    settlement = connection.node.settlement
    shown = any(settlement.keeps(each) for each in connection.proofs)
    connection.rules.forbid("SET-001", not shown, RefuseError("NOT_MEMBER"))
    return {0: settlement.settle(connection, claims)}


def balance(connection: Connection, encoded: bytes) -> dict[int, Item]:
    """BALANCE. Raises `RefuseError`."""
    network = arguments(connection, "balance", encoded)[0]
    settlement, now = connection.node.settlement, connection.node.clock()
    if not settlement.keeps(network):
        raise RefuseError("NOT_MEMBER")
    member = settlement.caller(connection, network)
    ledger = settlement.ledger(network)
    return {0: ledger.balance(member.member, now), 1: ledger.reserved(member.member, now)}


def report(connection: Connection, encoded: bytes) -> dict[int, Item]:
    """REPORT. Raises `RefuseError`."""
    shown = arguments(connection, "report", encoded)
    judges = connection.node.settlement.judges
    if judges.fraud({"first": _hexed(shown[0]), "second": _hexed(shown[1])})["verdict"] != "accept":
        raise RefuseError("BAD_OPEN")
    name = Name.of(judges.inside(shown[0]))
    if not connection.node.settlement.keeps(name.network):
        raise RefuseError("BAD_OPEN")
    connection.node.settlement.fork(name)
    return {}


def _read(encoded: bytes) -> Any:
    return dcbor.decode(encoded) if dcbor.is_item(encoded) else None


def _hexed(signed: Signed) -> str:
    return dcbor.encode(signed).hex()
