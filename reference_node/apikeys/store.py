"""Where keys are kept: one SQLite file for its owner alone, which the command line writes while a node reads it.

Of a key only its SHA-256 is stored. Keys are 256 random bits, so nothing slower than a hash is needed: there is no
list of likely keys to try. A revoked key stays in the file, for its name and its usage.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import sqlite3
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from ..identity import HomeError, make_home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

KEYS_FILE = "apikeys.sqlite"
SCHEMA_VERSION = 1
BUSY_S = 2.0
"""The longest wait for another process that writes: it takes milliseconds."""
MAX_NAME_CHARS = 64
MAX_RATE = 60_000
"""Requests in a minute: a key's last minute is remembered whole."""
MAX_TOKENS_PER_DAY = 1 << 53
DAY_S = 86_400

_SCHEMA = """
CREATE TABLE keys (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, digest BLOB NOT NULL UNIQUE, created INTEGER NOT NULL, revoked INTEGER,
    requests_per_minute INTEGER, tokens_per_day INTEGER, models TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX names ON keys (name) WHERE revoked IS NULL;
CREATE TABLE usage (
    key TEXT NOT NULL REFERENCES keys (id), day INTEGER NOT NULL, requests INTEGER NOT NULL, tokens INTEGER NOT NULL,
    PRIMARY KEY (key, day)
) STRICT, WITHOUT ROWID;
"""
_COLUMNS = "id, name, created, revoked, requests_per_minute, tokens_per_day, models"


class KeyStoreError(Exception):
    """The keys cannot be used, or what was asked of them cannot be done. The message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a key may do: None and the empty set stand for no limit. Tokens are of prompts and answers together."""

    requests_per_minute: int | None = None
    tokens_per_day: int | None = None
    models: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key without its secret. Times are in seconds since 1970."""

    id: str
    name: str
    created: int
    revoked: int | None
    limits: Limits


def digest(secret: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(secret.encode()).digest()


def _key(row: tuple[str, str, int, int | None, int | None, int | None, str]) -> Key:
    limits = Limits(requests_per_minute=row[4], tokens_per_day=row[5], models=frozenset(json.loads(row[6])))
    return Key(id=row[0], name=row[1], created=row[2], revoked=row[3], limits=limits)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise KeyStoreError(f"{path} cannot be used: {error}. Restore it, or move it away.") from None


class KeyStore:
    """The keys in one home. Open it with `open`; a context manager closes it."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self._path, self._database = path, database

    @classmethod
    def open(cls, home: Path) -> Self:
        """The store in ``home``, made when it is not there. Raises `KeyStoreError`, `HomeError`."""
        path = home / KEYS_FILE
        make_home(home)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        except OSError as error:
            raise HomeError(f"Cannot open {path}: {error.strerror}.") from None
        if path.stat().st_mode & 0o077:
            raise HomeError(f"{path} can be read by others. Run: chmod 600 '{path}'")
        with _told(path):
            database = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
            try:
                database.execute("PRAGMA journal_mode = WAL")  # so that a node's reads wait for nobody
                _prepare(database, path)
            except BaseException:
                database.close()
                raise
        return cls(path, database)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def create(self, name: str, limits: Limits) -> tuple[Key, str]:
        """A new key and its secret, which is nowhere else. Raises `KeyStoreError`."""
        if not (name.isprintable() and name.strip() == name and 1 <= len(name) <= MAX_NAME_CHARS):
            raise KeyStoreError(f"A key's name has 1 to {MAX_NAME_CHARS} printable characters.")
        secret = f"myk-{secrets.token_urlsafe(32)}"
        key = Key(id=secrets.token_hex(4), name=name, created=int(time.time()), revoked=None, limits=limits)
        row = (
            key.id, name, digest(secret), key.created, limits.requests_per_minute, limits.tokens_per_day,
            json.dumps(sorted(limits.models)),
        )  # fmt: skip
        with _told(self._path):
            try:
                self._database.execute("INSERT INTO keys VALUES (?, ?, ?, ?, NULL, ?, ?, ?)", row)
            except sqlite3.IntegrityError:
                raise KeyStoreError(f"There is a key named {name!r}. Revoke it, or choose another name.") from None
        return key, secret

    def keys(self) -> list[Key]:
        """All keys, the revoked ones too, oldest first. Raises `KeyStoreError`."""
        with _told(self._path):
            rows = self._database.execute(f"SELECT {_COLUMNS} FROM keys ORDER BY created, id")  # noqa: S608 - constants
            return [_key(row) for row in rows]

    def revoke(self, name_or_id: str) -> Key:
        """End a key at once, for a node that runs too. Raises `KeyStoreError`."""
        found = [key for key in self.keys() if name_or_id in (key.name, key.id) and key.revoked is None]
        if not found:
            raise KeyStoreError(f"There is no key {name_or_id!r} in use. `apikeys list` shows them.")
        with _told(self._path):
            self._database.execute("UPDATE keys SET revoked = ? WHERE id = ?", (int(time.time()), found[0].id))
        return found[0]

    def exists(self) -> bool:
        """Whether there ever was a key. Raises `KeyStoreError`."""
        with _told(self._path):
            return self._database.execute("SELECT 1 FROM keys LIMIT 1").fetchone() is not None

    def find(self, secret: str) -> Key | None:
        """The key with this secret, unless it is revoked. Raises `KeyStoreError`."""
        query = f"SELECT {_COLUMNS} FROM keys WHERE digest = ? AND revoked IS NULL"  # noqa: S608 - constants
        with _told(self._path):
            row = self._database.execute(query, (digest(secret),)).fetchone()
        return None if row is None else _key(row)

    def used(self, key_id: str, day: int) -> tuple[int, int]:
        """Requests and tokens of a key in one day (days since 1970, UTC). Raises `KeyStoreError`."""
        query = "SELECT requests, tokens FROM usage WHERE key = ? AND day = ?"
        with _told(self._path):
            return self._database.execute(query, (key_id, day)).fetchone() or (0, 0)

    def add(self, key_id: str, day: int, *, requests: int, tokens: int) -> None:
        """Add to what a key has used. Raises `KeyStoreError`."""
        query = (
            "INSERT INTO usage VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, "
            "tokens = tokens + excluded.tokens"
        )
        with _told(self._path):
            self._database.execute(query, (key_id, day, requests, tokens))


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        database.executescript(f"BEGIN EXCLUSIVE; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    elif version != SCHEMA_VERSION:
        raise KeyStoreError(f"{path} was written by a newer version of this program. Update this one.")
