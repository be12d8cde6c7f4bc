"""Random operations that meet each other: the same opens from several workers, forks, replays, receipts and claims.

Run as a program it is one worker process: ``python -m tests.ledger.workload URL NAME COUNT TASKS``. It books the
operations that ``NAME`` stands for, with ``TASKS`` of them under way at a time, prints a line as each hundred is done,
and ends with what became of them.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator

from reference_node.ledger import (
    Claim,
    Finalise,
    Grant,
    Ledger,
    LedgerError,
    LedgerUnavailableError,
    Opened,
    Place,
    Reserve,
)
from reference_node.ledger.facts import Operation
from reference_node.store import Identity

from ..proto.pair import seed

NETWORKS = (seed("network 0"), seed("network 1"))
MEMBERS = tuple(seed(f"member {n}") for n in range(8))
QUOTA = 8_000
"""Less than what all workers together would hold at a time: some reservations are refused."""
MOST = 1000
"""Micro-credits of the largest ceiling."""
RUNNING = 12
"""Opens that a worker has under way."""
EVERY = 100
"""Operations between two lines of a worker."""


def opened(number: int, fork: bool = False) -> Opened:
    """The open of that number; everything about it follows from the number."""
    name = seed(f"open {number}{'fork' if fork else ''}")
    network, consumer, provider = parties(number)
    return Opened(identity=Identity(network, consumer, provider, number), open_hash=name, proof=name)


def parties(number: int) -> tuple[bytes, bytes, bytes]:
    """Network, consumer and provider of the open of that number."""
    chance = random.Random(number)
    consumer, provider = chance.sample(MEMBERS, 2)
    return chance.choice(NETWORKS), consumer, provider


def ceiling(number: int) -> int:
    """Its ceiling."""
    return random.Random(~number).randrange(MOST)


def grants() -> list[Operation]:
    """The quota of each member in each network."""
    return [
        Grant(network=network, member=member, amount=QUOTA, serial=member[:16])
        for network in NETWORKS
        for member in MEMBERS
    ]


def operations(name: str, count: int, expires: int) -> Iterator[Operation]:
    """``count`` operations on opens that other names have too. Most come to a receipt, so that credit goes round."""
    chance = random.Random(name)
    running: list[int] = []
    for _ in range(count):
        if len(running) > RUNNING:
            number = running.pop(0)
            if chance.random() < 0.999:
                yield Finalise(opened=opened(number), total=chance.randrange(ceiling(number) + 1), evidence=b"receipt")
                continue
        fresh = not running or chance.random() < 0.5
        number = chance.randrange(1, 2 * count) if fresh else chance.choice(running)
        running += [number] if fresh else []
        each = opened(number, fork=chance.random() < 0.02)
        _, consumer, provider = parties(number)
        match 0 if fresh else chance.randrange(5):
            case 0 | 1:
                yield Reserve(
                    opened=each, member=consumer, provider_member=provider, ceiling=ceiling(number), expires=expires
                )
            case 2 | 3:
                yield Claim(opened=each, amount=chance.randrange(MOST))
            case 4:
                yield Finalise(opened=each, total=chance.randrange(MOST), evidence=b"receipt")


async def work(ledger: Ledger, todo: Iterator[Operation], tasks: int, done: Counter[str]) -> None:
    """Book ``todo``, ``tasks`` at a time. What the database could not take is tried until it can."""

    async def worker() -> None:
        for operation in todo:
            while True:
                [answer] = await ledger.settle_many([operation])
                if not isinstance(answer, LedgerUnavailableError):
                    break
                done["unavailable"] += 1
                print("unavailable", answer, file=sys.stderr, flush=True)
            done[type(answer).__name__ if isinstance(answer, LedgerError) else answer.outcome] += 1
            if done.total() % EVERY == 0:
                print(done.total(), flush=True)

    await asyncio.gather(*(worker() for _ in range(tasks)))


async def main(url: str, name: str, count: str, tasks: str) -> None:
    """One worker process."""
    ledger = await Ledger.open(Place.parse(url))
    done: Counter[str] = Counter()
    await ledger.settle_many(grants())
    print("ready", flush=True)
    await work(ledger, operations(name, int(count), int(time.time()) + 3600), int(tasks), done)
    await ledger.aclose()
    print(json.dumps(done), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
