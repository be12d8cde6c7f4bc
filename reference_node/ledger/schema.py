"""The tables of the ledger. A change here needs a migration beside it: a test compares the two.

Names of 32 bytes are keys, since no database then has to hand out numbers, and none has to agree on them with another
node of its cluster. Constraints say once more what the rules say: the database refuses a balance below zero even to
software that is wrong. References are checked by the audit and not by the database: a cluster would otherwise take two
bookings of one account for a conflict, where they are none.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from .facts import MAX_EVIDENCE, MAX_ISSUE, MAX_PROOF, SERIAL_SIZE

metadata = MetaData()

_MY = ("mysql", "mariadb")


def fixed(size: int) -> TypeEngine[bytes]:
    """Exactly ``size`` bytes: MariaDB indexes no blob."""
    return LargeBinary().with_variant(mysql.BINARY(size), *_MY)


def upto(size: int) -> TypeEngine[bytes]:
    """At most ``size`` bytes."""
    return LargeBinary().with_variant(mysql.VARBINARY(size), *_MY)


def _name(column: str, *, primary_key: bool = False) -> Column[bytes]:
    return Column(column, fixed(32), primary_key=primary_key, nullable=False)


def _amount(column: str) -> Column[int]:
    return Column(column, BigInteger, nullable=False)


accounts = Table(
    "accounts",
    metadata,
    _name("id", primary_key=True),
    _name("network"),
    Column("kind", SmallInteger, nullable=False),
    _name("member"),
    _amount("available"),
    _amount("reserved"),
    _amount("pending"),
    CheckConstraint(
        f"(kind = 1 AND available BETWEEN 0 AND {MAX_ISSUE}) OR (kind = 0 AND available BETWEEN -{MAX_ISSUE} AND 0)",
        name="accounts_available",
    ),
    CheckConstraint(f"reserved BETWEEN 0 AND {MAX_ISSUE}", name="accounts_reserved"),
    CheckConstraint(f"pending BETWEEN 0 AND {MAX_ISSUE}", name="accounts_pending"),
)
"""Projections of the events, changed in the transaction that writes the event."""

grants = Table(
    "grants",
    metadata,
    _name("id", primary_key=True),
    _name("network"),
    Column("serial", fixed(SERIAL_SIZE), nullable=False),
    _name("member"),
    _amount("amount"),
    CheckConstraint(f"amount BETWEEN 0 AND {MAX_ISSUE}", name="grants_amount"),
)

settlements = Table(
    "settlements",
    metadata,
    _name("id", primary_key=True),
    _name("network"),
    _name("consumer"),
    _name("provider"),
    _amount("sequence"),
    _name("open_hash"),
    Column("proof", upto(MAX_PROOF), nullable=False),
    _name("consumer_account"),
    _name("provider_account"),
    Column("state", String(8), nullable=False),
    _amount("ceiling"),
    _amount("claimed"),
    Column("total", BigInteger),
    _amount("expires"),
    Column("events", Integer, nullable=False),
    CheckConstraint(f"ceiling BETWEEN 0 AND {MAX_ISSUE}", name="settlements_ceiling"),
    CheckConstraint("claimed BETWEEN 0 AND ceiling", name="settlements_claimed"),
    CheckConstraint("total BETWEEN 0 AND ceiling", name="settlements_total"),
    CheckConstraint(
        "(state = 'reserved' AND total IS NULL) OR (state IN ('final', 'lapsed') AND total IS NOT NULL)",
        name="settlements_state",
    ),
    Index("settlements_due", "state", "expires"),
    Index("settlements_holder", "consumer_account", "state"),
)
"""One row per identity, for ever: the first open under it holds it."""

events = Table(
    "events",
    metadata,
    _name("subject", primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(8), nullable=False),
    _name("source"),
    _name("target"),
    _amount("amount"),
    _amount("created"),
    Column("evidence", upto(MAX_EVIDENCE)),
    CheckConstraint(f"amount BETWEEN 0 AND {MAX_ISSUE}", name="events_amount"),
    Index("events_source", "source", "created"),
    Index("events_target", "target", "created"),
)
"""Only ever added to. ``amount`` goes from ``source`` to ``target``; ``created`` is in milliseconds since 1970."""

conflicts = Table(
    "conflicts",
    metadata,
    _name("id", primary_key=True),
    _name("open_hash"),
    Column("proof", upto(MAX_PROOF), nullable=False),
    _amount("created"),
)
"""The first other open that was shown under an identity: with the one that holds it, proof of fraud."""
