"""Where the ledger is: a file, PostgreSQL, or MariaDB (one server, or the nodes of a Galera cluster).

    sqlite:////var/lib/mycellm/ledger.db
    postgresql://user@host/database            several: postgresql://user@/database?host=one:5432&host=two:5432
    mariadb://user@host/database               several: mariadb://user@/database?host=one:3306&host=two:3306

SQLite in WAL mode with synchronous=FULL, as the receipts are: a reservation that a provider relied on survives a power
cut, and bookings that come together share one flush of the disk. PostgreSQL and MariaDB flush by default.
"""

from __future__ import annotations

import itertools
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from ..identity import HomeError, make_home
from .errors import LedgerUnavailableError

if TYPE_CHECKING:
    import sqlite3

    from sqlalchemy import Connection

LEDGER_FILE = "ledger.db"
"""Its name in the home directory, unless another database is named."""

BUSY_TIMEOUT_MS = 1000
"""How long a statement waits for another process before the transaction is tried again."""
CONNECT_TIMEOUT_S = 3
LOCK_TIMEOUT_S = 3
ANSWER_TIMEOUT_S = 15
"""Seconds; the last for a server that is there and does not answer."""

_DRIVERS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg", "mariadb": "mariadb+pymysql"}
_KINDS = {"postgres": "postgresql", "mysql": "mariadb"}
_CALLED = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A database. ``text`` names it without its password."""

    url: URL

    @classmethod
    def parse(cls, text: str) -> Place:
        """The database that ``text`` names. Raises `ValueError`, in which no password is."""
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):
            raise ValueError("write sqlite:///FILE, postgresql://USER@HOST/NAME or mariadb://USER@HOST/NAME") from None
        kind = url.drivername.partition("+")[0]
        kind = _KINDS.get(kind, kind)
        if kind not in _DRIVERS:
            raise ValueError(f"{kind!r} is not supported; sqlite, postgresql and mariadb are")
        if kind == "sqlite" and (not url.database or url.database == ":memory:" or url.query):
            raise ValueError("write sqlite:///FILE; a ledger in memory would be lost")
        if kind != "sqlite" and not url.database:
            raise ValueError(f"name a database: {kind}://USER@HOST/NAME")
        return cls(url=url.set(drivername=_DRIVERS[kind]))

    @classmethod
    def file(cls, path: Path) -> Place:
        """The database in a file."""
        return cls(url=URL.create(_DRIVERS["sqlite"], database=str(path.absolute())))

    @property
    def kind(self) -> str:
        """``sqlite``, ``postgresql`` or ``mariadb``."""
        return self.url.get_backend_name()

    @property
    def path(self) -> Path | None:
        """The file of a database in a file."""
        return Path(self.url.database or "").expanduser() if self.kind == "sqlite" else None

    @property
    def text(self) -> str:
        """Its name for people."""
        if self.path is not None:
            return str(self.path)
        shown = self.url.set(drivername=self.kind).render_as_string(hide_password=True)
        return f"{_CALLED[self.kind]} at {shown}"

    def writer(self) -> Engine:
        """An engine for transactions that book. A file is created, for its owner only. Raises `LedgerError`."""
        if self.path is not None:
            return _file_writer(self.path)
        if self.kind == "postgresql":
            return create_engine(self.url, connect_args=_postgresql(), isolation_level="READ COMMITTED", pool_size=2)
        return create_engine(
            self.url, creator=_mariadb(self.url), isolation_level="READ COMMITTED", pool_size=2,
        )  # fmt: skip

    def reader(self) -> Engine:
        """An engine whose transactions see one moment of the ledger; that of a file cannot write."""
        if self.path is not None:
            return _file_reader(self.path)
        if self.kind == "postgresql":
            return create_engine(self.url, connect_args=_postgresql(), isolation_level="REPEATABLE READ", pool_size=2)
        return create_engine(
            self.url, creator=_mariadb(self.url), isolation_level="REPEATABLE READ", pool_size=2,
        )  # fmt: skip


def _postgresql() -> dict[str, Any]:
    # It warns of what a conflict leaves in its pipeline, which is rolled back with the rest.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    limits = {
        "lock_timeout": LOCK_TIMEOUT_S,
        "idle_in_transaction_session_timeout": ANSWER_TIMEOUT_S,
    }
    options = " ".join(f"-c {name}={seconds}s" for name, seconds in limits.items())
    return {"connect_timeout": CONNECT_TIMEOUT_S, "options": options, "application_name": "mycellm-ledger"}


def _mariadb(url: URL) -> Any:  # noqa: ANN401 - SQLAlchemy takes it without a type
    """Makes connections, each time to the first host that answers, beginning with the one that answered last.

    ``wsrep_sync_wait`` makes a node of a cluster catch up before it answers: what another one booked is seen.
    """
    import pymysql

    hosts = [_host(each) for each in _several(url.query.get("host"))] or [(url.host or "127.0.0.1", url.port or 3306)]
    turn = itertools.cycle(range(len(hosts)))
    last = 0
    setup = (
        f"SET SESSION wsrep_sync_wait=15, innodb_lock_wait_timeout={LOCK_TIMEOUT_S}, "
        f"idle_transaction_timeout={ANSWER_TIMEOUT_S}, sql_mode='TRADITIONAL'"
    )

    def connect() -> Any:  # noqa: ANN401
        nonlocal last
        failure: Exception | None = None
        for _ in hosts:
            host, port = hosts[last]
            try:
                return pymysql.connect(
                    host=host, port=port, user=url.username, password=url.password or "", database=url.database,
                    connect_timeout=CONNECT_TIMEOUT_S, read_timeout=ANSWER_TIMEOUT_S, write_timeout=ANSWER_TIMEOUT_S,
                    init_command=setup, charset="utf8mb4",
                )  # fmt: skip
            except pymysql.MySQLError as error:
                failure, last = error, next(turn)
        assert failure is not None
        raise failure

    return connect


def _several(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else value


def _host(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":") if ":" in text else (text, "", "3306")
    return host.strip("[]"), int(port)


def _file_writer(path: Path) -> Engine:
    try:
        make_home(path.parent)
        # For its owner alone before SQLite sees it: its journals take their mode from it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        pass
    except (OSError, HomeError) as error:
        raise LedgerUnavailableError(f"Cannot create {path}: {getattr(error, 'strerror', error)}.") from error
    engine = create_engine(URL.create("sqlite+pysqlite", database=str(path)))
    event.listen(engine, "connect", _configure_file)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _file_reader(path: Path) -> Engine:
    query = {"mode": "ro", "uri": "true"}
    engine = create_engine(URL.create("sqlite+pysqlite", database=path.absolute().as_uri(), query=query))
    event.listen(engine, "connect", _configure_reader)
    event.listen(engine, "begin", _begin)
    return engine


def _configure_file(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy says, not where sqlite3 guesses
    for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", "journal_mode=WAL", "synchronous=FULL", "fullfsync=ON"):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _configure_reader(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}").fetchall()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
