"""What this node has given unpaid in the last 24 hours: the arithmetic of the allowance, in memory.

Amounts are summed per network and minute of admission, so that an admission is one addition, and memory is bounded by
the minutes of a day and not by the requests. A minute is forgotten when all of it is older than 24 hours.
"""

from __future__ import annotations

from collections import defaultdict

WINDOW_S = 24 * 3600
"""Seconds over which the allowance is counted."""
BUCKET_S = 60
"""Seconds of admissions that are summed up together."""


class Allowance:
    """Sums of micro-credits by network. ``now`` is in seconds since 1970 and never goes back."""

    def __init__(self) -> None:
        self._sums: defaultdict[bytes, int] = defaultdict(int)
        self._given: defaultdict[tuple[bytes, int], int] = defaultdict(int)  # by network and minute
        self._first = 0  # minutes before this one are forgotten

    def used(self, network: bytes, now: float) -> int:
        """Micro-credits given in ``network`` in the 24 hours before ``now``."""
        first = int((now - WINDOW_S) // BUCKET_S)
        if first > self._first:
            self._first = first
            for bucket in [bucket for bucket in self._given if bucket[1] < first]:
                self._sums[bucket[0]] -= self._given.pop(bucket)
        return self._sums[network]

    def give(self, network: bytes, created: float, amount: int) -> None:
        """Count ``amount`` for an open that was admitted at ``created``; less than zero: it was less after all."""
        bucket = (network, int(created // BUCKET_S))
        if bucket[1] >= self._first:
            self._given[bucket] += amount
            self._sums[network] += amount
