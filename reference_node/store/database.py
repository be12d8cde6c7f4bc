"""receipts.db: how it is created, upgraded and connected to.

SQLite in WAL mode: one writer, readers beside it that never wait. A commit is on the disk when it returns
(synchronous=FULL), so what was acknowledged survives a power cut.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError, SQLAlchemyError

from .. import migrating
from ..identity import HomeError, make_home
from .errors import RevisionError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config
    from sqlalchemy import Connection

HEAD = "0003"
"""The newest revision. It is here, so that a file which is up to date opens without loading Alembic."""

RECEIPTS_FILE = "receipts.db"
"""Its name in the home directory."""

BUSY_TIMEOUT_MS = 5000
"""How long a statement waits for another process: longer than any transaction of ours takes."""

FAILURES = (SQLAlchemyError, sqlite3.Error, OSError)
"""What the disk, SQLite and what is in the file can make the library raise."""

_MIGRATIONS = Path(__file__).parent / "migrations"


def open_writer(path: Path) -> Engine:
    """The one writing engine of this process; ``path`` is created (mode 0600) or upgraded. Raises `StoreError`."""
    try:
        make_home(path.parent)
        _create(path)
    except (OSError, HomeError) as error:
        raise StoreUnavailableError(f"Cannot create {path}: {reason(error)}.") from error
    engine = create_engine(URL.create("sqlite", database=str(path)))
    event.listen(engine, "connect", _configure_writer)
    event.listen(engine, "begin", _begin_immediate)
    try:
        with readable(path), engine.begin() as connection:
            upgrade(connection, path)
    except BaseException:
        engine.dispose()
        raise
    return engine


def open_reader(path: Path) -> Engine:
    """An engine that cannot write, for `path` as `open_writer` left it; works beside a running node."""
    url = URL.create("sqlite", database=path.absolute().as_uri(), query={"mode": "ro", "uri": "true"})
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    event.listen(engine, "connect", _configure_reader)
    return engine


def revision(connection: Connection) -> str | None:
    """The revision of the file; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def upgrade(connection: Connection, path: Path) -> None:
    """Bring the file to `HEAD`, all or nothing, within the transaction of ``connection``. Raises `RevisionError`.

    That transaction is IMMEDIATE, so of two processes that start at once the second waits and finds the work done.
    """
    found = revision(connection)
    if found == HEAD:
        return
    config = migrations(connection)
    if found is not None and not _is_known(config, found):
        raise _newer(path, found)
    migrating.upgrade(config, HEAD)


def check_readable(connection: Connection, path: Path) -> bool:
    """Whether there is anything to read. Raises `RevisionError` for a file of another version."""
    found = revision(connection)
    if found is None or found == HEAD:
        return found is not None
    if _is_known(migrations(connection), found):
        raise RevisionError(f"{path} was written by an older version. Start a node once: it upgrades the file.")
    raise _newer(path, found)


def migrations(connection: Connection) -> Config:
    """Alembic's configuration: all of it, so that there is no file to ship and to find."""
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def _is_known(config: Config, found: str) -> bool:
    from alembic.script import ScriptDirectory

    return found in {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}


def _newer(path: Path, found: str) -> RevisionError:
    return RevisionError(
        f"{path} was written by a newer version of this software (revision {found[:40]!r}; this one knows {HEAD!r}). "
        "Update this software, or use another home."
    )


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what SQLite and the disk raise into `StoreUnavailableError`, with a sentence for people."""
    try:
        yield
    except DatabaseError as error:
        damaged = not isinstance(error, OperationalError)
        hint = " Restore it from a backup, or move it away." if damaged else ""
        raise StoreUnavailableError(f"{path}: {reason(error)}.{hint}") from error
    except FAILURES as error:
        raise StoreUnavailableError(f"{path}: {reason(error)}.") from error


def reason(error: BaseException) -> str:
    """Why it failed, in the words of SQLite or the operating system, without any statement or value."""
    if isinstance(error, SQLAlchemyError):
        original = getattr(error, "orig", None)
        return str(original) if original is not None else type(error).__name__
    return (getattr(error, "strerror", None) if isinstance(error, OSError) else str(error)) or type(error).__name__


def _create(path: Path) -> None:
    """Make the file its owner's alone before SQLite sees it: its journals take their mode from it.

    An existing file is never opened here: closing it would drop the locks that SQLite holds on it in this process.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)


def _configure_writer(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy says, not where sqlite3 guesses
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "fullfsync=ON",  # macOS: past the drive's cache too
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _configure_reader(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}").fetchall()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
