"""What a script works with: the run's environment, the recorder of this case, and randomness of its own."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from conformance.entropy import Entropy
from conformance.signing import Key
from conformance.wire.adapter import REPLY_WITHIN, Adapter
from conformance.wire.link import DEADLINE, Link, Listening, Manner, OverdueError, Recorder
from conformance.wire.transcript import By, Event

ALPN = "mycellm/1"


class UntestableError(Exception):
    """The case can show nothing here; the transcript says why."""


class RefusedError(Exception):
    """The adapter's node does not do what it was told; the transcript says why. Ends a case's script."""


class Environment(ABC):
    """How the target is reached, and what moves it."""

    target: bytes | None = None
    """The target's node key, where it is known."""
    parts: frozenset[str] = frozenset({"consumer", "provider"})
    """Parts that the adapter's node plays."""
    capabilities: frozenset[str] | None = None
    """What the adapter declares; None where there is no adapter."""

    @abstractmethod
    def clock(self) -> float:
        """Seconds since 1970."""

    def sequence(self) -> int:
        """A number above all before: numbers only have to grow, and time does."""
        self._last = max(self._last + 2, int(self.clock() * 1000) * 1000)
        return self._last

    _last = 0

    @abstractmethod
    async def dial(self, recorder: Recorder, *, alpn: str, address: str | None = None) -> Link:
        """A connection to the target, or to the node at ``address``, with its channel binding.

        Raises `GoneError` or `OverdueError`.
        """

    @abstractmethod
    async def listen(self, recorder: Recorder, manner: Manner) -> Listening:
        """A place of the suite's where the target can dial it."""

    @abstractmethod
    async def borrow(self) -> Adapter:
        """An adapter that nobody else uses. Raises `AdapterError`."""

    @abstractmethod
    async def give_back(self, adapter: Adapter) -> None:
        """The case is done with it."""


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
        self.address: str | None = None
        """Where the node listens that the adapter has started; None where the target is the one of the run."""
        self._adapter: Adapter | None = None
        self._links: list[Link] = []
        self._listening: list[Listening] = []
        self._draw = lambda item: Entropy(seed, f"{case}#{item}")
        self._items = items

    def draws(self) -> Iterator[Entropy]:
        """Randomness for each item of a generated case: an item is the same whichever others are run with it."""
        return map(self._draw, self._items)

    async def dial(self, *, alpn: str = ALPN) -> Link:
        """A new connection to the target, recorded. Raises `GoneError` or `OverdueError`."""
        link = await self.environment.dial(self.recorder, alpn=alpn, address=self.address)
        self._links.append(link)
        return link

    def commits(self, fault: Any) -> None:
        """Note that the next connection breaks a rule; faults on one are noted there."""
        self._note("suite", "fault", {"fault": fault.name})

    async def listen(self, manner: Manner = Manner.PLAIN) -> Listening:
        """A new place where the target can dial the suite."""
        listening = await self.environment.listen(self.recorder, manner)
        self._listening.append(listening)
        return listening

    async def accept(self, listening: Listening, within: float = DEADLINE) -> Link:
        """The next connection of the target's, recorded. Raises `OverdueError`."""
        try:
            link = await listening.accept(within)
        except OverdueError as error:
            self._note("suite", "wait", {"for": str(error), "at_most": within, "over": True})
            raise
        self._links.append(link)
        return link

    async def call(self, verb: str, *, within: float = REPLY_WITHIN, **options: Any) -> dict[str, Any]:
        """Let the adapter do something, recorded; its result. Raises `RefusedError` or `AdapterError`."""
        if self._adapter is None:
            self._adapter = await self.environment.borrow()
        self._note("suite", "adapter", {"verb": verb, "options": options})
        reply = await self._adapter.call(verb, options, within=within)
        self._note("target", "adapter", {"verb": verb, **reply})
        result: dict[str, Any] | None = reply.get("result")
        if result is None:
            raise RefusedError(verb)
        return result

    def require(self, needs: frozenset[str], part: str) -> None:
        """What the adapter has to offer, and the part that its node has to play. Raises `UntestableError`."""
        offered = self.environment.capabilities
        if needs and part not in self.environment.parts:
            raise self.not_applicable(f"the adapter declares that its node is no {part}")
        if needs and offered is None:
            raise self.untestable("the case moves the node, and there is no adapter", "run with --adapter CMD")
        missing = sorted(needs - (offered or frozenset()))
        if missing:
            raise self.not_applicable(f"the adapter does not declare {', '.join(missing)}")

    def untestable(self, reason: str, lift: str) -> UntestableError:
        """Note that something is missing, and how to have it. To be raised."""
        self._note("suite", "untestable", {"reason": reason, "lift": lift})
        return UntestableError(reason)

    def not_applicable(self, reason: str) -> UntestableError:
        """Note that the target declares not to have what the case is about. To be raised."""
        self._note("suite", "not-applicable", {"reason": reason})
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
            for listening in self._listening:
                listening.close()
            if self._adapter is not None:
                await self.environment.give_back(self._adapter)

    def _note(self, by: By, what: Any, facts: dict[str, Any]) -> None:
        self.recorder.add(Event(at=self.recorder.now(), link=-1, by=by, what=what, facts=facts))
