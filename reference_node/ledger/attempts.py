"""Transactions that are tried again: what databases raise, and which of it another attempt may get over.

Every operation of the ledger may be repeated, so a transaction whose commit was lost with its connection is simply
tried again. Attempts wait a random time that grows, and end at a deadline.
"""

from __future__ import annotations

import random
import sqlite3
import time
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from .errors import LedgerError, LedgerUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .places import Place

DEADLINE_S = 8.0
"""Seconds of attempts: longer than a database takes to fail over or to resolve a conflict, shorter than a call may."""
FIRST_WAIT_S = 0.002
LAST_WAIT_S = 0.5
"""Longest waits after the first and the later attempts; each is a random part of that, so that rivals part."""

T = TypeVar("T")


class Fault(Enum):
    """What may be done about an error of the database."""

    AGAIN = "conflict"
    """Another transaction was in the way."""
    GONE = "no connection"
    """It may come back, or another node of the cluster may answer."""
    REFUSES = "refuses"
    """It is there and cannot: full, read-only, damaged, no such user. Somebody has to do something."""
    BUG = "bug"
    """It was asked for what its constraints forbid."""


_SQLITE = {
    sqlite3.SQLITE_BUSY: Fault.AGAIN,
    sqlite3.SQLITE_LOCKED: Fault.AGAIN,
    sqlite3.SQLITE_CONSTRAINT: Fault.BUG,
}
_POSTGRESQL = {
    "40": Fault.AGAIN,  # serialization failure, deadlock
    "55P03": Fault.AGAIN,  # a lock was not available in time
    "23505": Fault.AGAIN,  # unique violation: another process was first with the same identity
    "23": Fault.BUG,
    "08": Fault.GONE,
    "25P03": Fault.GONE,  # idle in a transaction for too long
    "57P": Fault.GONE,  # shutting down, starting up
    "53300": Fault.GONE,  # too many connections
    "53": Fault.REFUSES,  # no room, no memory
    "42": Fault.BUG,
    "22": Fault.BUG,
}
_MARIADB = {
    1213: Fault.AGAIN,  # deadlock, and what a cluster could not certify
    1205: Fault.AGAIN,  # a lock was not available in time
    1020: Fault.AGAIN,  # the row has changed since it was read
    1062: Fault.AGAIN,  # unique violation
    1180: Fault.AGAIN,  # the cluster refused the commit
    4025: Fault.BUG,  # a check constraint
    1040: Fault.GONE,
    1047: Fault.GONE,  # this node is not, or not yet, a part of its cluster
    1053: Fault.GONE,
    1927: Fault.GONE,
    2002: Fault.GONE,
    2003: Fault.GONE,
    2006: Fault.GONE,
    2013: Fault.GONE,
    2014: Fault.GONE,
    2055: Fault.GONE,
    0: Fault.GONE,  # the driver's own: the connection is closed
}


def fault(error: SQLAlchemyError) -> Fault:
    """What may be done about ``error``."""
    if isinstance(error, PoolTimeoutError):
        return Fault.GONE
    if not isinstance(error, DBAPIError) or error.orig is None:
        return Fault.BUG
    original = error.orig
    if isinstance(original, sqlite3.Error):
        return _SQLITE.get(getattr(original, "sqlite_errorcode", 0) & 0xFF, Fault.REFUSES)
    lost = Fault.GONE if error.connection_invalidated else Fault.REFUSES
    code = original.args[0] if original.args else None
    if isinstance(code, int):  # MariaDB's
        return _MARIADB.get(code, lost)
    state = getattr(original, "sqlstate", None) or "08"  # none where the server was not reached, or was lost
    return next((each for length in (5, 3, 2) if (each := _POSTGRESQL.get(state[:length]))), lost)


def reason(error: BaseException) -> str:
    """Why it failed, in the first line of the words of the database: without any statement or value."""
    original = getattr(error, "orig", None) or error
    if isinstance(original, sqlite3.Error) or not original.args:
        text = str(original)
    else:
        text = str(original.args[-1])
    return (text.strip().splitlines() or [type(original).__name__])[0].rstrip(".")[:200]


def attempt(work: Callable[[], T], place: Place, *, deadline_s: float = DEADLINE_S) -> T:
    """What ``work``, one whole transaction, returns. Raises `LedgerError`; nothing of it is then booked.

    The exception is a commit whose answer was lost with the connection; repeating the operation tells.
    """
    end, wait = time.monotonic() + deadline_s, FIRST_WAIT_S
    while True:
        try:
            return work()
        except SQLAlchemyError as error:
            found = fault(error)
            pause = random.uniform(0, wait)
            if found in (Fault.REFUSES, Fault.BUG) or time.monotonic() + pause > end:
                raise failure(error, found, place) from error
        time.sleep(pause)
        wait = min(2 * wait, LAST_WAIT_S)


def failure(error: SQLAlchemyError, found: Fault, place: Place) -> LedgerError:
    """The error for people: what is wrong, and the next step."""
    said = f"{place.text}: {reason(error)}."
    if found is Fault.BUG:
        return LedgerError(f"{said} This is a bug, or the database was changed by something else: run `ledger check`.")
    if found is Fault.AGAIN:
        return LedgerUnavailableError(f"{said} Others use the database all the time; try again.")
    if found is Fault.GONE:
        return LedgerUnavailableError(f"{said} Start the database, or correct --ledger; then try again.")
    step = "Make room for it, or restore it from a backup" if place.path else "See to the database"
    return LedgerUnavailableError(f"{said} {step}; then try again.")
