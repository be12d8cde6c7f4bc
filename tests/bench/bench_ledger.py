"""The ledger and what settles in it: speed, what is conserved through kills and replays, and what a lost peer costs."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from reference_node.ledger import Finalise, Ledger, LedgerError, Place, Reserve
from reference_node.ledger.facts import Operation
from tests.ledger import postgres
from tests.ledger.processes import Worker, stop
from tests.ledger.workload import MOST, ceiling, grants, opened, parties

from . import exchange_costs

PROCESSES, TASKS = 5, 10
"""Worker processes, and operations that each has under way: 50 workers at once."""
KILLS = 4
BATCH = 128


def run(quick: bool) -> dict[str, object]:
    """All of it; ``conservation_error`` and ``overdrafts`` are sums over both databases."""
    settlements, transactions = (1_000, 6_000) if quick else (10_000, 100_000)
    found: dict[str, Any] = {}
    with _places() as places:
        for name, make in places.items():
            found[name] = asyncio.run(_speed(make(), settlements)) | _concurrent(make(), transactions)
        ratio = found["sqlite"]["settlements_per_second"] / _raw(settlements)
    return {
        "what": "settlements (a reservation and a receipt) in a ledger, and the exchanges that they come from",
        "against": "SQLite's bare inserts of as many rows as durably; bare Ed25519; an exchange without ticks",
        "aim": "nothing lost or made, no overdraft, a loss of the window at most",
        "conservation_error": sum(each["conservation_error"] for each in found.values()),
        "overdrafts": sum(each["overdrafts"] for each in found.values()),
        "transactions": sum(each["transactions"] for each in found.values()),
        "kills": sum(each["kills"] for each in found.values()),
        "workers": PROCESSES * TASKS,
        "sqlite_of_bare_inserts": round(ratio, 2),
        **found,
        **exchange_costs.measure(quick),
    }


@contextlib.contextmanager
def _places() -> Iterator[dict[str, Callable[[], Place]]]:
    with tempfile.TemporaryDirectory() as folder, postgres.server() as server:
        numbers = iter(range(100))
        yield {"sqlite": lambda: Place.file(Path(folder, f"{next(numbers)}.db")), "postgresql": server.place}


async def _speed(place: Place, count: int) -> dict[str, float]:
    """Settlements in batches, and one at a time: each on the disk before the next."""
    ledger = await Ledger.open(place)
    await ledger.settle_many(grants())
    expires = int(time.time()) + 3600
    started = time.perf_counter()
    for first in range(1, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        _expect(await ledger.settle_many([_reserve(number, expires, 1) for number in numbers]))
        _expect(await ledger.settle_many([_receipt(number) for number in numbers]))
    batched = count / (time.perf_counter() - started)
    alone = range(count, count + count // 20)
    started = time.perf_counter()
    for number in alone:
        _expect(await ledger.settle_many([_reserve(number, expires, 1)]))
        _expect(await ledger.settle_many([_receipt(number)]))
    single = len(alone) / (time.perf_counter() - started)
    await ledger.aclose()
    return {"settlements_per_second": round(batched), "one_at_a_time_per_second": round(single)}


def _reserve(number: int, expires: int, most: int = MOST) -> Operation:
    _, consumer, provider = parties(number)
    return Reserve(
        opened=opened(number),
        member=consumer,
        provider_member=provider,
        ceiling=min(ceiling(number), most),
        expires=expires,
    )


def _receipt(number: int) -> Operation:
    return Finalise(opened=opened(number), total=0, evidence=bytes(700))


def _expect(answers: Sequence[object]) -> None:
    if refused := [answer for answer in answers if isinstance(answer, LedgerError)]:
        raise refused[0]


def _raw(count: int) -> float:
    """As many rows of the same sizes, in as large transactions, with nothing decided: settlements a second."""
    with tempfile.TemporaryDirectory() as folder:
        engine = Place.file(Path(folder, "raw.db")).writer()
        rows = [{"subject": bytes(32), "number": n, "evidence": bytes(300)} for n in range(2 * BATCH)]
        insert = sa.text("INSERT INTO raw VALUES (:subject, :number, :evidence)")
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE raw (subject BLOB, number INTEGER, evidence BLOB)"))
        started = time.perf_counter()
        for _ in range(0, count, BATCH):
            for _ in range(2):
                with engine.begin() as connection:
                    connection.execute(insert, rows)
        rate = count / (time.perf_counter() - started)
        engine.dispose()
    return rate


def _concurrent(place: Place, transactions: int) -> dict[str, int]:
    """Random transactions from many workers, some of which are killed and start over: what the audit then finds."""
    asyncio.run(_once(place, lambda ledger: ledger.settle_many(grants())))
    each = transactions // PROCESSES
    workers = [Worker(place, f"bench {n}", each, TASKS) for n in range(PROCESSES)]
    kills, done, replayed = 0, Counter[str](), 0
    try:
        while kills < KILLS:
            victim = workers[kills % PROCESSES]
            replayed += victim.wait_for((kills + 1) * each // (2 * KILLS))
            victim.kill()
            kills += 1
            workers[workers.index(victim)] = Worker(place, f"bench {kills - 1}", each, TASKS)
        for worker in workers:
            done.update(worker.finish())
    finally:
        stop(workers)
    audit = asyncio.run(_once(place, Ledger.check))
    return {
        "transactions": done.total() - done["unavailable"],
        "replayed": replayed,
        "kills": kills,
        "booked": done["booked"],
        "repeated": done["repeated"],
        "refused": sum(number for name, number in done.items() if name.endswith("Error")),
        "forks": audit.conflicts,
        "conservation_error": audit.conservation_error,
        "overdrafts": audit.overdrafts,
        "findings": audit.wrong + audit.orphans,
    }


async def _once(place: Place, work: Callable[[Ledger], Awaitable[Any]]) -> Any:
    ledger = await Ledger.open(place)
    try:
        return await work(ledger)
    finally:
        await ledger.aclose()
