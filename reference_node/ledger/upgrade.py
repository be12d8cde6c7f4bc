"""The tables of the ledger, created and upgraded by whichever process comes first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from .. import migrating
from .attempts import attempt
from .errors import LedgerRevisionError

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection, Engine

    from .places import Place

HEAD = "0001"
"""The newest revision. It is here, so that a ledger which is up to date opens without loading Alembic."""

VERSION_TABLE = "ledger_version"
"""Where the revision is: the database may hold other things too."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x6D79_6365_6C6C_6D01
"""An advisory lock of PostgreSQL: of processes that start at once, one creates the tables."""


def upgrade(engine: Engine, place: Place) -> None:
    """Bring the tables to `HEAD`. Raises `LedgerError`.

    MariaDB ends a transaction at every statement that creates something, so a revision there is made of steps that
    may be repeated, and a process that was second tries again and finds the work done.
    """

    def work() -> None:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            _upgrade(connection, place)

    attempt(work, place)


def _upgrade(connection: Connection, place: Place) -> None:
    found = revision(connection)
    if found == HEAD:
        return
    config = migrations(connection)
    if found is not None and not _is_known(config, found):
        raise _newer(place, found)
    migrating.upgrade(config, HEAD)


def revision(connection: Connection) -> str | None:
    """The revision of the tables; None where there are none."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - ours
    return None if found is None else str(found)


def check_readable(connection: Connection, place: Place) -> bool:
    """Whether there is anything to read. Raises `LedgerRevisionError` for tables of another version."""
    found = revision(connection)
    if found is None or found == HEAD:
        return found is not None
    if _is_known(migrations(connection), found):
        raise LedgerRevisionError(f"{place.text} is of an older version. Start a node once: it upgrades the ledger.")
    raise _newer(place, found)


def migrations(connection: Connection) -> Config:
    """Alembic's configuration: all of it, so that there is no file to ship and to find."""
    from alembic.config import Config

    config = Config(attributes={"connection": connection, "version_table": VERSION_TABLE})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def _is_known(config: Config, found: str) -> bool:
    from alembic.script import ScriptDirectory

    return found in {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}


def _newer(place: Place, found: str) -> LedgerRevisionError:
    return LedgerRevisionError(
        f"{place.text} was written by a newer version of this software (revision {found[:40]!r}; this one knows "
        f"{HEAD!r}). Update this software."
    )
