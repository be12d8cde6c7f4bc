"""The node's clock: seconds since 1970 that never go back, as the protocol asks of its caller."""

from __future__ import annotations

import time

_offset = time.time() - time.monotonic()


def now() -> float:
    """Seconds since 1970 at the process's start, plus what a monotonic clock counted since."""
    return time.monotonic() + _offset


def loop_time(when: float) -> float:
    """``when``, a time of this clock, in the time of asyncio's event loop: what its monotonic clock shows then."""
    return when - _offset


def advance(seconds: float) -> None:
    """Move the clock forward: for those who try out what time does."""
    global _offset  # noqa: PLW0603 - there is one clock
    _offset += max(0.0, seconds)
