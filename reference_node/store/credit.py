"""What this node gives, and to whom: to a peer what it owes that peer, to all others together its allowance.

This is the arithmetic of bilateral credit (SPEC.md, section "Receipts", *Networks*), in memory and in integers, over
what the receipts say. It is derived from them at each start, so there is nothing beside them that could differ.

1. A peer that served this node earned what this node's own receipts and claims say, once each exchange is over. Nobody
   else's word counts, and nothing that one peer earned serves another.
2. An open is covered by that first. The rest comes out of the allowance: per node and 24 hours, never per key.
3. An open counts with its ceiling while it runs and with what can be claimed afterwards. What covered it is fixed when
   it is admitted and kept with its receipt: of a lesser claim it is used up first.
4. What the allowance gave is no debt that earnings would have to pay off: a new key would not have it.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .allowance import Allowance
from .errors import AllowanceExhaustedError, InsufficientCreditError
from .records import ReceiptState

if TYPE_CHECKING:
    from .records import Identity, Record


@dataclass(slots=True, kw_only=True)
class _Open:
    """An open that is not over: ``covered`` of its ceiling is owed to its consumer; it counts ``amount`` in all."""

    created: float
    covered: int
    amount: int


class Credit:
    """Balances by network and peer, and the allowance. ``now`` is in seconds since 1970; amounts in micro-credits."""

    def __init__(self) -> None:
        self._allowance = Allowance()
        self._balances: defaultdict[tuple[bytes, bytes], int] = defaultdict(int)  # peers that served this node
        self._open: dict[Identity, _Open] = {}
        self._lapsing: list[tuple[float, Identity, int]] = []  # a heap: the soonest first

    # Questions

    def balance(self, network: bytes, peer: bytes) -> int:
        """What this node owes ``peer`` and has not yet served it for; below zero where a debt shrank afterwards."""
        return self._balances.get((network, peer), 0)

    def used(self, network: bytes, now: float) -> int:
        """Micro-credits of the allowance that are in use."""
        self._lapse(now)
        return self._allowance.used(network, now)

    def cover(self, identity: Identity, ceiling: int, *, allowance: int | None, now: float) -> int:
        """How much of ``ceiling`` this node owes the consumer; the allowance has room for the rest.

        Without an allowance nothing is: a settlement node vouches for all of it.
        Raises `InsufficientCreditError` where no wait would help (NET-005), else `AllowanceExhaustedError` (NET-003).
        """
        if allowance is None:
            return 0
        owed = max(0, self.balance(identity.network, identity.consumer))  # NET-006, NET-008
        left = max(0, allowance - self.used(identity.network, now))
        if ceiling <= owed + left:
            return min(ceiling, owed)
        short = InsufficientCreditError if ceiling > owed + allowance else AllowanceExhaustedError
        raise short(owed + left, ceiling)

    # What happens

    def admit(self, identity: Identity, created: float, *, ceiling: int, covered: int) -> None:
        """An open is admitted at ``created``, ``covered`` of its ceiling by what is owed (NET-007)."""
        self._open[identity] = _Open(created=created, covered=covered, amount=ceiling)
        self._count(identity, created, covered, 0, ceiling)

    def settle(self, record: Record, counted: int) -> None:
        """A record was written, of whose claim ``counted`` was final in the database before."""
        if record.role == "consumer":
            if record.state is not ReceiptState.OPENED:  # NET-009: what still runs earned nothing yet
                self.earn(record.identity.network, record.identity.provider, record.claim - counted)
        elif record.state is not ReceiptState.OPENED:
            self.end(record.identity, record.created, covered=record.covered, claim=record.claim, counted=counted)
        elif record.identity not in self._open:  # it waited in the spool when this process started
            self.left_open(record)

    def end(self, identity: Identity, created: float, *, covered: int, claim: int, counted: int) -> None:
        """An answer is over, and ``claim`` can be claimed for it; ``counted`` was known to be final before."""
        opened = self._open.pop(identity, None)
        self._count(identity, created, covered, counted if opened is None else opened.amount, claim)

    def left_open(self, record: Record) -> None:
        """A crash ended this answer: it counts its ceiling until its quote expires, and what can be claimed then."""
        self.admit(record.identity, record.created, ceiling=record.ceiling, covered=record.covered)
        heapq.heappush(self._lapsing, (record.expires, record.identity, record.claim))

    def earn(self, network: bytes, peer: bytes, amount: int) -> None:
        """This node owes ``peer`` so much more; less than zero: less."""
        if amount:
            self._balances[network, peer] += amount

    def give(self, network: bytes, created: float, amount: int) -> None:
        """The allowance gave ``amount`` for opens that were admitted at ``created``."""
        self._allowance.give(network, created, amount)

    # Inside

    def _lapse(self, now: float) -> None:
        while self._lapsing and self._lapsing[0][0] <= now:
            _, identity, claim = heapq.heappop(self._lapsing)
            opened = self._open.get(identity)
            if opened is not None:
                self._count(identity, opened.created, opened.covered, opened.amount, claim)
                opened.amount = claim

    def _count(self, identity: Identity, created: float, covered: int, before: int, after: int) -> None:
        """What counted as ``before`` counts as ``after``."""
        drawn = drawn_of(covered, after) - drawn_of(covered, before)
        self.earn(identity.network, identity.consumer, -drawn)
        self.give(identity.network, created, after - before - drawn)


def drawn_of(covered: int, amount: int) -> int:
    """How much of ``amount`` what is owed pays; the allowance gives the rest."""
    return min(covered, amount)
