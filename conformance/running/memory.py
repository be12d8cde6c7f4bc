"""The environment in memory: an honest node, or a mutant of it, in virtual time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from conformance.case import Case
from conformance.entropy import Entropy
from conformance.honest.connection import Connection
from conformance.honest.node import Node
from conformance.script.session import Environment
from conformance.wire import memory
from conformance.wire.link import Link, Recorder
from conformance.wire.transcript import Transcript
from conformance.wire.virtual import VirtualLoop

from .execute import execute

T = TypeVar("T")


class MemoryEnvironment(Environment):
    """A node in this process, in whose virtual time every wait is short."""

    patience = math.inf

    def __init__(self, node: Node, connection: type[Connection] = Connection) -> None:
        self._node = node
        self._connection = connection
        self.target = node.key.public

    def clock(self) -> float:
        """The node's own clock."""
        return self._node.clock()

    async def dial(self, recorder: Recorder, *, alpn: str) -> Link:
        """A connection that the node answers."""
        return memory.dial(recorder, self._node, self._connection, alpn=alpn)


def run_virtually(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in a loop of virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


def transcript_of(
    case: Case, make: Callable[[Entropy], Node], connection: type[Connection] = Connection, *, seed: bytes = b"memory"
) -> Transcript:
    """Run ``case`` against a fresh node that ``make`` builds."""

    async def run() -> Transcript:
        return await execute(case, MemoryEnvironment(make(Entropy(seed, "node")), connection), seed=seed)

    return run_virtually(run)
