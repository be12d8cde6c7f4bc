"""Whose request is answered next where the owner bounds how many of peers' requests run at the same time.

Consumers take turns: a free place goes to the one with the fewest running, and of these to the one that has waited
longest. Who waited `PATIENCE_S` is told to come back (INF-028).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from mycellm_proto import limits
from mycellm_proto.errors import ErrorCode

from ..generation import GenerationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE_S = limits.SILENCE_TIMEOUT / 2
RETRY_S = 10.0
"""What a refused consumer is told to wait: answers take seconds to minutes."""


class Turns:
    """``places`` are what may run at the same time, 0 for any number; ``queue`` bounds those that wait."""

    def __init__(self, places: int, queue: int) -> None:
        self._places = places
        self._queue = queue
        self._running: Counter[bytes] = Counter()
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def resize(self, places: int) -> None:
        """Let so many run from now on. What runs goes on."""
        self._places = places
        self._admit()

    @contextlib.asynccontextmanager
    async def turn(self, consumer: bytes, most_s: float) -> AsyncIterator[bool]:
        """A place for as long as the block takes, and whether it was waited for, ``most_s`` seconds at most. Raises
        `GenerationError` (BUSY, DEADLINE_EXCEEDED).
        """
        waits = not self._free()
        if waits:
            await self._wait(consumer, most_s)
        else:
            self._running[consumer] += 1
        try:
            yield waits
        finally:
            self._leave(consumer)

    def _free(self) -> bool:
        return not self._places or self._running.total() < self._places

    async def _wait(self, consumer: bytes, most_s: float) -> None:
        if len(self._waiting) >= self._queue:
            raise GenerationError(ErrorCode.BUSY, limit=self._queue, retry_after=RETRY_S)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((consumer, turn))
        try:
            async with asyncio.timeout(min(PATIENCE_S, most_s)):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # it came in the same moment
                self._leave(consumer)
            elif (consumer, turn) in self._waiting:
                self._waiting.remove((consumer, turn))
            if not isinstance(error, TimeoutError):
                raise
            if most_s <= PATIENCE_S:
                raise GenerationError(ErrorCode.DEADLINE_EXCEEDED) from None  # INF-022
            raise GenerationError(ErrorCode.BUSY, retry_after=RETRY_S) from None

    def _leave(self, consumer: bytes) -> None:
        self._running[consumer] -= 1
        if not self._running[consumer]:
            del self._running[consumer]
        self._admit()

    def _admit(self) -> None:
        """Hand out what is free. The place is the next one's before its task runs, so nobody comes in between."""
        while self._waiting and self._free():
            index = min(range(len(self._waiting)), key=lambda each: self._running[self._waiting[each][0]])
            consumer, turn = self._waiting.pop(index)
            if not turn.done():  # or its request is over already
                self._running[consumer] += 1
                turn.set_result(None)
