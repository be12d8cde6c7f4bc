"""Reading and checking what is stored: beside a running node, without writing, trusting nothing in the file."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mycellm_proto.economy import DIRECT_NETWORK, close_body, quote_body
from mycellm_proto.errors import ProtocolError
from mycellm_proto.receipt import Finding, verify_double_open, verify_evidence
from mycellm_proto.signed import HASH_SIZE, Signed

from . import rows
from .database import check_readable, open_reader, readable
from .records import ReceiptState, Record
from .schema import Base, FraudRow, ReceiptRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from sqlalchemy import Connection, RowMapping

    from mycellm_proto.economy import Close, Quote

ID_CHARS = 2 * HASH_SIZE
"""Hexadecimal digits of a receipt's id, the hash of its open; people write as many as they need."""
_PAGE = 256
"""Rows in memory at once."""
_STORED = "RCP-048"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """A stored receipt and what does not hold in it. ``record`` and what it says are None where it cannot be read."""

    id: str
    record: Record | None
    quote: Quote | None
    close: Close | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedFraud:
    """Two stored opens under one identity, and what does not hold in that proof."""

    first: Signed
    second: Signed
    seen: float
    findings: tuple[Finding, ...]


class Archive:
    """The receipts in a file, read-only. Methods raise `StoreUnavailableError`."""

    def __init__(self, path: Path, connection: Connection, networks: Collection[bytes]) -> None:
        self._path = path
        self._networks = networks
        self._connection = connection

    def receipts(self, *, prefix: str = "", last: int | None = None) -> Iterator[Audited]:
        """Those whose id begins with ``prefix``, or the ``last`` ones; the oldest first."""
        chosen = (
            "SELECT * FROM (SELECT * FROM receipts WHERE hex(open_hash) LIKE ? ORDER BY created DESC, id DESC LIMIT ?)"
            " ORDER BY created, id"
        )
        for row in self._rows(chosen, (prefix.upper() + "%", -1 if last is None else last)):
            yield audit(row, self._networks)

    def frauds(self) -> Iterator[AuditedFraud]:
        """The proofs of fraud, the oldest first."""
        for row in self._rows("SELECT * FROM frauds ORDER BY id", ()):
            yield _audit_fraud(row)

    def _rows(self, statement: str, parameters: tuple[object, ...]) -> Iterator[RowMapping]:
        # As SQLite has them, without the types of the schema: those would trip over what they do not expect.
        with readable(self._path):
            yield from self._connection.exec_driver_sql(statement, parameters).mappings().yield_per(_PAGE)


@contextlib.contextmanager
def open_archive(path: Path, networks: Collection[bytes] = (DIRECT_NETWORK,)) -> Iterator[Archive | None]:
    """The archive in ``path``; None where no node has stored anything yet. ``networks`` are those that its node knows.

    Raises `StoreError`.
    """
    if not path.exists():
        yield None
        return
    engine = open_reader(path)
    try:
        with readable(path):
            connection = engine.connect()
        with connection:
            with readable(path):
                filled = check_readable(connection, path)
            yield Archive(path, connection, networks) if filled else None
    finally:
        engine.dispose()


def audit(row: RowMapping, networks: Collection[bytes] = (DIRECT_NETWORK,)) -> Audited:
    """Check one row of receipts: its evidence, and that the columns beside it say the same."""
    open_hash = row["open_hash"]
    shown = open_hash.hex() if isinstance(open_hash, bytes) else "?"
    try:
        _check_types(row, ReceiptRow)
        record = rows.read(row)
        quote = quote_body(record.evidence.quote)
        close = None if record.evidence.close is None else close_body(record.evidence.close)
        findings = (*verify_evidence(record.evidence, networks=networks), *_check_columns(record))
    except (ValueError, ProtocolError) as error:
        finding = Finding(check="row", requirement=_STORED, problem=str(error))
        return Audited(id=shown, record=None, quote=None, close=None, findings=(finding,))
    return Audited(id=shown, record=record, quote=quote, close=close, findings=findings)


def _audit_fraud(row: RowMapping) -> AuditedFraud:
    try:
        _check_types(row, FraudRow)
    except ValueError as error:
        finding = Finding(check="row", requirement=_STORED, problem=str(error))
        nothing = Signed(body=b"", signature=b"")
        return AuditedFraud(first=nothing, second=nothing, seen=0, findings=(finding,))
    first = Signed(body=row["first"], signature=row["first_signature"])
    second = Signed(body=row["second"], signature=row["second_signature"])
    return AuditedFraud(first=first, second=second, seen=row["seen"], findings=tuple(verify_double_open(first, second)))


def _check_types(row: RowMapping, table: type[Base]) -> None:
    """Raises `ValueError` for a value of another type than its column's: SQLite stores any in any."""
    for column in table.__table__.columns:
        value = row[column.name]
        missing = value is None and column.nullable
        if not missing and not isinstance(value, column.type.python_type):
            raise ValueError(f"{column.name} is not {column.type.python_type.__name__}")


def _check_columns(record: Record) -> Iterator[Finding]:
    if record.role not in ("consumer", "provider"):
        yield Finding(check="role", requirement=_STORED, problem=f"there is no role {record.role[:20]!r}")
    fresh = Record.of(record.role, record.evidence, record.state, record.created)
    for name in ("identity", "open_hash", "ceiling", "claim", "expires"):
        if getattr(fresh, name) != getattr(record, name):
            yield Finding(check=name, requirement=_STORED, problem="the column does not say what was signed")
    if not 0 <= record.covered <= (record.ceiling if record.role == "provider" else 0):
        problem = "more than the ceiling, or of a receipt that takes nothing"
        yield Finding(check="covered", requirement="NET-006", problem=problem)
    agreed = record.evidence.countersignature is not None
    if agreed is not (record.state is ReceiptState.SETTLED):
        problem = f"{record.state.value} {'with' if agreed else 'without'} a countersignature"
        yield Finding(check="state", requirement="RCP-030", problem=problem)
