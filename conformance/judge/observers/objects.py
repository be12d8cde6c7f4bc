"""Watched in every case: signed objects, errors, tickets and expiries of the target, in either role."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from conformance import dcbor, framing, shapes
from conformance.data import error_name, registry
from conformance.entropy import RESERVED
from conformance.judge import where
from conformance.judge.finding import Finding
from conformance.judge.record import Frame, LinkRecord, Record

from .observer import Observer, broken

WRITTEN = {
    "not-shortest": "ENC-001~1",
    "key-order": "ENC-002~1",
    "too-deep": "ENC-004~1",
    "too-many-items": "ENC-004~1",
}
"""The writer's requirement that bytes break which are no item; ENC-003 for all other reasons."""
_SIGNED = {framing.MODELS: "a quote", framing.END: "the close", framing.REQUEST: "the open"}
"""Frames with signed objects, beside HELLO."""


def signs_items(record: Record) -> Iterator[Finding]:
    """Every signed body is an item, and no reserved key is in a signed map."""
    for link in record.links:
        for frame in link.of("target"):
            for body in _signed_bodies(frame):
                what = _SIGNED.get(frame.kind, "HELLO")
                try:
                    value = dcbor.decode(body)
                except dcbor.NotDeterministicError as error:
                    message, cited = f"the body of {what} is no item: {error.reason}", WRITTEN.get(error.reason)
                    yield broken(message, cited or "ENC-003~1", frame.event, _byte(frame, body, where.violation(body)))
                    continue
                if isinstance(value, dict) and any(key in RESERVED for key in value):
                    message = f"a reserved key is in {what}, which is a signed map"
                    yield broken(message, "EXT-011~1", frame.event, _byte(frame, body, 0))


def _byte(frame: Frame, body: bytes, inside: int) -> int:
    """Where a byte of a signed body lies in the data of its event."""
    return frame.byte(frame.body.find(body) + inside)


def _signed_bodies(frame: Frame) -> Iterator[bytes]:
    """The bodies of the signed objects in a frame, as far as it has its shape."""
    held: dict[int, Any] = {
        framing.HELLO: [frame.value],
        framing.MODELS: frame.get(0),
        framing.END: [frame.get(1)],
        framing.REQUEST: [frame.get(2)],
    }
    objects = held.get(frame.kind)
    for signed in objects if isinstance(objects, list) else ():
        if shapes.is_signed(signed):
            yield signed[0]


def says_no_more_than_it_may(record: Record) -> Iterator[Finding]:
    """ERROR has the numbers that its code names, and no other word."""
    for link in record.links:
        for frame in link.of("target"):
            if frame.kind == framing.ERROR and shapes.broken("error", frame.value) is None:
                named = _numbers().get(frame.value[0], frozenset())
                more = [key for key in frame.value if key not in named and key != 0 and key not in RESERVED]
                if more:
                    message = f"ERROR {error_name(frame.value[0])} has the key {more[0]}, which its code does not name"
                    yield broken(message, "ERR-002~1", frame.event, frame.start)


@cache
def _numbers() -> dict[int, frozenset[int]]:
    """The keys of ERROR that each registered code names."""
    keys = {"retry_after_ms": 1, "limit": 2, "actual": 3}
    return {
        entry["value"]: frozenset(keys[word] for word in entry["numbers"].split(", ") if word)
        for entry in registry("errors")
    }


def gives_no_ticket(record: Record) -> Iterator[Finding]:
    """The target sends no NewSessionTicket."""
    for index, event in record.events():
        if event.facts.get("ticket"):
            yield broken("the target sends a NewSessionTicket", "TRN-012~1", index)


_TOLERANCE = 2.0
"""Seconds by which clocks may differ before a quote counts as expired."""


def renews_quotes(record: Record) -> Iterator[Finding]:
    """A new MODELS comes before a quote of the newest one expires."""
    began = record.transcript.header.get("began", 0)
    for link in record.links:
        newest: Frame | None = None
        for frame in [*(each for each in link.of("target") if each.kind == framing.MODELS), None]:
            until = _lived_until(record, link) if frame is None else frame.at
            if newest is not None and began + until > _expiry(newest) + _TOLERANCE:
                message = "a quote expired, and no MODELS had replaced it"
                yield broken(message, "CTL-008~1", newest.event, newest.start)
                break
            newest = frame


def _expiry(models: Frame) -> float:
    """The earliest expiry of the quotes in a MODELS."""
    values = [dcbor.decode(body) for body in _signed_bodies(models) if dcbor.is_item(body)]
    return min((each[10] for each in values if shapes.broken("quote-body", each) is None), default=float("inf"))


def _lived_until(record: Record, link: LinkRecord) -> float:
    """When the connection ended, by either side; the case's end where it did not."""
    events = record.transcript.events
    ends = [index for index in (link.suite_closed, link.close[0] if link.close else None) if index is not None]
    return events[min(ends)].at if ends else events[-1].at


OBSERVERS: Sequence[Observer] = (signs_items, says_no_more_than_it_may, gives_no_ticket, renews_quotes)
