"""Several processes on one database, races for one identity, and processes that are killed in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reference_node.ledger import InsufficientCreditError, Ledger, LedgerError, Outcome, Place

from .conftest import Opener, PlaceMaker
from .facts import EXPIRES, LAB, NETWORK, QUOTA, STUDENT, granted, opened, reserved, serial, sound
from .processes import Worker, stop
from .workload import MEMBERS, NETWORKS
from .workload import QUOTA as QUOTA_EACH

QUOTAS = len(MEMBERS) * len(NETWORKS)


@contextmanager
def workers(place: Place, *names: str, count: int, tasks: int = 8) -> Iterator[list[Worker]]:
    started = [Worker(place, name, count, tasks) for name in names]
    try:
        yield started
    finally:
        stop(started)


async def test_members_of_a_cluster_that_open_at_once_make_the_tables_once(
    make_place: PlaceMaker, opener: Opener
) -> None:
    place = make_place()
    ledgers = await asyncio.gather(*(opener(place) for _ in range(4)))
    assert [await each.grant(NETWORK, STUDENT, QUOTA, serial(STUDENT)) for each in ledgers] == [
        Outcome.BOOKED, *[Outcome.REPEATED] * 3,
    ]  # fmt: skip


async def test_an_open_that_races_with_itself_is_reserved_for_once(opener: Opener, place: Place) -> None:
    ledgers = [await opener(place) for _ in range(3)]
    await granted(ledgers[0])

    async def reserve(ledger: Ledger, number: int) -> Outcome:
        answer = await ledger.reserve(opened(number), member=STUDENT, provider_member=LAB, ceiling=100, expires=EXPIRES)
        return answer.outcome

    for number in range(1, 6):
        outcomes = await asyncio.gather(*(reserve(ledger, number) for ledger in ledgers))
        assert sorted(outcomes) == [Outcome.BOOKED, Outcome.REPEATED, Outcome.REPEATED]
    assert (await ledgers[0].balance(NETWORK, STUDENT)).reserved == 500
    await sound(ledgers[0])


async def test_reservations_that_race_never_overdraw(opener: Opener, place: Place) -> None:
    ledgers = [await opener(place) for _ in range(3)]
    await granted(ledgers[0])
    answers = await asyncio.gather(*(reserved(ledgers[n % 3], 300, n) for n in range(1, 13)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, LedgerError)]
    assert len(answers) - len(refused) == 3
    assert {type(answer) for answer in refused} == {InsufficientCreditError}
    assert await ledgers[0].balance(NETWORK, STUDENT) == (QUOTA, 900, 0)
    await sound(ledgers[0])


async def test_a_receipt_that_races_with_claims_decides(opener: Opener, place: Place) -> None:
    ledgers = [await opener(place) for _ in range(3)]
    await granted(ledgers[0])
    for number in range(1, 5):
        made = await reserved(ledgers[0], 100, number)
        await asyncio.gather(ledgers[0].claim(made, 90), ledgers[1].finalise(made, 50), ledgers[2].claim(made, 70))
    assert await ledgers[0].balance(NETWORK, STUDENT) == (QUOTA - 200, 0, 0)
    assert await ledgers[0].balance(NETWORK, LAB) == (200, 0, 0)
    await sound(ledgers[0])


@pytest.mark.timeout(300)
async def test_processes_that_are_killed_and_replayed_lose_and_make_nothing(
    make_place: PlaceMaker, opener: Opener
) -> None:
    place = make_place()
    with workers(place, "one", "two", "three", count=400) as started:
        await asyncio.to_thread(started[0].wait_for, 100)
        started[0].kill()
        ledger = await opener(place)
        await sound(ledger)  # in the middle, beside the others
        with workers(place, "one", count=400) as again:
            results = [await asyncio.to_thread(each.finish) for each in (*again, *started[1:])]
    assert [sum(result.values()) - result.get("unavailable", 0) for result in results] == [400] * 3
    assert results[0]["repeated"] > 10
    audit = await ledger.check()
    assert audit.sound, audit
    assert (audit.grants, audit.granted) == (QUOTAS, QUOTAS * QUOTA_EACH)
    assert audit.settlements > 100
    assert audit.conflicts > 0
