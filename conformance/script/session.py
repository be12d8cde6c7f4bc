"""What a script works with: the run's environment, the recorder of this case, and randomness of its own."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from conformance.entropy import Entropy
from conformance.signing import Key
from conformance.wire.link import Link, Recorder
from conformance.wire.transcript import Event

ALPN = "mycellm/1"


class UntestableError(Exception):
    """The case can show nothing here; the transcript says why."""


class Environment(ABC):
    """How the target is reached."""

    target: bytes | None = None
    """The target's node key, where it is known."""
    patience: float = 240.0
    """Seconds that a case may wait for the target's own time to pass."""

    @abstractmethod
    def clock(self) -> float:
        """Seconds since 1970."""

    def sequence(self) -> int:
        """A number above all before: numbers only have to grow, and time does."""
        self._last = max(self._last + 2, int(self.clock() * 1000) * 1000)
        return self._last

    _last = 0

    @abstractmethod
    async def dial(self, recorder: Recorder, *, alpn: str) -> Link:
        """A connection to the target, with its channel binding. Raises `GoneError` or `OverdueError`."""


class Session:
    """One run of one case."""

    def __init__(
        self,
        environment: Environment,
        *,
        seed: bytes,
        case: str,
        key: Key | None,
        fault: Any = None,
        items: Sequence[int] = (),
    ) -> None:
        self.environment = environment
        self.recorder = Recorder()
        self.entropy = Entropy(seed, case)
        self.key = key or Key(self.entropy.take(32))
        self.fault = fault
        """The `Fault` that the case commits; None for an honest one."""
        self._links: list[Link] = []
        self._draw = lambda item: Entropy(seed, f"{case}#{item}")
        self._items = items

    def draws(self) -> Iterator[Entropy]:
        """Randomness for each item of a generated case: an item is the same whichever others are run with it."""
        return map(self._draw, self._items)

    async def dial(self, *, alpn: str = ALPN) -> Link:
        """A new connection to the target, recorded. Raises `GoneError` or `OverdueError`."""
        link = await self.environment.dial(self.recorder, alpn=alpn)
        self._links.append(link)
        return link

    def commits(self, fault: Any) -> None:
        """Note that the next connection breaks a rule; faults on one are noted there."""
        self.recorder.add(Event(at=self.recorder.now(), link=-1, by="suite", what="fault", facts={"fault": fault.name}))

    def untestable(self, reason: str, lift: str) -> UntestableError:
        """Note that something is missing, and how to have it. To be raised."""
        facts = {"reason": reason, "lift": lift}
        self.recorder.add(Event(at=self.recorder.now(), link=-1, by="suite", what="untestable", facts=facts))
        return UntestableError(reason)

    def not_applicable(self, reason: str) -> UntestableError:
        """Note that the target declares not to have what the case is about. To be raised."""
        facts = {"reason": reason}
        self.recorder.add(Event(at=self.recorder.now(), link=-1, by="suite", what="not-applicable", facts=facts))
        return UntestableError(reason)

    def sequence(self) -> int:
        """A sequence number that no case of this run, and of no run before, has used with its key."""
        return self.environment.sequence()

    @asynccontextmanager
    async def closing(self) -> AsyncIterator[None]:
        """Close every connection of the case in the end."""
        try:
            yield
        finally:
            for link in self._links:
                link.close()
            await asyncio.sleep(0)
            for link in self._links:
                link.release()
