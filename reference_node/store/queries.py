"""Reads of receipts.db that the node needs: synchronous, on a connection that never waits for the writer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Integer, and_, bindparam, cast, func, literal_column, or_, select
from sqlalchemy.orm import Session

from . import rows
from .allowance import BUCKET_S, WINDOW_S
from .credit import Credit
from .records import ReceiptState
from .schema import ReceiptRow

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from .records import Identity, Record

# Built once: building a statement costs more than running it, and these stand before first tokens.
_OPENS = select(ReceiptRow.sequence, ReceiptRow.open_hash).where(
    ReceiptRow.role == "provider",
    ReceiptRow.network == bindparam("network"),
    ReceiptRow.provider == bindparam("provider"),
    ReceiptRow.consumer == bindparam("consumer"),
    ReceiptRow.sequence.between(bindparam("sequence") - 1, bindparam("sequence")),
)
_NEWEST = (
    select(ReceiptRow.sequence, ReceiptRow.open_hash)
    .where(
        ReceiptRow.role == "provider",
        ReceiptRow.network == bindparam("network"),
        ReceiptRow.provider == bindparam("provider"),
        ReceiptRow.consumer == bindparam("consumer"),
    )
    .order_by(ReceiptRow.sequence.desc())
    .limit(1)
)

_PROVIDER = ReceiptRow.role == "provider"
_RUNS = ReceiptRow.state == ReceiptState.OPENED
_PAID = func.min(ReceiptRow.covered, ReceiptRow.claim)  # with two arguments it is SQLite's lesser of the two
_EARNED = (
    select(ReceiptRow.network, ReceiptRow.provider, func.sum(ReceiptRow.claim))
    .where(ReceiptRow.role == "consumer", ~_RUNS)
    .group_by(ReceiptRow.network, ReceiptRow.provider)
)
_DRAWN = (
    select(ReceiptRow.network, ReceiptRow.consumer, func.sum(_PAID))
    .where(ReceiptRow.covered > 0, ~_RUNS)
    .group_by(ReceiptRow.network, ReceiptRow.consumer)
)
_GIVEN = (
    select(ReceiptRow.network, func.min(ReceiptRow.created), func.sum(ReceiptRow.claim - _PAID))
    .where(_PROVIDER, ~_RUNS)
    .group_by(ReceiptRow.network, cast(ReceiptRow.created / BUCKET_S, Integer))
)


def newest_open(engine: Engine, identity: Identity) -> tuple[int, bytes]:
    """Number and hash of the newest open that this provider holds of that consumer; (0, b"") where it holds none."""
    with engine.connect() as connection:
        found = connection.execute(_NEWEST, identity._asdict()).one_or_none()
    return (0, b"") if found is None else (found.sequence, found.open_hash)


def open_hashes(engine: Engine, identity: Identity) -> dict[int, bytes]:
    """The hashes of the opens that this provider holds under the number of ``identity`` and the one before, if any."""
    with engine.connect() as connection:
        return {row.sequence: row.open_hash for row in connection.execute(_OPENS, identity._asdict())}


def latest_open(engine: Engine, network: bytes, provider: bytes, consumer: bytes) -> tuple[int, bytes] | None:
    """Number and hash of the newest open of ``consumer`` to ``provider``."""
    wanted = (
        select(ReceiptRow.sequence, ReceiptRow.open_hash)
        .where(
            ReceiptRow.role == "consumer",
            ReceiptRow.network == network,
            ReceiptRow.provider == provider,
            ReceiptRow.consumer == consumer,
        )
        .order_by(ReceiptRow.sequence.desc())
        .limit(1)
    )
    with engine.connect() as connection:
        found = connection.execute(wanted).one_or_none()
    return None if found is None else (found.sequence, found.open_hash)


def due(engine: Engine, network: bytes, started: float, quiet: float, most: int) -> list[Record]:
    """See `ReceiptStore.due`."""
    over = or_(~_RUNS, ReceiptRow.created < started)
    wanted = (
        select(ReceiptRow.__table__)
        .where(ReceiptRow.settlement == literal_column("'due'"), ReceiptRow.network == network)
        .where(or_(and_(_PROVIDER, over), and_(~_PROVIDER, ReceiptRow.updated < quiet)))
        .order_by(ReceiptRow.created)
        .limit(most)
    )
    with engine.connect() as connection:
        return [rows.read(row) for row in connection.execute(wanted).mappings()]


def load_credit(engine: Engine, now: float) -> Credit:
    """What this node owes its peers, and what it gave unpaid in the 24 hours before ``now``, by its receipts."""
    credit = Credit()
    recent = ReceiptRow.created > now - WINDOW_S
    with Session(engine) as session:
        for network, peer, claims in session.execute(_EARNED):
            credit.earn(network, peer, claims)
        for network, peer, drawn in session.execute(_DRAWN):
            credit.earn(network, peer, -drawn)
        for network, created, given in session.execute(_GIVEN.where(recent)):
            credit.give(network, created, given)
        opened = select(ReceiptRow.__table__).where(_PROVIDER, _RUNS, recent | (ReceiptRow.covered > 0))
        for row in session.execute(opened.order_by(ReceiptRow.created)).mappings():
            credit.left_open(rows.read(row))
    return credit
