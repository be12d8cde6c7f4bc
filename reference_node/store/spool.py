"""The spool: where receipts wait, on the disk too, while the database cannot be written.

Its space is taken when the store is opened, so it can be written when the disk is full. An entry is its length
(4 bytes), the SHA-256 of its payload and the payload, in deterministic CBOR; a length of zero is the end. What a
power cut leaves half written does not match its hash, and is the end too.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from typing import TYPE_CHECKING, Any, cast

from mycellm_proto import codec
from mycellm_proto.economy import Evidence
from mycellm_proto.signed import HASH_SIZE, Signed

from .records import ReceiptState, Record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SPOOL_BYTES = 1 << 20
"""Space that is taken in advance: about 800 receipts, more than run at once on one node."""
_LENGTH = 4


class Spool:
    """One file of `SPOOL_BYTES`, of one process at a time. Methods raise `OSError`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._end = 0
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process, however that ends
        except OSError:
            os.close(self._file)
            raise

    def allocate(self) -> None:
        """Take the space, as written zeros: a promise of the file system is not enough on all of them."""
        size = os.fstat(self._file).st_size
        if size < SPOOL_BYTES:
            self._write(size, bytes(SPOOL_BYTES - size))

    def records(self) -> list[Record]:
        """What waits here, the oldest first."""
        content = os.pread(self._file, SPOOL_BYTES, 0)
        found: list[Record] = []
        self._end = 0
        while (payload := _payload(content, self._end)) is not None:
            found.append(_decode(payload))
            self._end += _LENGTH + HASH_SIZE + len(payload)
        return found

    @property
    def used(self) -> bool:
        """Whether anything waits here."""
        return self._end > 0

    def append(self, records: Sequence[Record]) -> int:
        """Add as many of ``records`` as fit, the first ones; how many. They are on the disk when this returns."""
        data, fitting = b"", 0
        for record in records:
            payload = _encode(record)
            entry = len(payload).to_bytes(_LENGTH) + hashlib.sha256(payload).digest() + payload
            if self._end + len(data) + len(entry) + _LENGTH > SPOOL_BYTES:
                break
            data, fitting = data + entry, fitting + 1
        self._write(self._end, data + bytes(_LENGTH))
        self._end += len(data)
        return fitting

    def clear(self) -> None:
        """Forget all entries: they are in the database."""
        self._write(0, bytes(self._end))
        self._end = 0

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _write(self, position: int, data: bytes) -> None:
        while data:
            written = os.pwrite(self._file, data, position)
            position, data = position + written, data[written:]
        os.fsync(self._file)


def _payload(content: bytes, start: int) -> bytes | None:
    body = start + _LENGTH + HASH_SIZE
    length = int.from_bytes(content[start : start + _LENGTH])
    payload = content[body : body + length]
    if not length or hashlib.sha256(payload).digest() != content[start + _LENGTH : body]:
        return None
    return payload


def _encode(record: Record) -> bytes:
    evidence, close = record.evidence, record.evidence.close
    return codec.encode(
        [
            record.role,
            record.state.value,
            int(record.created * 1000),
            evidence.quote.to_value(),
            evidence.open.to_value(),
            evidence.ticks,
            evidence.link,
            close.to_value() if close else None,
            evidence.countersignature,
            record.covered,
            record.settlement,
        ]
    )


def _decode(payload: bytes) -> Record:
    values = cast("list[Any]", codec.decode(payload))
    role, state, created, quote, opened, ticks, link, close, countersignature, *later = values
    evidence = Evidence(
        quote=Signed.from_value(quote),
        open=Signed.from_value(opened),
        ticks=ticks,
        link=link,
        close=None if close is None else Signed.from_value(close),
        countersignature=countersignature,
    )
    # Older entries end before one or both of these.
    covered, settlement = later[0] if later else 0, later[1] if len(later) > 1 else ""
    return Record.of(role, evidence, ReceiptState(state), created / 1000, covered=covered, settlement=settlement)
