"""The tables of receipts.db. A change here needs a migration beside it: a test compares the two."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Float, Index, Integer, LargeBinary, String, UniqueConstraint, bindparam, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The tables of this store."""

    type_annotation_map = {bytes: LargeBinary, int: Integer, str: String, float: Float}  # noqa: RUF012 - SQLAlchemy's


class Identified:
    """The columns of an open's identity."""

    network: Mapped[bytes]
    consumer: Mapped[bytes]
    provider: Mapped[bytes]
    sequence: Mapped[int]


class ReceiptRow(Identified, Base):
    """A receipt of one side. What was signed is kept as the bytes that were signed; the rest repeats them to search.

    ``ceiling`` and ``claim`` are in micro-credits: what counts while the exchange runs and once it is over. The first
    ``covered`` of it are paid by what this node owed the consumer, the others by its allowance. ``expires`` is the
    quote's. Salts are never here. ``settlement`` and ``booked`` are as in `Record`. Two indexes hold all that balances
    are summed up from, the last one what is due at settlement nodes.
    """

    __tablename__ = "receipts"
    __table_args__ = (
        UniqueConstraint("role", "network", "provider", "consumer", "sequence", name="receipts_identity"),
        Index("receipts_created", "role", "created"),
        Index("receipts_open", "open_hash"),
        Index("receipts_earned", "network", "provider", "state", "claim", sqlite_where=text("role = 'consumer'")),
        Index("receipts_drawn", "network", "consumer", "state", "claim", "covered", sqlite_where=text("covered > 0")),
        Index("receipts_due", "network", "created", sqlite_where=text("settlement = 'due'")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    role: Mapped[str]
    state: Mapped[str]
    open_hash: Mapped[bytes]
    ceiling: Mapped[int]
    claim: Mapped[int]
    covered: Mapped[int] = mapped_column(server_default=text("0"))
    expires: Mapped[int]
    quote: Mapped[bytes]
    quote_signature: Mapped[bytes]
    open: Mapped[bytes]
    open_signature: Mapped[bytes]
    ticks: Mapped[int]
    link: Mapped[bytes]
    close: Mapped[bytes | None]
    close_signature: Mapped[bytes | None]
    countersignature: Mapped[bytes | None]
    created: Mapped[float]
    updated: Mapped[float]
    settlement: Mapped[str] = mapped_column(server_default=text("''"))
    booked: Mapped[int] = mapped_column(server_default=text("0"))


class SequenceRow(Base):
    """The next number that this node has not taken yet for its opens to a provider."""

    __tablename__ = "sequences"

    network: Mapped[bytes] = mapped_column(primary_key=True)
    provider: Mapped[bytes] = mapped_column(primary_key=True)
    next: Mapped[int]


class FraudRow(Identified, Base):
    """Two different opens of one consumer under one identity. The first such pair is proof enough: one per identity."""

    __tablename__ = "frauds"
    __table_args__ = (UniqueConstraint("network", "consumer", "provider", "sequence", name="frauds_identity"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    first: Mapped[bytes]
    first_signature: Mapped[bytes]
    second: Mapped[bytes]
    second_signature: Mapped[bytes]
    seen: Mapped[float]


def matches(table: type[Identified]) -> tuple[ColumnElement[bool], ...]:
    """The condition that selects the row of an identity, whose parts are parameters of their names."""
    return (
        table.network == bindparam("network"),
        table.provider == bindparam("provider"),
        table.consumer == bindparam("consumer"),
        table.sequence == bindparam("sequence"),
    )
