"""The file: created for its owner alone, upgraded once, refused when it is of another version."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from reference_node.store import ReceiptState, ReceiptStore, RevisionError, StoreError, database
from reference_node.store.audit import open_archive
from reference_node.store.database import HEAD, check_readable, migrations, open_reader, open_writer, revision
from reference_node.store.schema import Base

from .conftest import Opener
from .evidence import opened
from .test_record import stored
from .test_sequences import ROOT

OPENING = """
import pathlib, sys
from reference_node.store.database import open_writer
open_writer(pathlib.Path(sys.argv[1])).dispose()
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def execute(path: Path, statement: str) -> None:
    engine = open_writer(path)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def test_the_models_are_what_the_migrations_make(path: Path) -> None:
    engine = open_writer(path)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
        assert ScriptDirectory.from_config(migrations(connection)).get_heads() == [HEAD]
        assert revision(connection) == HEAD
    engine.dispose()


async def test_files_are_their_owners_alone(store: ReceiptStore, path: Path) -> None:
    await store.record("consumer", opened(), ReceiptState.OPENED)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes) == {path.name, f"{path.name}-wal", f"{path.name}-shm", f"{path.name}.spool"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_file_that_others_could_read_is_closed_to_them(opener: Opener, path: Path) -> None:
    await (await opener()).aclose()
    await asyncio.to_thread(path.chmod, 0o644)
    await opener()
    assert mode(path) == 0o600


async def test_what_is_durable_is_said_to_sqlite(store: ReceiptStore) -> None:
    with store._files.writer.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}


@pytest.mark.parametrize("found", ["9999", "from the future"])
async def test_a_newer_file_is_refused_and_left_alone(opener: Opener, path: Path, found: str) -> None:
    await (await opener()).aclose()
    execute(path, f"UPDATE alembic_version SET version_num = '{found}'")
    before = await asyncio.to_thread(path.read_bytes)
    with pytest.raises(RevisionError, match=r"newer version.*Update this software"):
        await opener()
    with pytest.raises(RevisionError, match="newer version"):
        stored(path)
    assert await asyncio.to_thread(path.read_bytes) == before


async def test_an_older_file_can_be_read_after_a_node_has_upgraded_it(
    store: ReceiptStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.aclose()
    monkeypatch.setattr(database, "HEAD", "9999")
    with pytest.raises(RevisionError, match="Start a node once"):
        stored(path)


def test_a_file_without_tables_is_empty(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    assert stored(path) == []
    engine = open_reader(path)
    with engine.connect() as connection:
        assert not check_readable(connection, path)
    engine.dispose()


def test_an_upgrade_that_fails_leaves_nothing_half_done(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("alembic.operations.Operations.create_index", explode)
        with pytest.raises(StoreError, match="No space left"):
            open_writer(path)
    engine = open_writer(path)
    with engine.connect() as connection:
        assert revision(connection) == HEAD
    engine.dispose()


def test_names_that_mean_something_to_urls_and_configurations_are_names(tmp_path: Path) -> None:
    path = tmp_path / "a b%20?mode=ro&c#%(here)s" / "receipts.db"
    open_writer(path).dispose()
    assert stored(path) == []
    with open_archive(path) as archive:
        assert archive is not None


def test_two_processes_that_start_at_once_upgrade_once(path: Path) -> None:
    starters = [subprocess.Popen([sys.executable, "-c", OPENING, str(path)], cwd=ROOT) for _ in range(2)]
    assert [starter.wait(timeout=60) for starter in starters] == [0, 0]
