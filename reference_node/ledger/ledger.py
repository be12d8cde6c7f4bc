"""The ledger of a settlement node: who has what in which network, for several node processes on one database.

Every call is a coroutine and may be repeated, by this process or another one, now or in years: an open's identity and
a grant's serial number are booked once, for ever. What has returned is on the disk of the database.
"""

from __future__ import annotations

import asyncio
import functools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self, TypeVar, TypeVarTuple

from . import queries
from .attempts import DEADLINE_S, attempt
from .errors import LedgerError
from .facts import Account, Claim, Finalise, Grant, Lapse, Opened, Outcome, Reserve
from .rules import GRACE_S
from .upgrade import upgrade
from .waiting import Queue
from .writer import book

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Engine

    from ..store.records import Identity
    from .audit import Audit
    from .facts import Balance, Conflict, Event, Operation, Settlement
    from .places import Place
    from .rules import Answer
    from .writer import Result

MAX_HISTORY = 1000
"""Events in one answer of `Ledger.history`."""
_SWEEP = 128
"""Opens that `Ledger.expire` ends in one transaction."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Ledger:
    """The accounts in one database. Made by `open`. ``grace`` in seconds: how long after an expiry claims count."""

    def __init__(
        self,
        place: Place,
        engines: tuple[Engine, Engine],
        thread: ThreadPoolExecutor,
        queue: Queue,
        *,
        grace: float,
        clock: Callable[[], float],
        deadline_s: float,
    ) -> None:
        self._place = place
        self._writer, self._reader = engines
        self._writing = thread
        self._reading = ThreadPoolExecutor(1, "ledger-reader")
        self._queue = queue
        self._grace = grace
        self._clock = clock
        self._deadline_s = deadline_s
        self._closed = False

    @classmethod
    async def open(
        cls,
        place: Place,
        *,
        grace: float = GRACE_S,
        clock: Callable[[], float] = time.time,
        deadline_s: float = DEADLINE_S,
    ) -> Self:
        """Create or upgrade the tables. Raises `LedgerError` with a sentence that says what to do.

        ``deadline_s`` bounds the attempts at one transaction while others are in the way or the database is gone.
        """
        thread = ThreadPoolExecutor(1, "ledger-writer")
        try:
            engine = await asyncio.get_running_loop().run_in_executor(thread, _open, place)
        except BaseException:
            thread.shutdown()
            raise

        def booked(operations: Sequence[Operation]) -> list[Result]:
            work = functools.partial(book, engine, operations, now=clock(), grace=grace)
            return attempt(work, place, deadline_s=deadline_s)

        queue = Queue(booked, thread)
        engines = (engine, place.reader())
        return cls(place, engines, thread, queue, grace=grace, clock=clock, deadline_s=deadline_s)

    @property
    def place(self) -> Place:
        """The database."""
        return self._place

    async def aclose(self) -> None:
        """Book what waits; close the connections. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        await self._queue.aclose()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._reading, self._reader.dispose)
        await loop.run_in_executor(self._writing, self._writer.dispose)
        self._reading.shutdown()
        self._writing.shutdown()

    # Bookings

    async def grant(self, network: bytes, member: bytes, amount: int, serial: bytes) -> Outcome:
        """Credit enters: the authority of ``network`` grants ``amount`` micro-credits, once per ``serial`` (16 bytes).

        Raises `IdentityConflictError` where the serial number was used for another grant, `AmountError` where more
        would be granted in the network than fits, and `LedgerUnavailableError`.
        """
        return (await self._book(Grant(network=network, member=member, amount=amount, serial=serial))).outcome

    async def reserve(
        self, opened: Opened, *, member: bytes, provider_member: bytes, ceiling: int, expires: int
    ) -> Answer:
        """Hold ``ceiling`` of ``member``'s credit for an open, until ``expires`` and the grace after it.

        The answer is REPEATED for an open that was here before; its settlement then tells whether it is over.
        Raises `InsufficientCreditError`, `IdentityConflictError`, `NoReservationError` where the time is over already,
        and `LedgerUnavailableError`.
        """
        return await self._book(
            Reserve(opened=opened, member=member, provider_member=provider_member, ceiling=ceiling, expires=expires)
        )

    async def claim(self, opened: Opened, amount: int, evidence: bytes = b"") -> Answer:
        """The provider's claim without a receipt: provisional, and only ever raised.

        Raises `NoReservationError`, `IdentityConflictError`, `AmountError` above the ceiling, `LedgerUnavailableError`.
        """
        return await self._book(Claim(opened=opened, amount=amount, evidence=evidence))

    async def finalise(self, opened: Opened, total: int, evidence: bytes = b"") -> Answer:
        """What a receipt says: ``total`` is paid, whatever was claimed; the rest is released. Raises as `claim`."""
        return await self._book(Finalise(opened=opened, total=total, evidence=evidence))

    async def settle_many(self, operations: Sequence[Operation]) -> list[Answer | LedgerError]:
        """Book many at once, in their order, in as few transactions as that takes; what was refused is its error.

        At most `reference_node.ledger.waiting.MAX_WAITING`. Where some answers are a `LedgerUnavailableError`,
        repeating all of them is right. Raises `ValueError` where one of them can never be right.
        """
        results = await asyncio.gather(*self._queue.submit(operations), return_exceptions=True)
        answers: list[Answer | LedgerError] = []
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, LedgerError):
                raise result
            answers.append(result)
        return answers

    async def expire(self) -> int:
        """End every open whose time and grace are over: its claim becomes final, the rest is released. How many.

        Raises `LedgerUnavailableError`; what was ended before that stays so.
        """
        ended = 0
        while found := await self._read(queries.due, self._clock() - self._grace, _SWEEP):
            answers = await asyncio.gather(*self._queue.submit([Lapse(opened=each) for each in found]))
            booked = sum(answer.outcome is Outcome.BOOKED for answer in answers)
            ended += booked
            if not booked:  # another process was faster with all of these
                break
        return ended

    # Reads

    async def balance(self, network: bytes, member: bytes) -> Balance:
        """What ``member`` has. Raises `LedgerUnavailableError`."""
        return await self._read(queries.balance, Account.of(network, member))

    async def settlement(self, identity: Identity) -> Settlement | None:
        """How the open that holds ``identity`` stands. Raises `LedgerUnavailableError`."""
        return await self._read(queries.settlement, identity)

    async def history(self, network: bytes, member: bytes, most: int = 100) -> list[Event]:
        """The newest events of ``member``, the newest first. Raises `LedgerUnavailableError`."""
        return await self._read(queries.history, Account.of(network, member), min(most, MAX_HISTORY))

    async def conflicts(self, network: bytes | None = None) -> list[Conflict]:
        """Fork evidence: pairs of opens under one identity. Raises `LedgerUnavailableError`."""
        return await self._read(queries.fork_evidence, network)

    async def check(self) -> Audit:
        """Derive everything from the events again and compare. Raises `LedgerUnavailableError`."""
        from .audit import audit

        return await self._read(audit, self._clock() - self._grace)

    async def _book(self, operation: Operation) -> Answer:
        [future] = self._queue.submit([operation])
        return await future

    async def _read(self, query: Callable[[Engine, *Ts], T], *arguments: *Ts) -> T:
        def attempted() -> T:
            return attempt(lambda: query(self._reader, *arguments), self._place, deadline_s=self._deadline_s)

        return await asyncio.get_running_loop().run_in_executor(self._reading, attempted)


def _open(place: Place) -> Engine:
    engine = place.writer()
    try:
        upgrade(engine, place)
    except BaseException:
        engine.dispose()
        raise
    return engine
