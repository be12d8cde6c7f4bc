"""The receipt store of a node: both sides' receipts, sequence numbers, and what it may give.

Every call is a coroutine; what touches the disk runs on one writing and one reading thread. What `record` has
returned for is on the disk, or is retried and reported by `problem`; numbers of `take_sequences` always are.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, Self

from mycellm_proto.signed import Context

from .. import log
from . import queries, writer
from .admission import Admission
from .database import open_reader, open_writer, readable, reason
from .errors import StoreError, StoreUnavailableError
from .keeper import Keeper, Pending
from .records import ReceiptState, Record
from .spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Engine

    from mycellm_proto.economy import Evidence

    from .credit import Credit
    from .records import Identity, Role
    from .writer import Outcome

MAX_BLOCK = 4096
"""Sequence numbers taken at once: a crash loses what is left of them, and leaves a gap."""

_log = logging.getLogger(__name__)


class _Files(NamedTuple):
    writer: Engine
    reader: Engine
    spool: Spool | None
    waiting: list[Record]
    credit: Credit


class ReceiptStore:
    """The receipts in one file, for one node at a time; readers may come beside it. Made by `open`."""

    def __init__(self, path: Path, clock: Callable[[], float], thread: ThreadPoolExecutor, files: _Files) -> None:
        self._path = path
        self._clock = clock
        self._writing = thread
        self._reading = ThreadPoolExecutor(1, "receipts-reader")
        self._files = files
        self._keeper = Keeper(files.writer, files.spool, thread, self._written)
        self._admission = Admission(self._keeper, files.credit, self._open_hashes, self._newest_open)
        self._closed = False

    @classmethod
    async def open(cls, path: Path, *, clock: Callable[[], float] = time.time) -> Self:
        """Create or upgrade the file, and take up what a crash left. ``clock`` gives seconds since 1970.

        Raises `StoreError` with a sentence for people.
        """
        thread = ThreadPoolExecutor(1, "receipts-writer")
        try:
            files = await asyncio.get_running_loop().run_in_executor(thread, _open_files, path, clock())
        except BaseException:
            thread.shutdown()
            raise
        store = cls(path, clock, thread, files)
        for pending in [store._keeper.submit(record, spooled=True) for record in files.waiting]:
            with contextlib.suppress(StoreError):  # what waited may be a proof of fraud
                await pending
        return store

    @property
    def healthy(self) -> bool:
        """Whether the last attempt to write succeeded."""
        return self._keeper.problem is None

    @property
    def problem(self) -> str | None:
        """What is wrong, in a sentence for people."""
        return self._keeper.problem

    async def aclose(self) -> None:
        """Write what waits, a last time; close the file. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        await self._keeper.aclose()
        await asyncio.get_running_loop().run_in_executor(self._writing, _close_files, self._files)
        self._writing.shutdown()
        self._reading.shutdown()

    async def record(self, role: Role, evidence: Evidence, state: ReceiptState, settlement: str = "") -> None:
        """Keep ``evidence``, whose signatures the protocol has checked. What is kept only ever improves.

        ``settlement`` is `DUE` where a settlement node keeps the accounts and this side shows it what it has.
        Returns when it is on the disk; while the database cannot be written, when it is in the spool, or else in
        memory until it can. Raises `SequenceUsedError` where another open holds the identity (both are then kept as
        proof of fraud), and `StoreUnavailableError` where too much waits already.
        """
        await self._keeper.submit(Record.of(role, evidence, state, self._clock(), settlement=settlement))

    def at_risk(self, evidence: Evidence) -> bool:
        """Whether a crash would lose what was recorded of this open: no disk has it (RCP-044, RCP-055)."""
        return self._keeper.at_risk(evidence.open.digest(Context.OPEN))

    # Consumer

    async def take_sequences(self, network: bytes, provider: bytes, count: int) -> int:
        """Take ``count`` (1 to `MAX_BLOCK`) numbers for opens to ``provider``, for ever; the first of them (RCP-003).

        Raises `StoreUnavailableError`, also while earlier receipts wait to be written.
        """
        if not 1 <= count <= MAX_BLOCK:
            raise ValueError(f"{count} numbers at once; 1 to {MAX_BLOCK} are possible")
        self._check_available()
        arguments = (self._files.writer, network, provider, count)
        try:
            with readable(self._path):
                loop = asyncio.get_running_loop()
                first = await loop.run_in_executor(self._writing, writer.take_sequences, *arguments)
        except StoreUnavailableError as error:
            self._keeper.failed(error)
            raise
        self._keeper.worked()
        return first

    async def latest_open(self, network: bytes, provider: bytes, consumer: bytes) -> bytes | None:
        """The hash of the newest recorded open of ``consumer``, this node, to ``provider``: not of a key that it had
        before. Raises `StoreUnavailableError`.
        """
        self._check_open()
        found = [
            (record.identity.sequence, record.open_hash)
            for record in self._keeper.waiting()
            if record.role == "consumer" and record.identity[:3] == (network, consumer, provider)
        ]
        loop = asyncio.get_running_loop()
        with readable(self._path):
            stored = await loop.run_in_executor(
                self._reading, queries.latest_open, self._files.reader, network, provider, consumer
            )
        if stored is not None:
            found.append(stored)
        return max(found)[1] if found else None

    # Provider

    async def admit(self, evidence: Evidence, *, allowance: int | None, now: float) -> Pending:
        """Take an open once and for ever, and its ceiling out of what this node owes the consumer and, beyond that,
        out of ``allowance`` (micro-credits in 24 hours); out of neither where that is None, since a settlement node
        keeps the accounts, and the record is due there once it is over.

        Returns as soon as that is decided; await the result before the END of the answer is sent. ``now`` is in
        seconds since 1970. Raises `SequenceUsedError`, `BrokenChainError`, `ShortOfCreditError` (one of its two
        kinds), and `StoreUnavailableError`, also while earlier receipts wait to be written.
        """
        self._check_available()
        return await self._admission.admit(evidence, allowance=allowance, now=now)

    # Settlement

    async def due(self, network: bytes, *, started: float, quiet: float, most: int) -> list[Record]:
        """What the settlement node of ``network`` has not judged, the oldest first: of a provider all that is over,
        which what was opened before ``started`` is, and of a consumer what has not changed since ``quiet``.

        Raises `StoreUnavailableError`.
        """
        self._check_open()
        loop = asyncio.get_running_loop()
        with readable(self._path):
            return await loop.run_in_executor(
                self._reading, queries.due, self._files.reader, network, started, quiet, most
            )

    async def judged(self, judgements: Sequence[tuple[Record, str, int]]) -> None:
        """Keep what a settlement node said of these records: a word for ``settlement``, and what is booked.

        What has become better meanwhile stays due. Raises `StoreUnavailableError`.
        """
        self._check_open()
        with readable(self._path):
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._writing, writer.judged, self._files.writer, judgements)

    async def _open_hashes(self, identity: Identity) -> Mapping[int, bytes]:
        loop = asyncio.get_running_loop()
        with readable(self._path):
            return await loop.run_in_executor(self._reading, queries.open_hashes, self._files.reader, identity)

    async def _newest_open(self, identity: Identity) -> tuple[int, bytes]:
        loop = asyncio.get_running_loop()
        with readable(self._path):
            return await loop.run_in_executor(self._reading, queries.newest_open, self._files.reader, identity)

    def _written(self, outcome: Outcome) -> None:
        if outcome.conflict:
            return
        self._files.credit.settle(outcome.now, outcome.counted)
        if outcome.now.role == "provider":
            self._admission.written(outcome.now)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailableError("The receipt store is closed.")

    def _check_available(self) -> None:
        self._check_open()
        if not self._keeper.open_for_admission:
            raise StoreUnavailableError(self.problem or "Too many receipts wait to be written.")


def _open_files(path: Path, now: float) -> _Files:
    """Everything that the store keeps open, and what it found there."""
    engine = open_writer(path)
    reader = open_reader(path)
    spool = _open_spool(path.with_name(path.name + ".spool"))
    try:
        with readable(path):
            waiting = spool.records() if spool is not None else []
            return _Files(engine, reader, spool, waiting, queries.load_credit(reader, now))
    except BaseException:
        _close(engine, reader, spool)
        raise


def _open_spool(path: Path) -> Spool | None:
    """The spool; without one (no room for it, or another process has it) receipts can wait in memory only."""
    try:
        spool = Spool(path)
    except OSError as error:
        log.event(_log, logging.WARNING, "receipts.no_spool", reason=reason(error))
        return None
    try:
        spool.allocate()
    except OSError as error:
        log.event(_log, logging.WARNING, "receipts.small_spool", reason=reason(error))
    return spool


def _close_files(files: _Files) -> None:
    _close(files.writer, files.reader, files.spool)


def _close(engine: Engine, reader: Engine, spool: Spool | None) -> None:
    reader.dispose()
    engine.dispose()  # the last connection: SQLite writes its journal into the file
    if spool is not None:
        spool.close()
