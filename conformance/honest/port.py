"""What an honest node needs of its transport and of its clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from conformance.data import limit


class Port(Protocol):
    """One connection, from the side of the node."""

    def write(self, stream: int, data: bytes, fin: bool = False) -> None:
        """Send bytes on a stream, and end it with ``fin``."""

    def reset(self, stream: int, code: int = 0) -> None:
        """RESET_STREAM."""

    def stop(self, stream: int, code: int = 0) -> None:
        """STOP_SENDING."""

    def close(self, code: int, reason: str = "") -> None:
        """CONNECTION_CLOSE of the application."""

    def ping(self) -> None:
        """PING."""


class Timers:
    """Named waits of one owner: setting one again replaces it."""

    def __init__(self) -> None:
        self._waits: dict[str, asyncio.TimerHandle] = {}

    def start(self, name: str, seconds: float, then: Callable[[], None]) -> None:
        """Call ``then`` in ``seconds``."""
        self.stop(name)
        self._waits[name] = asyncio.get_running_loop().call_later(seconds, then)

    def stop(self, name: str) -> None:
        """Wait no more."""
        if (handle := self._waits.pop(name, None)) is not None:
            handle.cancel()

    def running(self, name: str) -> bool:
        """Whether the wait goes on."""
        handle = self._waits.get(name)
        return handle is not None and not handle.cancelled() and handle.when() > now()

    def stop_all(self) -> None:
        """Wait for nothing more."""
        for name in list(self._waits):
            self.stop(name)


def now() -> float:
    """Seconds of the loop's clock."""
    return asyncio.get_running_loop().time()


class Allowance:
    """What starts at one limit and grows by another per second, and never above the first."""

    def __init__(self, burst: str, rate: str) -> None:
        self._burst, self._rate = limit(burst), limit(rate)
        self._left = float(self._burst)
        self._counted = now()

    def take(self) -> bool:
        """Whether there was one."""
        elapsed = now() - self._counted
        self._counted += elapsed
        self._left = min(self._burst, self._left + elapsed * self._rate)
        if self._left < 1:
            return False
        self._left -= 1
        return True
