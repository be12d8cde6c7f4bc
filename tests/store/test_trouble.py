"""A full disk, a failing disk, a crash: nobody hangs, and no receipt is lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from mycellm_proto.economy import DIRECT_NETWORK
from reference_node.identity import make_home
from reference_node.store import ReceiptState, ReceiptStore, SequenceUsedError, StoreUnavailableError, keeper, spool
from reference_node.store.database import open_writer

from ..proto.pair import ALICE, BOB, NOW
from .conftest import Clock, Opener
from .evidence import CEILING, TOTAL, closed, name, opened, settled
from .test_admit import admit, promised
from .test_record import frauds, only, stored
from .test_sequences import ROOT

NO_LIMIT = (1 << 30) - 1
MANY = range(1, 61)
"""More receipts than fit into the free space of the file's last page."""


async def set_pages(store: ReceiptStore, pages: int) -> None:
    """A limit on the file's size, at least what it has: SQLite then fails as it does on a full disk."""

    def limit() -> None:
        with store._files.writer.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    await asyncio.get_running_loop().run_in_executor(store._writing, limit)


async def fill(store: ReceiptStore) -> None:
    """Let the disk be full, and receipts come."""
    await set_pages(store, 1)
    await asyncio.gather(*(store.record("consumer", settled(opened(n)), ReceiptState.SETTLED) for n in MANY))
    assert not store.healthy


def numbers(path: Path) -> list[int]:
    return sorted(audited.record.identity.sequence for audited in stored(path) if audited.record)


async def test_on_a_full_disk_nothing_hangs_and_nothing_is_lost(store: ReceiptStore, path: Path) -> None:
    await fill(store)
    assert store.problem is not None
    assert "full" in store.problem
    assert "60 wait in the spool" in store.problem
    assert numbers(path) == []
    await set_pages(store, NO_LIMIT)
    await store.record("consumer", settled(opened(100)), ReceiptState.SETTLED)
    assert store.healthy
    assert store.problem is None
    assert numbers(path) == [*MANY, 100]
    assert not any(audited.findings for audited in stored(path))


async def test_nothing_new_begins_while_receipts_wait(store: ReceiptStore) -> None:
    await fill(store)
    with pytest.raises(StoreUnavailableError, match="full"):
        await admit(store, opened())
    with pytest.raises(StoreUnavailableError, match="full"):
        await store.take_sequences(DIRECT_NETWORK, BOB.public, 1)
    assert await store.latest_open(DIRECT_NETWORK, BOB.public, ALICE.public) == name(opened(60))
    await set_pages(store, NO_LIMIT)
    await store.record("consumer", opened(100), ReceiptState.OPENED)
    await (await admit(store, opened()))
    assert await store.take_sequences(DIRECT_NETWORK, BOB.public, 1) == 1


async def test_it_tries_again_by_itself(
    opener: Opener, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keeper, "FIRST_RETRY_S", 0.001)
    caplog.set_level(logging.INFO, keeper.__name__)
    recovered = asyncio.Event()

    def hear(record: logging.LogRecord) -> None:
        if record.msg == "receipts.recovered":
            recovered.set()

    monkeypatch.setattr(caplog.handler, "emit", hear)
    store = await opener()
    await fill(store)
    await set_pages(store, NO_LIMIT)
    await asyncio.wait_for(recovered.wait(), 10)
    assert numbers(path) == [*MANY]


async def test_a_crash_on_a_full_disk_loses_nothing_that_the_spool_holds(
    store: ReceiptStore, path: Path, clock: Clock, tmp_path: Path
) -> None:
    await (await admit(store, opened(1)))
    await (await admit(store, opened(3)))
    await set_pages(store, 1)
    clock.now += 100
    await asyncio.gather(
        *(store.record("consumer", settled(opened(n)), ReceiptState.SETTLED) for n in MANY),
        store.record("provider", settled(opened(1)), ReceiptState.SETTLED),
        store.record("provider", opened(3, request="another"), ReceiptState.OPENED),
    )
    crashed = tmp_path / "crashed"
    shutil.copytree(path.parent, crashed)
    again = await ReceiptStore.open(crashed / path.name, clock=clock)
    assert again.healthy
    found = {audited.record.role: audited.record for audited in stored(crashed / path.name) if audited.record}
    assert (found["consumer"].created, found["consumer"].state) == (NOW + 100, ReceiptState.SETTLED)
    assert len(stored(crashed / path.name)) == 62
    assert len(frauds(crashed / path.name)) == 1
    assert promised(again) == TOTAL + CEILING
    await again.aclose()
    third = await ReceiptStore.open(crashed / path.name, clock=clock)
    assert promised(third) == TOTAL + CEILING
    await third.aclose()


async def test_an_admission_that_only_the_spool_holds_counts_after_a_crash(
    store: ReceiptStore, path: Path, clock: Clock, tmp_path: Path
) -> None:
    await set_pages(store, 1)
    admitted = 0
    with contextlib.suppress(StoreUnavailableError):
        for n in MANY:
            await (await admit(store, opened(2 * n)))  # returns, since the spool has it
            admitted += 1
    assert 0 < admitted < len(MANY)
    crashed = tmp_path / "crashed"
    shutil.copytree(path.parent, crashed)
    again = await ReceiptStore.open(crashed / path.name, clock=clock)
    assert promised(again) == admitted * CEILING
    with pytest.raises(SequenceUsedError):
        await admit(again, opened(2))
    await again.aclose()


async def test_when_the_spool_is_full_too_receipts_wait_in_memory(
    opener: Opener, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "SPOOL_BYTES", 10_000)
    store = await opener()
    await fill(store)
    assert store.problem is not None
    assert "in memory" in store.problem
    assert not store.at_risk(opened(1))
    assert store.at_risk(opened(60))
    await set_pages(store, NO_LIMIT)
    await store.record("consumer", opened(100), ReceiptState.OPENED)
    assert not store.at_risk(opened(60))
    assert numbers(path) == [*MANY, 100]


async def test_what_cannot_be_written_at_the_end_is_said(
    opener: Opener, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(spool, "SPOOL_BYTES", 10_000)
    store = await opener()
    await fill(store)
    await store.aclose()
    (said,) = [record for record in caplog.records if record.msg == "receipts.unwritten"]
    fields = said.__dict__["mycellm_fields"]
    assert fields["waiting"] == 60
    assert 0 < fields["lost"] < 60
    await (await opener()).aclose()
    assert len(stored(path)) == 60 - fields["lost"]


async def test_a_spool_that_cannot_be_had_or_written_costs_no_receipt(
    opener: Opener, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await opener()
    second = await opener()  # the spool is the first one's
    await fill(second)
    assert second.problem is not None
    assert "in memory" in second.problem
    await second.aclose()
    monkeypatch.setattr(first._files.spool, "_write", fail)
    await fill(first)
    await set_pages(first, NO_LIMIT)
    await first.record("consumer", opened(100), ReceiptState.OPENED)
    assert numbers(path) == [*MANY, 100]


def fail(*_: object) -> NoReturn:
    raise OSError(5, "Input/output error")


def refuse(*_: object) -> NoReturn:
    raise sqlite3.OperationalError("database is locked")


@pytest.mark.parametrize(("failing", "words"), [(fail, "Input/output error"), (refuse, "database is locked")])
async def test_any_failure_of_the_disk_or_the_database_is_waited_out(
    store: ReceiptStore,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failing: Callable[..., NoReturn],
    words: str,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("reference_node.store.writer.write", failing)
        patch.setattr("reference_node.store.writer.take_sequences", failing)
        with pytest.raises(StoreUnavailableError, match=words):
            await store.take_sequences(DIRECT_NETWORK, BOB.public, 1)
        assert not store.healthy
        pending = await admit(store, opened())  # nothing waits yet, so it is tried
        await pending
        assert store.problem is not None
        assert words in store.problem
        await store.record("provider", closed(opened()), ReceiptState.UNACKNOWLEDGED)
    await store.record("provider", settled(opened()), ReceiptState.SETTLED)
    assert store.healthy
    assert only(path).state is ReceiptState.SETTLED
    assert await store.take_sequences(DIRECT_NETWORK, BOB.public, 1) == 1


async def test_numbers_that_can_be_taken_again_are_health_again(
    store: ReceiptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("reference_node.store.writer.take_sequences", fail)
        with pytest.raises(StoreUnavailableError):
            await store.take_sequences(DIRECT_NETWORK, BOB.public, 1)
    assert await store.take_sequences(DIRECT_NETWORK, BOB.public, 1) == 1
    assert store.healthy


async def test_what_waits_is_bounded(store: ReceiptStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "MAX_WAITING", 50)
    monkeypatch.setattr(keeper, "MAX_BEFORE_ADMISSION", 25)
    with monkeypatch.context() as patch:
        patch.setattr("reference_node.store.writer.write", fail)
        records = [store.record("consumer", opened(n), ReceiptState.OPENED) for n in MANY]
        results = await asyncio.gather(*records, return_exceptions=True)
    assert sum(isinstance(result, StoreUnavailableError) for result in results) == 10
    with pytest.raises(StoreUnavailableError):
        await admit(store, opened())
    await store.aclose()
    assert numbers(path) == [*range(1, 51)]


async def test_admission_stops_before_the_queue_is_full(store: ReceiptStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "MAX_BEFORE_ADMISSION", 5)
    records = [asyncio.create_task(store.record("consumer", opened(n), ReceiptState.OPENED)) for n in range(1, 6)]
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailableError, match="wait"):
        await admit(store, opened())
    await asyncio.gather(*records)
    await admit(store, opened())


async def test_closing_writes_what_waits(store: ReceiptStore, path: Path) -> None:
    tasks = [asyncio.create_task(store.record("consumer", opened(n), ReceiptState.OPENED)) for n in range(1, 301)]
    await asyncio.sleep(0)
    await store.aclose()
    await store.aclose()
    await asyncio.gather(*tasks)
    assert len(stored(path)) == 300
    with pytest.raises(StoreUnavailableError):
        await store.record("consumer", opened(), ReceiptState.OPENED)


FULL = """
import asyncio, pathlib, sys
from reference_node.cli import main
from reference_node.store import ReceiptState, ReceiptStore, StoreUnavailableError
from tests.store.evidence import opened, settled

home, ballast = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[1], "ballast")

def use_up():
    with ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))

async def work():
    store = await ReceiptStore.open(home / "receipts.db", clock=lambda: 0.0)
    try:
        use_up()
    except OSError:
        await asyncio.gather(
            *(store.record("consumer", settled(opened(n)), ReceiptState.SETTLED) for n in range(1, 201))
        )
    print(store.healthy)
    try:
        await store.admit(opened(1), allowance=10**6, now=0)
    except StoreUnavailableError:
        print("refused")
    await store.aclose()
    store = await ReceiptStore.open(home / "receipts.db", clock=lambda: 0.0)
    print(store.healthy)
    ballast.unlink()
    await store.record("consumer", opened(201), ReceiptState.OPENED)
    print(store.healthy)
    await store.aclose()

asyncio.run(work())
raise SystemExit(main(["receipts", "verify", "--home", str(home)]))
"""
ON_A_SMALL_DISK = 'mount -t tmpfs -o size=2m tmpfs "$1" && exec "$2" -W error -c "$3" "$1"'


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small disk, as root on Linux")
def test_a_disk_that_is_really_full_loses_nothing_even_over_a_restart(tmp_path: Path) -> None:
    arguments = [str(tmp_path), sys.executable, FULL]
    command = ["unshare", "--mount", "sh", "-c", ON_A_SMALL_DISK, "sh", *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    if "permission denied" in ran.stderr.lower() or "not permitted" in ran.stderr.lower():
        pytest.skip("this container mounts nothing")
    assert ran.stdout.split("\n") == ["False", "refused", "False", "True", "201 receipts, 0 failed", ""], ran.stderr


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from reference_node.identity import make_home
from reference_node.store import ReceiptState, ReceiptStore
from tests.store.evidence import opened, settled

async def work():
    store = await ReceiptStore.open(Path(sys.argv[1]))
    await store.record("consumer", settled(opened(1)), ReceiptState.SETTLED)
    await (await store.admit(opened(1), allowance=10**6, now=0))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(work())
"""


async def test_a_killed_node_leaves_what_it_had_recorded(opener: Opener, path: Path) -> None:
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", KILLED, str(path)], cwd=ROOT, timeout=60, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert path.with_name(path.name + "-wal").stat().st_size  # nothing was checkpointed
    assert [audited.findings for audited in stored(path)] == [(), ()]
    again = await opener()
    with pytest.raises(SequenceUsedError):
        await admit(again, opened(1))


async def test_a_file_that_is_no_database_is_said(opener: Opener, path: Path) -> None:
    make_home(path.parent)
    await asyncio.to_thread(path.write_bytes, b"These are not receipts. " * 1000)
    with pytest.raises(StoreUnavailableError, match=r"not a database.*backup"):
        await opener()
    with pytest.raises(StoreUnavailableError, match="not a database"):
        stored(path)


async def test_a_home_that_cannot_be_made_is_said(opener: Opener, path: Path) -> None:
    path.parent.write_bytes(b"a file where the home should be")
    with pytest.raises(StoreUnavailableError, match="Cannot create"):
        await opener()


async def test_a_writer_elsewhere_is_waited_for(store: ReceiptStore, path: Path) -> None:
    engine = open_writer(path)
    with engine.connect() as connection:
        transaction = connection.begin()
        recording = asyncio.create_task(store.record("consumer", opened(), ReceiptState.OPENED))
        await asyncio.sleep(0)
        transaction.rollback()
    engine.dispose()
    await recording
    assert store.healthy
