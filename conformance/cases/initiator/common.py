"""What the cases of this family have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from conformance import dcbor, framing, shapes
from conformance.case import Script
from conformance.cases.registry import Family
from conformance.judge.consumer import asked
from conformance.judge.ending import Stage, closed_by_target
from conformance.judge.expect import Expectation, Fails, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.observers.observer import broken
from conformance.judge.record import LinkRecord, Record
from conformance.script.faults import Fault

FAMILY = Family("initiator")
DIALS = frozenset({"start", "dial"})
ASKS = DIALS | {"ask", "answer"}
TWIN = "show-itself-to-a-known-responder"


def hello_of(link: LinkRecord) -> dict[int, Any] | None:
    """The target's HELLO on a connection that it dialed."""
    frame = next(link.of("target", 2), None)
    if frame is None or frame.kind != framing.HELLO or not shapes.is_signed(frame.value):
        return None
    try:
        value = dcbor.decode(frame.value[0])
    except dcbor.NotDeterministicError:
        return None
    return value if isinstance(value, dict) else None


def greets(pinned: bool, *, stays: bool) -> Expectation:
    """The target shows itself, says whether it pins, and keeps the connection where that ``stays``."""

    def predicate(record: Record) -> Iterator[Finding]:
        hello = hello_of(record.links[0]) if record.links else None
        if hello is None:
            yield Finding(verdict=Verdict.FAIL, message="the target sent no HELLO")
        elif hello.get(8) is not pinned:
            yield broken(f"pinned is {hello.get(8)}, and the node id was {'' if pinned else 'not '}known", "HSK-004~1")
        elif stays and closed_by_target(record.links[0]):
            yield Finding(verdict=Verdict.FAIL, message="the target closed the connection, and had to keep it")

    return Shows(f"the target sends HELLO with pinned {str(pinned).lower()}", predicate)


def asks_nothing(*requirements: str) -> Expectation:
    """No REQUEST, on any connection."""

    def predicate(record: Record) -> Iterator[Finding]:
        for exchange in asked(record):
            event = exchange.request.event if exchange.request is not None else -1
            for requirement in requirements:
                yield broken("a request was sent that must not be", requirement, event)

    return Shows("no request is sent", predicate)


def case(slug: str, requirements: tuple[str, ...], script: Script, expect: Expectation, **fields: Any) -> None:
    """A case of the target as initiator."""
    FAMILY.add(
        slug, requirements=requirements, script=script, expect=expect, role="initiator", **{"needs": DIALS, **fields}
    )


def dialed(slug: str, *requirements: str, expect: Expectation, **fields: Any) -> Callable[[Script], Script]:
    """A case of the target as initiator, whose script's docstring is the page."""
    return FAMILY.case(slug, requirements=requirements, expect=expect, role="initiator", **{"needs": DIALS, **fields})


def reject(
    slug: str, fault: Fault, code: str, *requirements: str, page: str, script: Script,
    stage: Stage = "handshake", **fields: Any,
) -> None:  # fmt: skip
    """A case whose fault the target has to answer with the end of the connection."""
    fields = {"twin": TWIN, **fields}
    case(
        slug, requirements, script, Fails(code, stage, late=fields.pop("late", False)), page=page, fault=fault, **fields
    )
