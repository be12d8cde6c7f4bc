"""Responders that read what is no item, or take an item for what it is not."""

from __future__ import annotations

from typing import Any

from conformance import dcbor, framing, shapes
from conformance.dcbor import Item
from conformance.honest.connection import Connection
from conformance.honest.provider import IDLE, Provider

from .mutant import Mutant, connection_with, provider_with, skipping

_READERS = {
    "truncated": ("ENC-010", "Fills up with zeros what ends too early.", None),
    "trailing-bytes": ("ENC-011", "Reads one item and does not look behind it.", None),
    "not-shortest": ("ENC-012", "Takes lengths in any number of bytes.", None),
    "key-order": ("ENC-013", "Takes the keys of a map in any order and number; the last one wins.", None),
    "key-type": ("ENC-014", "Takes whatever stands where a map's key has to be.", None),
    "forbidden-type": ("ENC-015", "Takes floats, and NaN among them.", 8),
    "indefinite": ("ENC-016", "Takes containers that do not say how long they are.", None),
    "bad-utf8": ("ENC-017", "Takes any bytes as text, and puts a sign where they are none.", None),
    "too-deep": ("ENC-018", "Takes containers of any depth.", None),
    "too-many-items": ("ENC-019", "Takes items of any number of elements.", None),
}
_ALL = ("hello-body", "models", "quote", "request", "content", "open", "tick")
_OPEN_MAPS = ("hello-body", "models", "request", "content", "open", "tick")
"""Without the quote, where the extra entry that carries the damage is refused with the same code."""
_PLACES = {
    "truncated": ("hello-body", "quote", "request", "content", "open", "tick"),
    "key-type": _OPEN_MAPS,
    "forbidden-type": _OPEN_MAPS,
    "bad-utf8": _OPEN_MAPS,
    "too-deep": _OPEN_MAPS,
    "too-many-items": ("request", "content", "open"),
}
"""Where a careless reader shows; elsewhere it stumbles over something else, and refuses that."""


def _reader(reason: str) -> Mutant:
    requirement, page, row = _READERS[reason]
    places = _PLACES.get(reason, _ALL)
    return Mutant(
        slug=f"reads-{reason}",
        page=page,
        breaks=(f"{requirement}~1",),
        kills=tuple(f"encoding/reject-{reason}-in-{place}" for place in places),
        node=skipping(requirement),
        row=row,
    )


def _drops_what_has_no_shape(self: Provider, kind: int, body: bytes) -> None:
    known = self.state != IDLE and not framing.is_unknown(kind)
    if known and shapes.broken(framing.NAMES[kind // 2].lower(), self.rules.decode(body)) is not None:
        return
    Provider.received(self, kind, body)


def _fails_on_unknown_odd_keys(self: Provider, encoded: bytes) -> dict[int, Item]:
    content = Provider.judge_content(self, encoded)
    if any(key not in content for key in dcbor.decode(encoded)):
        raise self.malformed()
    return content


def _takes_even_keys(self: Connection, kind: int, body: bytes) -> dict[int, Item]:
    """Drops every key that is not known."""
    value = self.rules.decode(body)
    if isinstance(value, dict):
        body = dcbor.encode({key: content for key, content in value.items() if key < 21})
    return Connection.value(self, kind, body)


def _writes_long_lengths(self: Provider, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
    encoded = dcbor.encode(body)
    if kind == framing.ACCEPT:
        encoded = bytes((0xB8, encoded[0] & 31)) + encoded[1:]
    self.connection.port.write(self.stream, framing.write_frame(kind, encoded), fin)


def _writes_keys_anyhow(self: Provider, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
    pieces = [dcbor.encode(key) + dcbor.encode(value) for key, value in sorted(body.items(), reverse=True)]
    encoded = bytes((0xA0 + len(pieces),)) + b"".join(pieces)
    self.connection.port.write(self.stream, framing.write_frame(kind, encoded), fin)


def _writes_floats(self: Provider, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
    encoded = dcbor.encode(body)
    if kind == framing.ACCEPT:
        encoded = b"\xa1\x00" + b"\xfa" + b"\x41\x20\x00\x00"
    self.connection.port.write(self.stream, framing.write_frame(kind, encoded), fin)


def _nests(self: Provider, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
    deep: Any = None
    for _ in range(dcbor.MAX_DEPTH):
        deep = [deep]
    Provider.send(self, kind, {**body, 15_875: deep}, fin=fin)


def _says_accept_in_another_shape(self: Provider, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
    Provider.send(self, kind, {0: str(body[0])} if kind == framing.ACCEPT else body, fin=fin)


MUTANTS = (
    *(_reader(reason) for reason in _READERS),
    Mutant(
        slug="fails-the-connection-for-a-request",
        page="Closes the connection where a REQUEST is no item: one consumer's bug ends everybody's answers.",
        breaks=("ERR-006~1",),
        kills=tuple(
            f"encoding/reject-{reason}-in-{place}" for reason in ("truncated", "drawn") for place in ("request", "open")
        ),
        node=skipping("ERR-006"),
    ),
    Mutant(
        slug="takes-any-content",
        page="Does not mind a content that is no item.",
        breaks=("INF-003~1",),
        kills=("encoding/reject-trailing-bytes-in-content", "encoding/reject-drawn-in-content"),
        node=skipping("INF-003"),
    ),
    Mutant(
        slug="drops-bodies-of-no-shape",
        page="Drops a TICK without a link and a CREDIT that is a truth value, and goes on.",
        breaks=("FRM-008~1", "EXT-001~1"),
        kills=tuple(
            f"encoding/reject-{shape}-in-{place}"
            for shape in ("missing-key", "other-type", "no-map", "unknown-even-key")
            for place in ("tick", "credit", "cancel", "error", "countersign")
        ),
        connection=provider_with(received=_drops_what_has_no_shape),
    ),
    Mutant(
        slug="passes-over-even-keys",
        page="Ignores every key that it does not know, as if nobody could want it read.",
        breaks=("EXT-001~1",),
        kills=("encoding/reject-unknown-even-key-in-tick", "encoding/reject-unknown-even-key-in-models"),
        connection=connection_with(value=_takes_even_keys),
    ),
    Mutant(
        slug="refuses-odd-keys",
        page="Refuses a request with a key that it does not know, though it is odd.",
        breaks=("EXT-006~1", "ENC-005~1"),
        kills=("encoding/accept-every-type", "extension/ignore-unknown-odd-keys"),
        connection=provider_with(judge_content=_fails_on_unknown_odd_keys),
    ),
    Mutant(
        slug="writes-long-lengths",
        page="Writes the number of a map's entries in two bytes.",
        breaks=("ENC-001~1",),
        kills=("framing/send-honest-frames",),
        connection=provider_with(send=_writes_long_lengths),
    ),
    Mutant(
        slug="writes-keys-anyhow",
        page="Writes the keys of a map in the order in which they come to mind.",
        breaks=("ENC-002~1",),
        kills=("framing/send-honest-frames",),
        connection=provider_with(send=_writes_keys_anyhow),
    ),
    Mutant(
        slug="writes-floats",
        page="Counts tokens in floats.",
        breaks=("ENC-003~1",),
        kills=("framing/send-honest-frames",),
        connection=provider_with(send=_writes_floats),
    ),
    Mutant(
        slug="nests-too-deep",
        page="Hides something in seventeen containers.",
        breaks=("ENC-004~1",),
        kills=("framing/send-honest-frames",),
        connection=provider_with(send=_nests),
    ),
    Mutant(
        slug="writes-counts-as-text",
        page="Says in ACCEPT how many tokens it read, in words.",
        breaks=("FRM-001~1",),
        kills=("framing/send-honest-frames",),
        connection=provider_with(send=_says_accept_in_another_shape),
    ),
)
