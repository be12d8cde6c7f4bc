"""How far a connection had come, and how it ended: what expectations ask of the record."""

from __future__ import annotations

from typing import Literal, TypeAlias

from conformance import framing
from conformance.data import error_code, error_name

from .finding import Finding, Verdict
from .record import LinkRecord, Record

Stage: TypeAlias = Literal["transport", "handshake", "control", "request", "answer", "closing"]
"""How far a connection, or the request of the fault, had come when the target ended it."""


def fault_stream(record: Record) -> int | None:
    """The request stream on which the first fault was committed; the last one where the fault has none."""
    link = record.fault_link
    if link is None:
        return None
    named = record.faults[0][1].stream if record.faults else -1
    if named >= 0:
        return named
    sent = [each.stream for each in link.of("suite") if each.stream not in (2, 3) and each.event > record.fault_at]
    streams = link.own_streams()
    return sent[0] if sent else streams[-1] if streams else None


def stage_of(link: LinkRecord, index: int) -> Stage:
    """How far the connection had come at an event."""
    before = [each for each in link.frames if each.event < index]
    if not link.binding:
        return "transport"
    # An initiator has shown itself with its HELLO, and need not offer anything.
    last = framing.MODELS if link.initiates else framing.HELLO
    if not any(each.by == "target" and each.kind == last for each in before):
        return "handshake"
    requests = [each for each in before if each.stream % 4 in (0, 1)]
    if not requests:
        return "control"
    stream = requests[-1].stream
    provider = "target" if link.initiates else "suite"
    kinds = {each.kind for each in requests if each.stream == stream and each.by == provider}
    if framing.END in kinds:
        return "closing"
    return "answer" if framing.ACCEPT in kinds else "request"


def closed_by_target(link: LinkRecord) -> bool:
    """Whether the connection ended before the suite closed it."""
    return link.close is not None and (link.suite_closed is None or link.close[0] < link.suite_closed)


def ended(link: LinkRecord) -> Finding:
    """The finding that a connection is over which had to live on."""
    assert link.close is not None  # the caller asked
    message = f"the connection ended by {closed_with(link)}, and had to live on"
    return Finding(verdict=Verdict.FAIL, message=message, event=link.close[0])


def closed_with(link: LinkRecord) -> str:
    """How a connection ended, for people."""
    if link.close is None:
        return "nothing"
    _, event = link.close
    if event.what == "gone":
        return f"silence ({event.facts.get('reason') or 'no close'})"
    name = error_name(event.code)
    if event.facts.get("layer") != "application":
        return f"a transport error 0x{event.code:x}"
    return name if error_code(name) == event.code else f"the unregistered code {event.code}"


def missing(record: Record, message: str) -> Finding:
    """The finding that something never came."""
    waited = next((event.facts.get("for") for _, event in record.waits), None)
    return Finding(verdict=Verdict.FAIL, message=message + (f"; the suite waited for {waited}" if waited else ""))
