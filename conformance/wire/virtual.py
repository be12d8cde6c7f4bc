"""An event loop whose time passes only when there is nothing else to do: a wait of a minute takes no time at all."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any


class StuckError(RuntimeError):
    """Nothing is ready and nothing is scheduled: the code under the loop waits for ever."""


class _Hurry(selectors.DefaultSelector):
    """A selector that does not sleep, but moves the clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; where nothing is, ``timeout`` has passed."""
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not ready:
            if timeout is None:
                raise StuckError("nothing is ready and nothing is scheduled")
            self.now += max(timeout, 0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Use it with ``asyncio.Runner(loop_factory=VirtualLoop)``; it begins at 0 seconds."""

    def __init__(self) -> None:
        self._hurry = _Hurry()
        super().__init__(self._hurry)

    def time(self) -> float:
        """Seconds of virtual time."""
        return self._hurry.now

    def call_exception_handler(self, context: Mapping[str, Any]) -> None:
        """An error that nobody awaits is an error of the program that runs in this loop."""
        raise context.get("exception") or RuntimeError(context["message"])
