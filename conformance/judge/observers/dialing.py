"""Watched in every case: how the target dials: TLS, and who speaks first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conformance import framing
from conformance.judge.finding import Finding
from conformance.judge.record import Record

from .observer import Observer
from .observer import broken as _fail


def speaks_second(record: Record) -> Iterator[Finding]:
    """An initiator shows itself only to a responder that has shown itself."""
    for link in record.links:
        if link.initiates:
            continue
        first = next(link.of("target"), None)
        greeting = next((each for each in link.of("suite", 3) if each.kind == framing.HELLO), None)
        if first is not None and (greeting is None or first.event < greeting.event):
            yield _fail("the initiator speaks before the responder's HELLO", "HSK-002~1", first.event, first.start)


_OFFERS = {
    "early_data": ("0-RTT data are offered or sent", "TRN-009~1"),
    "pre_shared_key": ("a pre-shared key is offered", "TRN-010~1"),
    "server_name": ("a server name is sent, for everybody on the path to read", "TRN-011~1"),
}


def resumes_nothing(record: Record) -> Iterator[Finding]:
    """ClientHello brings nothing from an earlier connection, and does not say who is dialed."""
    for index, event in record.events():
        if event.what == "transport":
            for offer, (message, requirement) in _OFFERS.items():
                if event.facts.get(offer):
                    yield _fail(message, requirement, index)


OBSERVERS: Sequence[Observer] = (speaks_second, resumes_nothing)
