"""The part of the book that outlives the process: who was known at first hand, so that a restart finds its networks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mycellm_proto import codec
from mycellm_proto.errors import ProtocolError
from mycellm_proto.keys import KEY_SIZE
from mycellm_proto.records import Source, read_record
from mycellm_proto.signed import Signed

from .. import log
from ..identity import HomeError, read_secret, replace_secret
from .book import Lead
from .informer import PREFIXES, Informer

if TYPE_CHECKING:
    from collections.abc import Container, Iterable
    from pathlib import Path

BOOK_FILE = "book.cbor"
MAX_KEPT = 128
"""Records of one network that are kept: enough to come back, even if most of them are gone by then."""
MAX_FILE = 8 << 20
"""128 records of each of 64 networks, with room."""

_log = logging.getLogger(__name__)


class Shelf:
    """The file in ``home``, its owner's alone: it says who is in which network."""

    def __init__(self, home: Path) -> None:
        self._path = home / BOOK_FILE
        self._kept = b""

    def save(self, leads: Iterable[Lead]) -> None:
        """Keep the best of ``leads``. What cannot be written is logged: it will be learnt again."""
        pages: dict[bytes, list[Lead]] = {}
        for lead in sorted(leads, key=lambda each: (each.rank, each.heard), reverse=True):
            if lead.first_hand and not lead.gone and len(page := pages.setdefault(lead.network, [])) < MAX_KEPT:
                page.append(lead)
        content = codec.encode([_row(lead) for page in pages.values() for lead in page])
        if content == self._kept:
            return
        try:
            replace_secret(self._path, content)
            self._kept = content
        except HomeError as error:
            log.event(_log, logging.WARNING, "discovery.not_kept", reason=str(error))

    def load(self, networks: Container[bytes], now: float) -> list[Lead]:
        """What was kept of ``networks`` and is still good."""
        try:
            content = read_secret(self._path, MAX_FILE)
            rows = [] if content is None else codec.decode(content)
        except (HomeError, ProtocolError) as error:
            log.event(_log, logging.WARNING, "discovery.unusable", path=str(self._path), reason=str(error))
            return []
        found = [_lead(row, now) for row in rows] if isinstance(rows, list) else []
        return [lead for lead in found if lead is not None and lead.network in networks]


def _row(lead: Lead) -> codec.Value:
    told = lead.informer
    beside: codec.Value = None if told.beside is None else [told.beside[0], told.beside[1]]
    return [lead.signed.to_value(), told.node, told.host, beside, int(told.source), int(lead.heard), lead.reached]


def _lead(row: codec.Value, now: float) -> Lead | None:
    try:
        match row:
            case [signed, bytes() as node, bytes() as host, beside, int() as source, int() as heard, bool() as reached]:
                if len(node) != KEY_SIZE or len(host) not in PREFIXES:
                    return None
                kept = Signed.from_value(signed)
                return Lead(
                    record=read_record(kept, now=now),
                    signed=kept,
                    informer=Informer(node=node, host=host, beside=_place(beside), source=Source(source)),
                    heard=float(heard),
                    first_hand=True,
                    reached=reached,
                )
    except (ProtocolError, ValueError):  # expired, or not what this node wrote
        return None
    return None


def _place(value: codec.Value) -> tuple[bytes, int] | None:
    match value:
        case [bytes() as host, int() as port] if len(host) in PREFIXES and 0 < port < 1 << 16:
            return host, port
    return None
