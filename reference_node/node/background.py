"""Work that outlives who asked for it, such as the end of a cancelled exchange."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from .. import log

if TYPE_CHECKING:
    from collections.abc import Coroutine

_log = logging.getLogger(__name__)


class Background:
    """Tasks that nobody awaits: kept alive, their bugs logged, and waited for at the end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start ``work``."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def settle(self, grace: float) -> None:
        """Wait ``grace`` seconds for what runs."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)

    async def aclose(self, grace: float) -> None:
        """Wait ``grace`` seconds for what runs, then end it."""
        await self.settle(grace)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.failure(_log, "background.crashed", error)
