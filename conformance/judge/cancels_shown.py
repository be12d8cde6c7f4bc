"""What has to follow a CANCEL, or a consumer that leaves: predicates over the record of a case."""

from __future__ import annotations

from collections.abc import Iterator

from conformance import framing
from conformance.finish import CANCELLED, CEILING, LENGTH, STOP
from conformance.wire.transcript import Event

from .answered import LATE, fails, lives_on
from .ending import closed_by_target, closed_with, fault_stream
from .exchange import exchanges
from .finding import Finding, Verdict
from .record import LinkRecord, Record

_CROSSING = 1.0
"""Seconds for which an END may have been on its way when CANCEL was sent."""


def bills_what_cancel_names(record: Record) -> Iterator[Finding]:
    """END bills the chunks that CANCEL names, or ERROR comes; an END that crossed CANCEL has a reason of its own."""
    exchange = next((each for each in exchanges(record) if each.cancel is not None), None)
    if exchange is None or exchange.cancel is None:
        yield Finding(verdict=Verdict.FAIL, message="no answer came that could be cancelled")
        return
    yield from lives_on(record)
    late = [each for each in exchange.chunks if each.at > exchange.cancel.at + LATE]
    if late:
        yield fails("the answer goes on after CANCEL", "INF-023~1", late[0].event)
    if exchange.end is None and exchange.error is None:
        yield Finding(verdict=Verdict.FAIL, message="neither END nor ERROR came after CANCEL")
    if exchange.end is None:
        return
    finish, crossing = exchange.close.get(7), exchange.end.at - exchange.cancel.at < _CROSSING
    if finish != CANCELLED and not (crossing and finish in (STOP, LENGTH, CEILING)):
        yield fails(f"the answer ended with the reason {finish} after CANCEL", "INF-023~1", exchange.end.event)
    named = sum(count for _, count in exchange.delivered[: exchange.cancel.get(0)])
    if finish == CANCELLED and exchange.close.get(5) != named:
        message = f"{exchange.close.get(5)} output tokens are billed, and CANCEL named {named}"
        yield fails(message, "RCP-007~1", exchange.end.event)


def says_cancelled(record: Record) -> Iterator[Finding]:
    """Nothing crossed the CANCEL, so that an END has to say CANCELLED."""
    yield from bills_what_cancel_names(record)
    for exchange in exchanges(record):
        if exchange.end is not None and exchange.close.get(7) != CANCELLED:
            message = f"the answer ended with the reason {exchange.close.get(7)} after CANCEL"
            yield fails(message, "INF-023~1", exchange.end.event)


def takes_one_cancel(record: Record) -> Iterator[Finding]:
    """A second CANCEL is out of place before END, and ignored behind it."""
    link = record.fault_link
    if link is None or link.close is None or not closed_by_target(link):
        yield from bills_what_cancel_names(record)
    elif closed_with(link) != "UNEXPECTED_FRAME":
        message = f"the connection ended by {closed_with(link)}"
        yield Finding(verdict=Verdict.FAIL, message=message, event=link.close[0])


def takes_it_as_gone(record: Record) -> Iterator[Finding]:
    """No END, no ERROR and no text follow a consumer that left, and the provider ends its side as well."""
    link = record.fault_link
    stream = next((event.stream for index, event in record.events() if _leaves(event) and index > record.fault_at), -1)
    exchange = next((each for each in exchanges(record) if each.link is link and each.stream == stream), None)
    if link is None or exchange is None:
        yield Finding(verdict=Verdict.FAIL, message="the suite did not come to the point where it leaves")
        return
    yield from lives_on(record)
    if (last := exchange.end or exchange.error) is not None:
        yield Finding(verdict=Verdict.FAIL, message=f"{last.name} came to a consumer that left", event=last.event)
    if not _ended(link, stream):
        yield Finding(verdict=Verdict.FAIL, message="the provider did not end its side after the consumer left")


def _leaves(event: Event) -> bool:
    return event.by == "suite" and event.stream >= 0 and (event.fin or event.what in ("reset", "stop"))


def takes_no_request(record: Record) -> Iterator[Finding]:
    """Nothing is accepted on the stream of the fault, and the provider ends its side."""
    link, stream = record.fault_link, fault_stream(record)
    if link is None or stream is None:
        yield Finding(verdict=Verdict.FAIL, message="the suite did not come to its request")
        return
    yield from lives_on(record)
    accepted = next((each for each in link.of("target", stream) if each.kind == framing.ACCEPT), None)
    if accepted is not None:
        yield Finding(verdict=Verdict.FAIL, message="ACCEPT came for half a REQUEST", event=accepted.event)
    if not _ended(link, stream):
        yield Finding(verdict=Verdict.FAIL, message="the provider did not end its side")


def _ended(link: LinkRecord, stream: int) -> bool:
    reset = any(event.by == "target" and event.stream == stream for _, event in link.resets)
    return reset or ("target", stream) in link.ends
