"""What an authority must not forget: invites and how often each was used, members, revocations. One file a network.

Redeeming is one transaction that takes a use and names the member, so an invite is used exactly once per use however
many ask at the same time, and a member that asks again (its answer was lost) takes no second one. What is written is
on the disk before the membership is signed.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mycellm_proto.limits import MAX_CERTIFICATE_LIFE

from .errors import NetworkError, SpentError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGISTER_FILE = "register.db"
VERSION = 1
"""Of the tables below; a file of a later version is not touched."""
BUSY_TIMEOUT_S = 5.0
LISTED_S = MAX_CERTIFICATE_LIFE + 3600
"""For how long a roll lists a key: what it voids was issued before, and has expired after that, whatever the clocks."""

_TABLES = """
CREATE TABLE invites (
    serial BLOB PRIMARY KEY, uses INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0, roles INTEGER NOT NULL,
    quota INTEGER NOT NULL, expires INTEGER NOT NULL, label TEXT NOT NULL, withdrawn INTEGER NOT NULL DEFAULT 0,
    CHECK (used BETWEEN 0 AND uses)
) STRICT;
CREATE TABLE members (
    member BLOB PRIMARY KEY, label TEXT NOT NULL, roles INTEGER NOT NULL, quota INTEGER NOT NULL,
    serial BLOB NOT NULL UNIQUE, epoch INTEGER NOT NULL, admitted INTEGER NOT NULL, expires INTEGER NOT NULL DEFAULT 0,
    revoked INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE redemptions (invite BLOB NOT NULL, member BLOB NOT NULL, PRIMARY KEY (invite, member)) STRICT;
CREATE TABLE revocations (key BLOB PRIMARY KEY, epoch INTEGER NOT NULL, listed INTEGER NOT NULL) STRICT;
CREATE TABLE rolls (number INTEGER PRIMARY KEY, issued INTEGER NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """What a member is given: a ``label`` for people, ``roles``, and ``quota`` in micro-credits under a new serial."""

    label: str
    roles: int
    quota: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteRow:
    """An invite that was made: ``quota`` in micro-credits, ``expires`` in seconds since 1970."""

    serial: bytes
    uses: int
    used: int
    roles: int
    quota: int
    expires: int
    label: str
    withdrawn: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRow:
    """A member. ``serial`` and ``quota`` are those of its newest grant; ``expires`` is that of its last membership."""

    member: bytes
    label: str
    roles: int
    quota: int
    serial: bytes
    epoch: int
    admitted: int
    expires: int
    revoked: bool


class Register:
    """The register in ``path``, made at the first use. Every method is one transaction. Raises `NetworkError`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._transaction() as db:
            self._prepare(db)

    # Invites

    def add_invite(self, invite: InviteRow) -> None:
        """Keep a new invite."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO invites (serial, uses, roles, quota, expires, label) VALUES (?, ?, ?, ?, ?, ?)",
                (invite.serial, invite.uses, invite.roles, invite.quota, invite.expires, invite.label),
            )

    def invites(self) -> list[InviteRow]:
        """Every invite, the newest last."""
        with self._transaction() as db:
            rows = db.execute("SELECT * FROM invites ORDER BY rowid").fetchall()
        return [InviteRow(**{**dict(row), "withdrawn": bool(row["withdrawn"])}) for row in rows]

    def withdraw(self, serial: bytes) -> bool:
        """Let an invite be used no more; False where there is none."""
        with self._transaction() as db:
            return db.execute("UPDATE invites SET withdrawn = 1 WHERE serial = ?", (serial,)).rowcount == 1

    def redeem(self, invite: bytes, member: bytes, serial: bytes, now: int) -> MemberRow:
        """Take one use of ``invite`` for ``member``, or none where it was redeemed by that member before.

        ``serial`` is a fresh one for the membership. Raises `SpentError`, and `NetworkError` for a revoked member.
        """
        with self._transaction() as db:
            held = self._find(db, member)
            if held is not None and held.revoked:
                raise NetworkError("This member was revoked. Its authority can admit it again.")
            if not db.execute("INSERT OR IGNORE INTO redemptions VALUES (?, ?)", (invite, member)).rowcount:
                if held is None:
                    raise SpentError("The member of this redemption is gone.")
                return held
            row = db.execute(
                "UPDATE invites SET used = used + 1 WHERE serial = ? AND used < uses AND NOT withdrawn AND expires > ? "
                "RETURNING roles, quota, label",
                (invite, now),
            ).fetchone()
            if row is None:
                raise SpentError("The invite is used up, withdrawn or expired.")
            roles = row["roles"] | (held.roles if held else 0)
            return self._admit(db, member, Seat(label=row["label"], roles=roles, quota=row["quota"]), serial, now)

    # Members

    def admit(self, member: bytes, seat: Seat, serial: bytes, now: int) -> MemberRow:
        """Make ``member`` one, anew where it was revoked, or give it another seat."""
        with self._transaction() as db:
            return self._admit(db, member, seat, serial, now)

    def member(self, member: bytes) -> MemberRow | None:
        """What is known of ``member``."""
        with self._transaction() as db:
            return self._find(db, member)

    def members(self) -> list[MemberRow]:
        """Every member, revoked ones too, the newest last."""
        with self._transaction() as db:
            rows = db.execute("SELECT * FROM members ORDER BY rowid").fetchall()
        return [_member(row) for row in rows]

    def issued(self, member: bytes, expires: int) -> None:
        """Note until when the membership that was just signed is good."""
        with self._transaction() as db:
            db.execute("UPDATE members SET expires = ? WHERE member = ?", (expires, member))

    # Revocations

    def revoke(self, member: bytes, now: int) -> MemberRow:
        """Let every membership of ``member`` be void. Raises `NetworkError` where it is none."""
        with self._transaction() as db:
            held = self._find(db, member)
            if held is None:
                raise NetworkError("There is no such member. `network members` lists them.")
            db.execute("UPDATE members SET revoked = 1 WHERE member = ?", (member,))
            self._void(db, member, held.epoch + 1, now)
        return held

    def void(self, key: bytes, epoch: int, now: int) -> None:
        """Let every certificate by or for ``key`` of an earlier epoch be void.

        A member with that key stays one: its next membership is of the new epoch.
        """
        with self._transaction() as db:
            db.execute("UPDATE members SET epoch = max(epoch, ?) WHERE member = ?", (epoch, key))
            self._void(db, key, epoch, now)

    def revocations(self, now: int) -> list[tuple[bytes, int]]:
        """Keys and epochs, ascending by key, as long as a certificate that they void could not have expired.

        The epochs of the others are kept here, so that no membership of an earlier one is ever signed again.
        """
        with self._transaction() as db:
            rows = db.execute(
                "SELECT key, epoch FROM revocations WHERE listed > ? ORDER BY key", (now - LISTED_S,)
            ).fetchall()
        return [(row["key"], row["epoch"]) for row in rows]

    def next_roll(self, now: int) -> int:
        """The number of a new roll: one that was never given before."""
        with self._transaction() as db:
            row = db.execute("INSERT INTO rolls (issued) VALUES (?) RETURNING number", (now,)).fetchone()
        return int(row["number"])

    # Inside

    @staticmethod
    def _admit(db: sqlite3.Connection, member: bytes, seat: Seat, serial: bytes, now: int) -> MemberRow:
        voided = db.execute("SELECT epoch FROM revocations WHERE key = ?", (member,)).fetchone()
        epoch = voided["epoch"] if voided else 0
        row = db.execute(
            "INSERT INTO members (member, label, roles, quota, serial, epoch, admitted) VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (member) DO UPDATE SET label = excluded.label, roles = excluded.roles, "
            "quota = excluded.quota, serial = excluded.serial, epoch = excluded.epoch, revoked = 0 RETURNING *",
            (member, seat.label, seat.roles, seat.quota, serial, epoch, now),
        ).fetchone()
        return _member(row)

    @staticmethod
    def _find(db: sqlite3.Connection, member: bytes) -> MemberRow | None:
        row = db.execute("SELECT * FROM members WHERE member = ?", (member,)).fetchone()
        return None if row is None else _member(row)

    @staticmethod
    def _void(db: sqlite3.Connection, key: bytes, epoch: int, now: int) -> None:
        db.execute(
            "INSERT INTO revocations VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET epoch = excluded.epoch, "
            "listed = excluded.listed WHERE excluded.epoch > epoch",
            (key, epoch, now),
        )

    def _prepare(self, db: sqlite3.Connection) -> None:
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found > VERSION:
            raise NetworkError(f"{self._path} was written by a newer version of this software. Use that one.")
        if found == 0:
            for statement in _TABLES.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            with contextlib.closing(sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as db:
                db.row_factory = sqlite3.Row
                db.execute("PRAGMA synchronous = FULL")
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                except BaseException:
                    db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise NetworkError(f"The register {self._path} cannot be used: {error}.") from error


def _member(row: sqlite3.Row) -> MemberRow:
    return MemberRow(**{**dict(row), "revoked": bool(row["revoked"])})
