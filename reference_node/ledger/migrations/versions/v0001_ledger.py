"""Accounts, grants, settlements, events and conflicts. Each step may be repeated: MariaDB has no transactional DDL."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

MOST = (1 << 53) - 1

APPEND_ONLY = {
    "sqlite": [
        "CREATE TRIGGER events_no_{verb} BEFORE {VERB} ON events BEGIN SELECT RAISE(ABORT, 'events are for ever'); END"
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION ledger_for_ever() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'events are for ever'; END $$",
        "CREATE TRIGGER events_no_{verb} BEFORE {VERB} ON events FOR EACH STATEMENT EXECUTE FUNCTION ledger_for_ever()",
    ],
    "mariadb": [
        "CREATE TRIGGER IF NOT EXISTS events_no_{verb} BEFORE {VERB} ON events "
        "FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'events are for ever'"
    ],
}


def _bytes(size: int, variant: type[mysql.BINARY | mysql.VARBINARY] = mysql.BINARY) -> sa.types.TypeEngine[bytes]:
    return sa.LargeBinary().with_variant(variant(size), "mysql", "mariadb")


def _name(column: str, *, primary_key: bool = False) -> sa.Column[bytes]:
    return sa.Column(column, _bytes(32), primary_key=primary_key, nullable=False)


def _amount(column: str) -> sa.Column[int]:
    return sa.Column(column, sa.BigInteger, nullable=False)


def upgrade() -> None:
    """Create the tables."""
    _accounts_and_grants()
    _settlements()
    _events()
    op.create_table(
        "conflicts",
        _name("id", primary_key=True),
        _name("open_hash"),
        sa.Column("proof", _bytes(1024, mysql.VARBINARY), nullable=False),
        _amount("created"),
        if_not_exists=True,
    )
    _for_ever()


def _accounts_and_grants() -> None:
    op.create_table(
        "accounts",
        _name("id", primary_key=True),
        _name("network"),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        _name("member"),
        _amount("available"),
        _amount("reserved"),
        _amount("pending"),
        sa.CheckConstraint(
            f"(kind = 1 AND available BETWEEN 0 AND {MOST}) OR (kind = 0 AND available BETWEEN -{MOST} AND 0)",
            name="accounts_available",
        ),
        sa.CheckConstraint(f"reserved BETWEEN 0 AND {MOST}", name="accounts_reserved"),
        sa.CheckConstraint(f"pending BETWEEN 0 AND {MOST}", name="accounts_pending"),
        if_not_exists=True,
    )
    op.create_table(
        "grants",
        _name("id", primary_key=True),
        _name("network"),
        sa.Column("serial", _bytes(16), nullable=False),
        _name("member"),
        _amount("amount"),
        sa.CheckConstraint(f"amount BETWEEN 0 AND {MOST}", name="grants_amount"),
        if_not_exists=True,
    )


def _settlements() -> None:
    op.create_table(
        "settlements",
        _name("id", primary_key=True),
        _name("network"),
        _name("consumer"),
        _name("provider"),
        _amount("sequence"),
        _name("open_hash"),
        sa.Column("proof", _bytes(1024, mysql.VARBINARY), nullable=False),
        _name("consumer_account"),
        _name("provider_account"),
        sa.Column("state", sa.String(8), nullable=False),
        _amount("ceiling"),
        _amount("claimed"),
        sa.Column("total", sa.BigInteger),
        _amount("expires"),
        sa.Column("events", sa.Integer, nullable=False),
        sa.CheckConstraint(f"ceiling BETWEEN 0 AND {MOST}", name="settlements_ceiling"),
        sa.CheckConstraint("claimed BETWEEN 0 AND ceiling", name="settlements_claimed"),
        sa.CheckConstraint("total BETWEEN 0 AND ceiling", name="settlements_total"),
        sa.CheckConstraint(
            "(state = 'reserved' AND total IS NULL) OR (state IN ('final', 'lapsed') AND total IS NOT NULL)",
            name="settlements_state",
        ),
        if_not_exists=True,
    )
    op.create_index("settlements_due", "settlements", ["state", "expires"], if_not_exists=True)
    op.create_index("settlements_holder", "settlements", ["consumer_account", "state"], if_not_exists=True)


def _events() -> None:
    op.create_table(
        "events",
        _name("subject", primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(8), nullable=False),
        _name("source"),
        _name("target"),
        _amount("amount"),
        _amount("created"),
        sa.Column("evidence", _bytes(4096, mysql.VARBINARY)),
        sa.CheckConstraint(f"amount BETWEEN 0 AND {MOST}", name="events_amount"),
        if_not_exists=True,
    )
    op.create_index("events_source", "events", ["source", "created"], if_not_exists=True)
    op.create_index("events_target", "events", ["target", "created"], if_not_exists=True)


def _for_ever() -> None:
    """Let the database itself refuse to change or to remove an event."""
    dialect = op.get_bind().dialect.name
    for statement in APPEND_ONLY["mariadb" if dialect == "mysql" else dialect]:
        verbs = ("update", "delete") if "{verb}" in statement else ("",)
        for verb in verbs:
            op.execute(statement.format(verb=verb, VERB=verb.upper()) if verb else statement)
