"""What has to follow where money is the matter: expectations that depend on the quote, or that count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from conformance import framing
from conformance.data import error_code, error_name
from conformance.offer import Quote

from .ending import closed_by_target
from .exchange import Exchange, exchanges
from .expect import POLICY, Completes, Expectation, Fails
from .finding import Finding, Verdict
from .observers.observer import broken
from .record import Record


@dataclass(frozen=True, slots=True)
class ByQuote(Expectation):
    """What follows depends on the terms of the quote that was used."""

    what: str
    choose: Callable[[Quote], Expectation]

    def describe(self) -> str:
        """For people."""
        return self.what

    def judge(self, record: Record) -> Iterator[Finding]:
        """Ask the expectation for the quote of the last request."""
        quotes = [each.quote for each in exchanges(record) if each.quote is not None]
        if quotes:
            yield from self.choose(quotes[-1]).judge(record)
        else:
            yield Finding(verdict=Verdict.INCONCLUSIVE, message="no request named a quote of the target's")


@dataclass(frozen=True, slots=True)
class ByQuoteOffered(Expectation):
    """What follows depends on whether the quote was offered on the connection of the fault too."""

    what: str
    choose: Callable[[bool], Expectation]

    def describe(self) -> str:
        """For people."""
        return self.what

    def judge(self, record: Record) -> Iterator[Finding]:
        """Ask the expectation for the last request."""
        asked = [each for each in exchanges(record) if each.opened]
        yield from self.choose(bool(asked) and asked[-1].quote is not None).judge(record)


@dataclass(frozen=True, slots=True)
class ClosesOr(Expectation):
    """The target closes the connection in one way, or does something else on it: it cannot be told which is due."""

    closes: Fails
    otherwise: Expectation

    def describe(self) -> str:
        """For people."""
        return f"{self.closes.describe()}; or else {self.otherwise.describe()}"

    def judge(self, record: Record) -> Iterator[Finding]:
        """Judge the close, where there is one."""
        closed = record.fault_link is not None and closed_by_target(record.fault_link)
        yield from (self.closes if closed else self.otherwise).judge(record)


@dataclass(frozen=True, slots=True)
class Bills(Expectation):
    """The last request is agreed on, ended for a reason, and its bill is as a function of the exchange says."""

    what: str
    finish: int
    agrees: Callable[[Exchange, Quote], bool]

    def describe(self) -> str:
        """For people."""
        return self.what

    def judge(self, record: Record) -> Iterator[Finding]:
        """END of the last exchange."""
        incomplete = list(Completes().judge(record))
        yield from incomplete
        exchange = next((each for each in reversed(list(exchanges(record))) if each.request is not None), None)
        if incomplete or exchange is None or exchange.end is None or exchange.quote is None or not exchange.close:
            return
        if exchange.close[7] != self.finish:
            message = f"the answer ended with reason {exchange.close[7]}, and had to with {self.finish}"
            yield Finding(verdict=Verdict.FAIL, message=message, event=exchange.end.event)
        elif not self.agrees(exchange, exchange.quote):
            message = f"the bill is not as described: {self.what}"
            yield Finding(verdict=Verdict.FAIL, message=message, event=exchange.end.event)


@dataclass(frozen=True, slots=True)
class AdmitsOne(Expectation):
    """Of several requests with one sequence number, one is accepted, and the others are refused as used."""

    def describe(self) -> str:
        """For people."""
        return "one request is accepted, the others are refused with SEQUENCE_USED"

    def judge(self, record: Record) -> Iterator[Finding]:
        """ACCEPT and ERROR of every exchange."""
        asked = [each for each in exchanges(record) if each.opened]
        accepted = [each for each in asked if each.accept is not None]
        others = [each for each in asked if each.accept is None and not _is_refused(each, "SEQUENCE_USED")]
        for each in others:
            code = None if each.error is None else each.error.get(0)
            name = error_name(code) if isinstance(code, int) else "nothing"
            verdict = Verdict.UNTESTABLE if name in POLICY else Verdict.FAIL
            event = -1 if each.error is None else each.error.event
            message = f"a request was answered by {name}"
            yield Finding(verdict=verdict, message=message, event=event, lift=POLICY.get(name, ""))
        if len(accepted) != 1 and not others:
            yield Finding(verdict=Verdict.FAIL, message=f"{len(accepted)} requests of one number were accepted")


def _is_refused(exchange: Exchange, code: str) -> bool:
    return exchange.error is not None and exchange.error.get(0) == error_code(code)


def names_the_need(record: Record) -> Iterator[Finding]:
    """CEILING_TOO_LOW names the ceiling and the price of the prompt and one token, by the ACCEPT of its twin."""
    told = [each for each in exchanges(record) if each.quote is not None]
    counted = next((each.input_tokens for each in told if each.accept is not None), None)
    for each in told:
        if each.error is None or each.quote is None or not _is_refused(each, "CEILING_TOO_LOW"):
            continue
        if each.error.get(2) != each.opened[7]:
            yield broken("limit of CEILING_TOO_LOW is not the ceiling", "RCP-013~2", each.error.event)
        if counted is not None and each.error.get(3) != each.quote.owed(counted, 1):
            yield broken("actual of CEILING_TOO_LOW is not what is needed", "RCP-013~2", each.error.event)


def nothing_is_countersigned(record: Record) -> Iterator[Finding]:
    """The target agrees to no bill for what it never asked."""
    for link in record.links:
        for frame in link.of("target"):
            if frame.kind == framing.COUNTERSIGN:
                yield broken("the target countersigned what it never asked for", "RCP-045~1", frame.event)
