"""A timer that moves with every packet, cheaply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from . import limits


class LazyTimer:
    """Calls ``action(now)`` once the time of the last `arm` has come.

    A later time does not touch the event loop: the old call wakes up, sees that it is early, and waits again. That
    costs one wake-up per period where a cancelled call per packet would be the alternative.
    """

    __slots__ = ("_action", "_due", "_handle", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, action: Callable[[float], None]) -> None:
        self._loop = loop
        self._action = action
        self._due: float | None = None
        self._handle: asyncio.TimerHandle | None = None

    def arm(self, due: float) -> None:
        """Wake at ``due``, in the loop's time, instead of any time before."""
        self._due = due
        if self._handle is not None:
            if self._handle.when() <= due:
                return
            self._handle.cancel()
        self._handle = self._loop.call_at(due, self._wake)

    def rest(self) -> None:
        """Wake for nothing until `arm` is called again."""
        self._due = None

    def stop(self) -> None:
        """Do not wake any more."""
        self._due = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _wake(self) -> None:
        self._handle = None
        if self._due is None:
            return
        now = self._loop.time()
        if now < self._due - limits.TIMER_SLACK:
            self.arm(self._due)
            return
        # The connection compares with the time that it asked for.
        now = max(now, self._due)
        self._due = None
        self._action(now)
