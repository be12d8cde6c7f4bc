"""What has to follow where requests are answered: expectations over whole exchanges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from conformance.data import error_name

from .ending import closed_by_target, closed_with
from .exchange import Exchange, exchanges
from .expect import POLICY, Expectation
from .finding import Finding, Verdict
from .record import Record

LATE = 5.0
"""Seconds that the network and a busy machine may add to a wait of SPEC.md: DEADLINE_GRACE."""
EARLY = 1.0
"""Seconds by which a wait may seem shorter than it was: its beginning was on its way, or not read at once."""


@dataclass(frozen=True, slots=True)
class Answers(Expectation):
    """At least ``count`` requests come, and each is accepted, answered, billed and agreed.

    A refusal with UNSUPPORTED says that the target does not have what the case is about.
    """

    count: int = 1
    finish: frozenset[int] = frozenset()
    """The reasons for which the answers may end; empty: any."""

    def describe(self) -> str:
        """For people."""
        return "each request is answered, billed and agreed"

    def judge(self, record: Record) -> Iterator[Finding]:
        """ERROR, END and COUNTERSIGN of each exchange."""
        requests = [each for each in exchanges(record) if each.request is not None]
        yield from lives_on(record)
        if len(requests) < self.count:
            message = f"the suite came to {len(requests)} requests of {self.count}"
            yield Finding(verdict=Verdict.FAIL, message=message)
        for exchange in requests:
            yield from self._one(exchange)

    def _one(self, exchange: Exchange) -> Iterator[Finding]:
        if exchange.error is not None:
            yield refused(exchange)
        elif exchange.countersign is None:
            message = f"the answer on stream {exchange.stream} did not come to an END that is agreed"
            yield Finding(verdict=Verdict.FAIL, message=message)
        elif self.finish and exchange.close.get(7) not in self.finish:
            message = f"the answer ended with the reason {exchange.close.get(7)}"
            yield Finding(verdict=Verdict.FAIL, message=message, event=event_of(exchange))


@dataclass(frozen=True, slots=True)
class WithRoomFor(Expectation):
    """Another expectation, where the target's QUIC lets the suite open so many streams at once."""

    streams: int
    then: Expectation

    def describe(self) -> str:
        """For people."""
        return f"{self.then.describe()}, where QUIC lets {self.streams} streams be open"

    def judge(self, record: Record) -> Iterator[Finding]:
        """The transport parameter, then the other."""
        link = record.fault_link
        allowed = None if link is None else link.transport.get("initial_max_streams_bidi")
        if isinstance(allowed, int) and allowed < self.streams:
            message = f"QUIC lets {allowed} streams be open: no more than that can be skipped"
            yield Finding(verdict=Verdict.NOT_APPLICABLE, message=message)
        else:
            yield from self.then.judge(record)


def refused(exchange: Exchange) -> Finding:
    """What a refusal means where an answer was due."""
    assert exchange.error is not None  # the caller looked
    code = exchange.error.get(0)
    name = error_name(code) if isinstance(code, int) else "no code"
    verdict = Verdict.UNTESTABLE if name in POLICY else Verdict.FAIL
    if name == "UNSUPPORTED":
        verdict = Verdict.NOT_APPLICABLE
    message = f"the request on stream {exchange.stream} was refused or given up with {name}"
    return Finding(verdict=verdict, message=message, event=exchange.error.event, lift=POLICY.get(name, ""))


def lives_on(record: Record) -> Iterator[Finding]:
    """The target closed no connection before the suite did."""
    for link in record.links:
        if link.close is not None and closed_by_target(link):
            message = f"the connection ended by {closed_with(link)}, and had to live on"
            yield Finding(verdict=Verdict.FAIL, message=message, event=link.close[0])


def complete(record: Record) -> list[Exchange]:
    """Every request that was answered to its END."""
    return [each for each in exchanges(record) if each.end is not None]


def text_of(exchange: Exchange) -> str:
    """The answer."""
    return "".join(text for text, _ in exchange.delivered)


def event_of(exchange: Exchange) -> int:
    """The event of END; -1 where none came."""
    return -1 if exchange.end is None else exchange.end.event


def fails(message: str, requirement: str, event: int) -> Finding:
    """A failure that names its requirement."""
    return Finding(verdict=Verdict.FAIL, message=message, requirements=(requirement,), event=event)
