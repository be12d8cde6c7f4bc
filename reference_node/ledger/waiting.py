"""The operations that wait to be booked: all that came together go into one transaction, and share one flush."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from .. import log
from .errors import LedgerError, LedgerUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from .facts import Operation
    from .rules import Answer
    from .writer import Result

MAX_WAITING = 4096
"""Operations that wait: some 5 MB with their evidence. One more is refused, and may be tried again."""
MAX_BATCH = 128
"""Operations in one transaction: bounds how long rows stay locked."""

_log = logging.getLogger(__name__)


class Queue:
    """Hands operations, in the order in which they came, to ``book``, which is one transaction, on ``thread``."""

    def __init__(self, book: Callable[[Sequence[Operation]], Sequence[Result]], thread: Executor) -> None:
        self._call = book
        self._thread = thread
        self._waiting: deque[tuple[Operation, asyncio.Future[Answer]]] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._task = asyncio.create_task(self._run(), name="ledger")

    def submit(self, operations: Sequence[Operation]) -> list[asyncio.Future[Answer]]:
        """Queue ``operations``. Raises `LedgerUnavailableError` when too much waits, and after `aclose`."""
        if self._closing:
            raise LedgerUnavailableError("The ledger is closed.")
        if len(self._waiting) + len(operations) > MAX_WAITING:
            raise LedgerUnavailableError("Too much waits to be booked; try again.")
        loop = asyncio.get_running_loop()
        items = [(operation, loop.create_future()) for operation in operations]
        self._waiting += items
        self._wake.set()
        return [future for _, future in items]

    async def aclose(self) -> None:
        """Book what waits, and stop."""
        self._closing = True
        self._wake.set()
        await self._task

    async def _run(self) -> None:
        while self._waiting or not self._closing:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))]
            await self._book(batch)

    async def _book(self, batch: list[tuple[Operation, asyncio.Future[Answer]]]) -> None:
        operations = [operation for operation, _ in batch]
        results: Sequence[Result]
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._thread, self._call, operations)
        except LedgerUnavailableError as error:
            results = [error] * len(batch)
        except Exception as error:  # noqa: BLE001 - nothing may stop the queue
            if len(batch) > 1:  # one of them has met what only it can meet
                for each in batch:
                    await self._book([each])
                return
            results = [_refusal(error)]
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():  # whoever waited was cancelled
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
                future.exception()  # nobody has to ask
            else:
                future.set_result(result)


def _refusal(error: Exception) -> LedgerError:
    if isinstance(error, LedgerError):
        return error
    log.failure(_log, "ledger.failed", error)
    return LedgerError("This is a bug; the log says where. Nothing was booked.")
