"""Reads of receipts.db that the node needs: synchronous, on a connection that never waits for the writer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Integer, bindparam, cast, func, select
from sqlalchemy.orm import Session

from .allowance import BUCKET_S, WINDOW_S, Allowance
from .records import Identity, ReceiptState
from .schema import ReceiptRow

if TYPE_CHECKING:
    from sqlalchemy import Engine

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


def load_allowance(engine: Engine, now: float) -> Allowance:
    """The sums of the 24 hours before ``now``. What a crash left open counts its ceiling until its quote expires."""
    allowance = Allowance()
    recent = (ReceiptRow.role == "provider", ReceiptRow.created > now - WINDOW_S)
    over = (
        select(ReceiptRow.network, func.min(ReceiptRow.created), func.sum(ReceiptRow.claim))
        .where(*recent, ReceiptRow.state != ReceiptState.OPENED)
        .group_by(ReceiptRow.network, cast(ReceiptRow.created / BUCKET_S, Integer))
    )
    opened = select(ReceiptRow).where(*recent, ReceiptRow.state == ReceiptState.OPENED).order_by(ReceiptRow.created)
    with Session(engine) as session:
        for network, created, claimed in session.execute(over):
            allowance.spend(network, created, claimed)
        for row in session.scalars(opened):
            identity = Identity(row.network, row.consumer, row.provider, row.sequence)
            allowance.reserve(identity, row.created, row.ceiling)
            allowance.lapse(identity, row.expires, row.claim)
    return allowance
