"""All writes to receipts.db: synchronous, on one thread, each call one transaction that is on the disk at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.dialects import sqlite

from . import rows
from .records import ReceiptState, merge
from .schema import FraudRow, ReceiptRow, SequenceRow, matches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Engine

    from .records import Record

# Built once: building a statement costs more than running it.
_FIND = select(ReceiptRow.__table__).where(ReceiptRow.role == bindparam("role"), *matches(ReceiptRow))
_INSERT = insert(ReceiptRow)
_IMPROVE = update(ReceiptRow).where(ReceiptRow.id == bindparam("row"))
_JUDGE = (
    update(ReceiptRow)
    .where(
        ReceiptRow.open_hash == bindparam("of_open"),
        ReceiptRow.role == bindparam("of_role"),
        ReceiptRow.updated == bindparam("seen"),
    )
    .values(settlement=bindparam("word"), booked=bindparam("amount"))
)
_KEEP_FRAUD = sqlite.insert(FraudRow).on_conflict_do_nothing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a record: ``now`` is in the database; ``counted`` micro-credits of its claim were final before.

    ``conflict``: another open holds the identity. Nothing was changed, and the two opens are kept as proof of fraud.
    """

    now: Record
    counted: int
    conflict: bool = False


def write(engine: Engine, records: Sequence[Record]) -> list[Outcome]:
    """Insert or improve ``records``, all in one transaction. Raises `SQLAlchemyError`; then nothing was written."""
    with engine.begin() as connection:
        return [_write(connection, record) for record in records]


def _write(connection: Connection, record: Record) -> Outcome:
    found = connection.execute(_FIND, {"role": record.role, **record.identity._asdict()}).mappings().one_or_none()
    if found is None:
        connection.execute(_INSERT, rows.columns(record))
        return Outcome(now=record, counted=0)
    old = rows.read(found)
    counted = 0 if old.state is ReceiptState.OPENED else old.claim
    if old.open_hash != record.open_hash:
        _keep_fraud(connection, old, record)
        return Outcome(now=old, counted=counted, conflict=True)
    now = merge(old, record)
    if now is not old:
        connection.execute(_IMPROVE, {"row": found["id"], **rows.columns(now)})
    return Outcome(now=now, counted=counted)


def _keep_fraud(connection: Connection, first: Record, second: Record) -> None:
    """Keep two opens of one identity. One pair proves it: a liar who signs more of them fills no disk."""
    pair = {
        **first.identity._asdict(),
        "first": first.evidence.open.body,
        "first_signature": first.evidence.open.signature,
        "second": second.evidence.open.body,
        "second_signature": second.evidence.open.signature,
        "seen": second.created,
    }
    connection.execute(_KEEP_FRAUD, pair)


def judged(engine: Engine, judgements: Sequence[tuple[Record, str, int]]) -> None:
    """Note what a settlement node said of records that are as it saw them. Raises `SQLAlchemyError`."""
    changes = [
        {"of_role": record.role, "of_open": record.open_hash, "seen": record.updated, "word": word, "amount": amount}
        for record, word, amount in judgements
    ]
    with engine.begin() as connection:
        connection.execute(_JUDGE, changes)


def take_sequences(engine: Engine, network: bytes, provider: bytes, count: int) -> int:
    """Take ``count`` numbers and return the first. Raises `SQLAlchemyError`; then none may be used."""
    taken = (
        sqlite.insert(SequenceRow)
        .values(network=network, provider=provider, next=1 + count)
        .on_conflict_do_update(index_elements=["network", "provider"], set_={"next": SequenceRow.next + count})
        .returning(SequenceRow.next)
    )
    with engine.begin() as connection:
        following = connection.execute(taken).scalar_one()
    return following - count
