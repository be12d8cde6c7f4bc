"""What this node has promised in the last 24 hours: the arithmetic of the allowance, in memory.

An exchange that runs counts its ceiling, one that is over what it can claim. Sums are kept per network as opens come
and end, so that an admission is one addition; spent amounts are kept per minute of admission, so that memory is
bounded by the minutes of a day and not by the requests. A minute is forgotten when all of it is older than 24 hours.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .records import Identity

WINDOW_S = 24 * 3600
"""Seconds over which the allowance is counted."""
BUCKET_S = 60
"""Seconds of admissions that are summed up together."""


@dataclass(slots=True, kw_only=True)
class _Reservation:
    created: float
    amount: int


class Allowance:
    """Sums of micro-credits by network. ``now`` is in seconds since 1970 and never goes back."""

    def __init__(self) -> None:
        self._sums: defaultdict[bytes, int] = defaultdict(int)
        self._reserved: dict[Identity, _Reservation] = {}  # the oldest first
        self._lapsing: list[tuple[float, Identity, int]] = []  # a heap: the soonest first
        self._spent: dict[tuple[bytes, int], int] = {}  # by network and minute
        self._swept = 0.0

    def total(self, network: bytes, now: float) -> int:
        """Micro-credits promised in ``network`` in the 24 hours before ``now``."""
        self._forget(now)
        return self._sums[network]

    def reserve(self, identity: Identity, created: float, ceiling: int) -> None:
        """Count the ceiling of an open that was admitted at ``created``."""
        self._reserved[identity] = _Reservation(created=created, amount=ceiling)
        self._sums[identity.network] += ceiling

    def reserves(self, identity: Identity) -> bool:
        """Whether a ceiling is counted for ``identity``."""
        return identity in self._reserved

    def lapse(self, identity: Identity, expires: float, claim: int) -> None:
        """A crash ended this exchange: its reservation falls to ``claim``, its ticks, when ``expires`` comes."""
        heapq.heappush(self._lapsing, (expires, identity, claim))

    def settle(self, identity: Identity, created: float, claim: int, counted: int) -> None:
        """An exchange is over and can claim ``claim``, of which ``counted`` was final in the database before."""
        if self.reserves(identity):  # whatever the database said, it was not counted here as final
            counted = 0
        self.release(identity)
        self.spend(identity.network, created, claim - counted)

    def release(self, identity: Identity) -> None:
        """Forget a reservation, if there is one."""
        reservation = self._reserved.pop(identity, None)
        if reservation is not None:
            self._sums[identity.network] -= reservation.amount

    def spend(self, network: bytes, created: float, amount: int) -> None:
        """Count ``amount`` for an open that was admitted at ``created``."""
        bucket = (network, int(created // BUCKET_S))
        self._spent[bucket] = self._spent.get(bucket, 0) + amount
        self._sums[network] += amount

    def _forget(self, now: float) -> None:
        while self._lapsing and self._lapsing[0][0] <= now:
            _, identity, claim = heapq.heappop(self._lapsing)
            self._lapse(identity, claim)
        while self._reserved:
            identity, reservation = next(iter(self._reserved.items()))
            if reservation.created > now - WINDOW_S:
                break
            self.release(identity)
        if now >= self._swept + BUCKET_S:
            self._swept = now
            self._sweep(int((now - WINDOW_S) // BUCKET_S))

    def _lapse(self, identity: Identity, claim: int) -> None:
        reservation = self._reserved.get(identity)
        if reservation is not None:
            self._sums[identity.network] -= reservation.amount - claim
            reservation.amount = claim

    def _sweep(self, first: int) -> None:
        for bucket in [bucket for bucket in self._spent if bucket[1] < first]:
            self._sums[bucket[0]] -= self._spent.pop(bucket)
