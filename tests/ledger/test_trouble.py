"""A database that is down, full, locked, or restarts in the middle: a clear error, and the ledger unchanged."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from reference_node.ledger import (
    Balance,
    Finalise,
    Ledger,
    LedgerError,
    LedgerRevisionError,
    LedgerUnavailableError,
    Outcome,
    Place,
)
from reference_node.ledger.writer import book

from . import postgres
from .conftest import Opener, PlaceMaker, make_tables
from .facts import LAB, NETWORK, QUOTA, STUDENT, granted, reserved, serial, snapshot, sound


@pytest.fixture
def own_server() -> Iterator[postgres.Server]:
    with postgres.server() as running:
        yield running


async def test_a_server_that_crashes_and_comes_back(own_server: postgres.Server, opener: Opener) -> None:
    place = own_server.place()
    patient, hasty = await opener(place, deadline_s=60), await opener(place, deadline_s=0.3)
    await granted(hasty)
    before = snapshot(hasty)

    await asyncio.to_thread(own_server.stop)
    for call in (reserved(hasty), hasty.balance(NETWORK, STUDENT), hasty.expire()):
        with pytest.raises(LedgerUnavailableError, match=r"PostgreSQL at .*Start the database"):
            await call
    waiting = asyncio.create_task(reserved(patient, 100, 7))
    await asyncio.to_thread(own_server.start)
    made = await waiting
    assert await hasty.balance(NETWORK, STUDENT) == Balance(QUOTA, 100, 0)
    assert (await hasty.finalise(made, 0)).outcome is Outcome.BOOKED
    assert len(snapshot(hasty)[0]) == len(before[0]) + 1  # the lab's account
    await sound(patient)

    await asyncio.to_thread(own_server.stop)
    with pytest.raises(LedgerUnavailableError):
        await opener(place)


async def test_a_lock_that_somebody_holds_delays_and_does_not_harm(opener: Opener, make_place: PlaceMaker) -> None:
    place = make_place()
    ledger = await opener(place, deadline_s=0.5 if place.kind == "sqlite" else 4)
    await granted(ledger)
    before = snapshot(ledger)
    engine = place.writer()
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE accounts SET pending = pending"))
        with pytest.raises(LedgerUnavailableError, match="try again"):
            await reserved(ledger)
        assert snapshot(ledger) == before
    engine.dispose()
    await reserved(ledger)
    await sound(ledger)


async def test_a_full_file(opener: Opener, empty: Path, tmp_path: Path) -> None:
    place = Place.file(tmp_path / "ledger.db")
    await asyncio.to_thread(make_tables, place)
    ledger = await opener(place)
    await granted(ledger)
    pages = sqlite3.connect(tmp_path / "ledger.db").execute("PRAGMA page_count").fetchone()[0]

    @sa.event.listens_for(ledger._writer, "checkout")
    def limit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count={most}").fetchall()

    most = pages
    number, refused, before = 0, None, snapshot(ledger)
    while refused is None:
        number += 1
        assert number < 200
        before = snapshot(ledger)
        try:
            await reserved(ledger, 1, number)
        except LedgerUnavailableError as error:
            refused = error
    assert "full" in str(refused)
    assert "Make room" in str(refused)
    assert snapshot(ledger) == before
    await sound(ledger)
    most = 1 << 30
    await reserved(ledger, 1, number)
    assert (await ledger.balance(NETWORK, STUDENT)).reserved == number


async def test_a_file_that_is_none(opener: Opener, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(LedgerUnavailableError, match=r"ledger\.db: file is not a database.*backup"):
        await opener(Place.file(path))
    with pytest.raises(LedgerUnavailableError, match="Cannot create"):
        await opener(Place.file(path / "below"))


async def test_a_database_of_a_newer_version_is_left_alone(opener: Opener, place: Place) -> None:
    ledger = await opener(place)
    await granted(ledger)
    engine = place.writer()
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE ledger_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(LedgerRevisionError, match=r"newer version.*Update this software"):
        await opener(place)


async def test_events_are_for_ever(opener: Opener, place: Place) -> None:
    ledger = await opener(place)
    await granted(ledger)
    before = snapshot(ledger)
    for statement in ("UPDATE events SET amount = 7", "DELETE FROM events"):
        with pytest.raises(sa.exc.DBAPIError, match="for ever"), ledger._writer.begin() as connection:
            connection.execute(sa.text(statement))
    assert snapshot(ledger) == before


@pytest.mark.parametrize("statement", [
    "UPDATE accounts SET available = -1 WHERE kind = 1",
    "UPDATE accounts SET reserved = -1 WHERE kind = 1",
    "UPDATE accounts SET pending = -1 WHERE kind = 1",
    "UPDATE accounts SET available = 9007199254740992 WHERE kind = 1",
    "UPDATE accounts SET available = 1 WHERE kind = 0",
    "UPDATE settlements SET claimed = ceiling + 1",
    "UPDATE settlements SET total = ceiling + 1, state = 'final'",
    "UPDATE settlements SET state = 'final'",
    "UPDATE grants SET amount = -1",
])  # fmt: skip
async def test_the_database_refuses_what_no_rule_allows(opener: Opener, place: Place, statement: str) -> None:
    ledger = await opener(place)
    await granted(ledger)
    await reserved(ledger)
    with pytest.raises(sa.exc.DBAPIError, match=r"(?i)constraint"), ledger._writer.begin() as connection:
        connection.execute(sa.text(statement))
    await sound(ledger)


async def test_what_the_database_refuses_is_refused_alone(
    opener: Opener, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of ours in one operation of a batch does not take the others down."""
    ledger = await opener(place)
    await granted(ledger)
    monkeypatch.setattr("reference_node.ledger.rules.Book._check_time", lambda *_: None)
    made = [await reserved(ledger, 10, n) for n in (1, 2, 3)]
    broken = made[1].key

    def failing(engine: sa.Engine, operations: list[Finalise], **options: float) -> object:
        if any(each.opened.key == broken for each in operations):
            with engine.begin() as connection:
                connection.execute(sa.text("UPDATE accounts SET reserved = -1 WHERE kind = 1"))
        return book(engine, operations, **options)

    monkeypatch.setattr("reference_node.ledger.ledger.book", failing)
    other = await opener(place)
    answers = await other.settle_many([Finalise(opened=each, total=1) for each in made])
    assert [isinstance(answer, LedgerError) for answer in answers] == [False, True, False]
    assert "ledger check" in str(answers[1])
    assert await other.balance(NETWORK, LAB) == Balance(2, 0, 0)
    await sound(other)


async def test_whoever_goes_away_leaves_a_booking_and_no_trouble(opener: Opener, place: Place) -> None:
    ledger = await opener(place)
    calls = [asyncio.create_task(ledger.grant(NETWORK, STUDENT, QUOTA, serial(STUDENT))) for _ in range(5)]
    await asyncio.sleep(0)
    for call in calls[:-1]:
        call.cancel()
    assert await calls[-1] is Outcome.REPEATED
    assert await ledger.balance(NETWORK, STUDENT) == Balance(QUOTA, 0, 0)


async def test_a_closed_ledger_says_so(opener: Opener, place: Place) -> None:
    ledger: Ledger = await opener(place)
    await ledger.aclose()
    with pytest.raises(LedgerUnavailableError, match="closed"):
        await granted(ledger)
