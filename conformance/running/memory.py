"""The environment in memory: an honest node, or a mutant of it, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from conformance.case import Case
from conformance.entropy import Entropy
from conformance.honest.adapter import CAPABILITIES, HonestAdapter
from conformance.honest.connection import Connection
from conformance.honest.node import Node
from conformance.script.session import Environment
from conformance.wire import memory
from conformance.wire.adapter import REPLY_WITHIN, Adapter
from conformance.wire.link import Link, Listening, Manner, Recorder
from conformance.wire.transcript import Transcript
from conformance.wire.virtual import VirtualLoop

from .execute import execute

T = TypeVar("T")


class MemoryEnvironment(Environment):
    """A node in this process, and others that its adapter makes."""

    capabilities = CAPABILITIES

    def describe(self) -> str:
        """Nothing: it is no program."""
        return ""

    def __init__(
        self,
        make: Callable[[Entropy], Node],
        connection: type[Connection] = Connection,
        adapter: type[HonestAdapter] = HonestAdapter,
        *,
        seed: bytes,
    ) -> None:
        self._node = make(Entropy(seed, "node"))
        self._connection = connection
        self._adapter = adapter(lambda: make(Entropy(seed, "adapter")), self._arrive)
        self._places: dict[str, memory.MemoryListening] = {}
        self.target = self._node.key.public

    def clock(self) -> float:
        """The node's own clock."""
        return self._node.clock()

    async def dial(self, recorder: Recorder, *, alpn: str, address: str | None = None) -> Link:
        """A connection that the node answers."""
        if address is None:
            return memory.dial(recorder, self._node, self._connection, alpn=alpn)
        link = memory.dial(recorder, self._adapter.running(), self._connection, alpn=alpn)
        self._adapter.arrived(link.connection)
        return link

    async def listen(self, recorder: Recorder, manner: Manner) -> Listening:
        """A place that nodes find by its address."""
        place = memory.MemoryListening(recorder, f"127.0.0.1:{len(self._places) + 2}", manner)
        self._places[place.address] = place
        return place

    async def borrow(self) -> Adapter:
        """The one adapter: every case has an environment of its own."""
        return _InProcess(self._adapter)

    async def give_back(self, adapter: Adapter) -> None:
        """End its node."""
        await adapter.aclose()

    def _arrive(
        self, address: str, node: Node, connection: type[Connection], expected: bytes | None
    ) -> Connection | None:
        place = self._places.get(address)
        return None if place is None else place.arrive(node, connection, expected)


class _InProcess(Adapter):
    """An adapter without lines."""

    def __init__(self, adapter: HonestAdapter) -> None:
        self._adapter = adapter

    async def call(self, verb: str, options: Mapping[str, Any], *, within: float = REPLY_WITHIN) -> dict[str, Any]:
        """Ask for something."""
        return await self._adapter.handle(verb, options)

    async def aclose(self) -> None:
        """End the node."""
        await self._adapter.stop()


def run_virtually(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in a loop of virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


def transcript_of(
    case: Case,
    make: Callable[[Entropy], Node],
    connection: type[Connection] = Connection,
    adapter: type[HonestAdapter] = HonestAdapter,
    *,
    seed: bytes = b"memory",
) -> Transcript:
    """Run ``case`` against a fresh node that ``make`` builds."""

    async def run() -> Transcript:
        return await execute(case, MemoryEnvironment(make, connection, adapter, seed=seed), seed=seed)

    return run_virtually(run)
