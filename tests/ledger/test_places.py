"""Databases by their URLs, their tables, and what is done about what they raise."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path
from typing import Any

import pymysql
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

from reference_node.ledger import LedgerError, LedgerUnavailableError, Place
from reference_node.ledger.attempts import Fault, attempt, fault
from reference_node.ledger.schema import metadata
from reference_node.ledger.upgrade import HEAD, VERSION_TABLE, migrations, revision

from .conftest import make_tables


@pytest.mark.parametrize(("text", "kind", "driver"), [
    ("sqlite:////tmp/ledger.db", "sqlite", "pysqlite"),
    ("postgresql://u@h/d", "postgresql", "psycopg"),
    ("postgres://u@h/d", "postgresql", "psycopg"),
    ("postgresql+psycopg2://u@h/d", "postgresql", "psycopg"),
    ("mysql://u@h/d", "mariadb", "pymysql"),
    ("mariadb://u@/d?host=a:1&host=b:2", "mariadb", "pymysql"),
])  # fmt: skip
def test_urls(text: str, kind: str, driver: str) -> None:
    place = Place.parse(text)
    assert (place.kind, place.url.get_driver_name()) == (kind, driver)


@pytest.mark.parametrize("text", ["", "ledger.db", "sqlite://", "sqlite:///:memory:", "mariadb://h", "oracle://h/d"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|name|supported"):
        Place.parse(text)


def test_the_tables_are_what_the_migrations_make(place: Place) -> None:
    engine = place.writer()
    with engine.connect() as connection:
        options = {"compare_type": place.kind != "mariadb", "version_table": VERSION_TABLE}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
        assert ScriptDirectory.from_config(migrations(connection)).get_heads() == [HEAD]
        assert revision(connection) == HEAD
    engine.dispose()


def test_a_migration_that_was_cut_off_is_taken_up(place: Place) -> None:
    """As on MariaDB, which cannot take back what it has created."""
    if place.kind != "mariadb":
        pytest.skip("SQLite and PostgreSQL create all or nothing")
    engine = place.writer()
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM {VERSION_TABLE}")
        connection.exec_driver_sql("DROP TABLE conflicts")
    engine.dispose()
    make_tables(place)


def test_a_file_is_its_owners_and_durable(tmp_path: Path) -> None:
    place = Place.file(tmp_path / "home" / "ledger.db")
    engine = place.writer()
    with engine.connect() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 2]
    assert {stat.S_IMODE(each.stat().st_mode) for each in (tmp_path / "home").iterdir()} == {0o600}
    engine.dispose()


class _PostgresError(Exception):
    def __init__(self, sqlstate: str | None) -> None:
        super().__init__("a message")
        self.sqlstate = sqlstate


def _sqlite(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("a message")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(("original", "expected"), [
    (_sqlite(sqlite3.SQLITE_BUSY), Fault.AGAIN),
    (_sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT), Fault.AGAIN),
    (_sqlite(sqlite3.SQLITE_FULL), Fault.REFUSES),
    (_sqlite(sqlite3.SQLITE_CONSTRAINT_CHECK), Fault.BUG),
    (_PostgresError("40001"), Fault.AGAIN),
    (_PostgresError("40P01"), Fault.AGAIN),
    (_PostgresError("23505"), Fault.AGAIN),
    (_PostgresError("23514"), Fault.BUG),
    (_PostgresError("53100"), Fault.REFUSES),
    (_PostgresError("53300"), Fault.GONE),
    (_PostgresError("57P03"), Fault.GONE),
    (_PostgresError("28P01"), Fault.REFUSES),
    (_PostgresError(None), Fault.GONE),
    (pymysql.OperationalError(1213, "Deadlock"), Fault.AGAIN),
    (pymysql.IntegrityError(1062, "Duplicate"), Fault.AGAIN),
    (pymysql.OperationalError(4025, "CONSTRAINT"), Fault.BUG),
    (pymysql.OperationalError(1047, "WSREP"), Fault.GONE),
    (pymysql.OperationalError(1114, "The table is full"), Fault.REFUSES),
    (pymysql.InterfaceError(0, ""), Fault.GONE),
])  # fmt: skip
def test_faults(original: BaseException, expected: Fault) -> None:
    assert fault(OperationalError("SELECT", {}, original)) is expected


def test_attempts_end_at_the_deadline_and_only_where_they_help() -> None:
    place = Place.parse("postgresql://u@h/d")
    for state, error, several in (
        ("40001", LedgerUnavailableError, True),
        ("08006", LedgerUnavailableError, True),
        ("53100", LedgerUnavailableError, False),
        ("23514", LedgerError, False),
    ):
        calls: list[int] = []

        def work(calls: list[int] = calls, state: str = state) -> Any:
            calls.append(1)
            raise OperationalError("SELECT secret", {}, _PostgresError(state))

        with pytest.raises(error, match="a message") as caught:
            attempt(work, place, deadline_s=0.05)
        assert "secret" not in str(caught.value)
        assert (len(calls) > 1) is several


def test_a_conflict_is_got_over() -> None:
    errors = [_PostgresError("40001"), _PostgresError("40P01")]

    def work() -> int:
        if errors:
            raise OperationalError("SELECT", {}, errors.pop())
        return 7

    assert attempt(work, Place.parse("postgresql://u@h/d")) == 7
