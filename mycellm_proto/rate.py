"""How often: a token bucket over the caller's clock."""

from __future__ import annotations


class Bucket:
    """``burst`` at once, then ``rate`` per second."""

    __slots__ = ("_burst", "_level", "_rate", "_since")

    def __init__(self, burst: int, rate: float, now: float) -> None:
        self._burst = burst
        self._rate = rate
        self._level = float(burst)
        self._since = now

    def take(self, now: float) -> bool:
        """Whether one more is within the rate; it counts only then."""
        self._level = min(self._burst, self._level + max(0.0, now - self._since) * self._rate)
        self._since = now
        if self._level < 1:
            return False
        self._level -= 1
        return True
