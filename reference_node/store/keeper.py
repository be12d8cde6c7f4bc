"""The one queue of records to write. What cannot be written waits, in memory and in the spool, and is tried again.

All waiting records are written in one transaction, so that many exchanges which end together share one flush of the
disk. When that fails, nobody waits any longer: records count as kept once the spool has them or, failing that, while
this process lives; the store then admits nothing new until all of them are in the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from .. import log
from . import writer
from .database import FAILURES, reason
from .errors import SequenceUsedError, StoreError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from concurrent.futures import Executor

    from sqlalchemy import Engine

    from .records import Record
    from .spool import Spool
    from .writer import Outcome

MAX_WAITING = 4096
"""Records that wait to be written: about 8 MB. One more is an error of who asked, and is logged there."""
MAX_BEFORE_ADMISSION = MAX_WAITING // 2
"""Nothing new begins beyond this many: the other half is for the ends of what runs."""
MAX_BATCH = 256
"""Records in one transaction: bounds how long the newest waits for the others."""
LINGER_S = 0.005
"""How long a record that nobody awaits may wait for others: the first token of its answer comes before it."""
FIRST_RETRY_S = 0.5
LAST_RETRY_S = 15.0
"""Seconds between attempts, doubling from the first to the last: soon enough after somebody has made room."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_log = logging.getLogger(__name__)


class Pending:
    """A record on its way to the disk. Awaiting it (any number of times, or never) ends when the record is kept."""

    __slots__ = ("_hurry", "_kept")

    def __init__(self, kept: asyncio.Future[None], hurry: Callable[[], None]) -> None:
        self._kept = kept
        self._hurry = hurry

    def __await__(self) -> Generator[object, None, None]:
        """Raises `SequenceUsedError` where another open holds the identity."""
        return self._wait().__await__()

    async def _wait(self) -> None:
        self._hurry()
        await asyncio.wait([self._kept])  # whoever waits may be cancelled: the record is written all the same
        self._kept.result()


class _Item:
    __slots__ = ("kept", "record", "spooled")

    def __init__(self, record: Record, kept: asyncio.Future[None], *, spooled: bool) -> None:
        self.record = record
        self.kept = kept
        self.spooled = spooled

    def done(self, error: Exception | None = None) -> None:
        if self.kept.done():
            return
        if error is None:
            self.kept.set_result(None)
        else:
            self.kept.set_exception(error)
            self.kept.exception()  # nobody has to ask


class Keeper:
    """Writes records in the order in which they came. ``written`` is told what became of each."""

    def __init__(
        self, engine: Engine, spool: Spool | None, thread: Executor, written: Callable[[Outcome], None]
    ) -> None:
        self.problem: str | None = None
        self._engine = engine
        self._spool = spool
        self._thread = thread
        self._written = written
        self._waiting: deque[_Item] = deque()
        self._wake = asyncio.Event()
        self._awaited = asyncio.Event()
        self._closing = False
        self._retry = FIRST_RETRY_S
        self._batch = MAX_BATCH
        self._task = asyncio.create_task(self._run(), name="receipts")

    @property
    def open_for_admission(self) -> bool:
        """Whether something new may begin: what failed to be written is written, and there is room."""
        stalled = self.problem is not None and bool(self._waiting)
        return not stalled and not self._closing and len(self._waiting) < MAX_BEFORE_ADMISSION

    def waiting(self) -> Iterator[Record]:
        """What is not in the database yet, the oldest first."""
        return (item.record for item in self._waiting)

    def submit(self, record: Record, *, spooled: bool = False) -> Pending:
        """Queue ``record``. Raises `StoreUnavailableError` past `MAX_WAITING` and after `aclose`."""
        if self._closing or len(self._waiting) >= MAX_WAITING:
            raise StoreUnavailableError("The receipt store is closed." if self._closing else "Too many receipts wait.")
        item = _Item(record, asyncio.get_running_loop().create_future(), spooled=spooled)
        self._waiting.append(item)
        self._wake.set()
        return Pending(item.kept, self._awaited.set)

    def at_risk(self, open_hash: bytes) -> bool:
        """Whether something of that open is in memory alone."""
        return any(item.record.open_hash == open_hash and not item.spooled for item in self._waiting)

    def failed(self, error: StoreUnavailableError) -> None:
        """A write elsewhere failed: say so until one succeeds."""
        self.problem = f"Receipts cannot be written. {error}"

    def worked(self) -> None:
        """A write elsewhere succeeded."""
        if not self._waiting:
            self.problem = None

    async def aclose(self) -> None:
        """Try to write what waits a last time."""
        self._closing = True
        self._wake.set()
        self._awaited.set()
        await self._task

    async def _run(self) -> None:
        while not (self._closing and not self._waiting):
            self._wake.clear()
            if not self._waiting:
                self._awaited.clear()
                await self._wake.wait()
                await self._linger()
            elif not await self._write():
                if self._closing:
                    break
                await self._until_retry()
        if self._waiting:
            unkept = sum(not item.spooled for item in self._waiting)
            log.event(_log, logging.ERROR, "receipts.unwritten", waiting=len(self._waiting), lost=unkept)

    async def _linger(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await self._awaited.wait()

    async def _until_retry(self) -> None:
        """Wait; a record that comes in the meantime is tried at once, so that nobody waits for it."""
        delay, self._retry = self._retry, min(2 * self._retry, LAST_RETRY_S)
        try:
            async with asyncio.timeout(delay):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _write(self) -> bool:
        batch = list(islice(self._waiting, self._batch))
        records = [item.record for item in batch]
        try:
            outcomes = await self._call(writer.write, self._engine, records)
        except FAILURES as error:
            await self._stall(error)
            return False
        except Exception as error:  # noqa: BLE001 - nothing may stop the queue
            self._isolate(batch, error)
            return True
        for item, outcome in zip(batch, outcomes, strict=True):
            self._waiting.popleft()
            self._written(outcome)
            item.done(SequenceUsedError("Another open holds this number.") if outcome.conflict else None)
        self._batch = MAX_BATCH
        if not self._waiting:
            await self._recover()
        return True

    def _isolate(self, batch: list[_Item], error: Exception) -> None:
        """What is written cannot be understood: a bug, or a row that was tampered with. Give up that record alone."""
        if len(batch) > 1:
            self._batch = 1
            return
        item = self._waiting.popleft()
        log.failure(_log, "receipts.rejected", error)
        item.done(StoreError("The receipt does not go with what is stored. `receipts verify` says more."))

    async def _stall(self, error: BaseException) -> None:
        if self.problem is None:
            log.event(_log, logging.ERROR, "receipts.unavailable", reason=reason(error), waiting=len(self._waiting))
        fresh = [item for item in self._waiting if not item.spooled]
        await self._call(self._to_spool, fresh)
        kept = "in the spool" if all(item.spooled for item in self._waiting) else "in memory"
        where = f"{self._engine.url.database}: {reason(error)}"
        self.problem = f"Receipts cannot be written. {where}. {len(self._waiting)} wait {kept}."
        for item in self._waiting:
            item.done()

    def _to_spool(self, items: Sequence[_Item]) -> None:
        if self._spool is None:
            return
        try:
            fitting = self._spool.append([item.record for item in items])
        except OSError as error:
            log.event(_log, logging.ERROR, "receipts.spool_failed", reason=reason(error))
            return
        for item in items[:fitting]:
            item.spooled = True

    async def _recover(self) -> None:
        """Everything is in the database."""
        if self.problem is not None:
            log.event(_log, logging.INFO, "receipts.recovered")
        self.problem = None
        self._retry = FIRST_RETRY_S
        if self._spool is not None and self._spool.used:
            await self._call(self._clear, self._spool)

    def _clear(self, spool: Spool) -> None:
        try:
            spool.clear()
        except OSError as error:  # the next start finds in the database what it replays
            log.event(_log, logging.WARNING, "receipts.spool_failed", reason=reason(error))

    async def _call(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
