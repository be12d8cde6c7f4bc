"""Between a `Record` and its row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mycellm_proto.economy import Evidence
from mycellm_proto.signed import Signed

from .records import Identity, ReceiptState, Record

if TYPE_CHECKING:
    from sqlalchemy import RowMapping


def columns(record: Record) -> dict[str, object]:
    """The columns of ``record``, by name."""
    evidence, close = record.evidence, record.evidence.close
    return {
        **record.identity._asdict(),
        "role": record.role,
        "state": record.state.value,
        "open_hash": record.open_hash,
        "ceiling": record.ceiling,
        "claim": record.claim,
        "covered": record.covered,
        "expires": record.expires,
        "quote": evidence.quote.body,
        "quote_signature": evidence.quote.signature,
        "open": evidence.open.body,
        "open_signature": evidence.open.signature,
        "ticks": evidence.ticks,
        "link": evidence.link,
        "close": None if close is None else close.body,
        "close_signature": None if close is None else close.signature,
        "countersignature": evidence.countersignature,
        "created": record.created,
        "updated": record.updated,
        "settlement": record.settlement,
        "booked": record.booked,
    }


def read(row: RowMapping) -> Record:
    """The record in ``row``, signatures not checked. Raises `ValueError` for a state that does not exist."""
    close = None
    if row["close"] is not None:
        close = Signed(body=row["close"], signature=row["close_signature"] or b"")
    evidence = Evidence(
        quote=Signed(body=row["quote"], signature=row["quote_signature"]),
        open=Signed(body=row["open"], signature=row["open_signature"]),
        ticks=row["ticks"],
        link=row["link"],
        close=close,
        countersignature=row["countersignature"],
    )
    return Record(
        role=row["role"],
        state=ReceiptState(row["state"]),
        evidence=evidence,
        identity=Identity(row["network"], row["consumer"], row["provider"], row["sequence"]),
        open_hash=row["open_hash"],
        ceiling=row["ceiling"],
        claim=row["claim"],
        covered=row["covered"],
        expires=row["expires"],
        created=row["created"],
        updated=row["updated"],
        settlement=row["settlement"],
        booked=row["booked"],
    )
