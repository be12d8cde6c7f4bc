"""What has to follow where the suite is the provider: data that the judge applies, as in `expect`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from conformance import framing
from conformance.data import error_code, error_name

from .ending import closed_by_target, closed_with
from .exchange import Exchange, exchanges
from .expect import Expectation
from .finding import Finding, Verdict
from .record import Record


@dataclass(frozen=True, slots=True)
class GivesUp(Expectation):
    """The target sends ERROR ``code`` on the stream of the fault, ends its side, and keeps the connection."""

    code: str

    def describe(self) -> str:
        """For people."""
        return f"the consumer gives the request up with {self.code}, and the connection lives on"

    def judge(self, record: Record) -> Iterator[Finding]:
        """The ERROR of the consumer."""
        exchange = last(record)
        if exchange is None:
            yield no_request()
            return
        if closed_by_target(exchange.link):
            message = f"the connection ended by {closed_with(exchange.link)}; only the request had to, with {self.code}"
            yield _fail(message, exchange.link.close[0] if exchange.link.close else -1)
            return
        error = exchange.consumer_error
        if error is None or error.event < record.fault_at:
            done = "countersigned" if exchange.countersign is not None else "said nothing"
            yield _fail(f"the consumer {done}, and had to give up with {self.code}")
        elif error.get(0) != error_code(self.code):
            code = error.get(0)
            name = error_name(code) if isinstance(code, int) else "no code"
            yield _fail(f"the consumer gave up with {name}, and had to with {self.code}", error.event)
        elif ("target", exchange.stream) not in exchange.link.ends:
            yield _fail("the consumer did not end its side with ERROR", error.event)
        elif not any(
            each.kind == framing.ERROR and each.stream % 4 == 1 and each.event > error.event
            for each in exchange.link.of("target")
        ):
            yield _fail("the target answers nothing on the connection afterwards")


@dataclass(frozen=True, slots=True)
class Agrees(Expectation):
    """The target countersigns the last request of the last connection."""

    def describe(self) -> str:
        """For people."""
        return "the consumer pays, and countersigns"

    def judge(self, record: Record) -> Iterator[Finding]:
        """COUNTERSIGN."""
        exchange = last(record)
        if exchange is None:
            yield no_request()
        elif exchange.countersign is None:
            waited = next((event.facts.get("for") for _, event in record.waits), None)
            suffix = f"; the suite waited for {waited}" if waited else ""
            error = exchange.consumer_error.get(0) if exchange.consumer_error is not None else None
            how = f"gave up with {error_name(error)}" if isinstance(error, int) else "did not countersign"
            yield _fail(f"the consumer {how}{suffix}")
        elif closed_by_target(exchange.link):
            yield _fail(f"the connection ended by {closed_with(exchange.link)}, and had to live on")


@dataclass(frozen=True, slots=True)
class Presents(Expectation):
    """What the target's user is shown of the last request: a whole answer, or an error."""

    state: Literal["whole", "failed"]
    errors: tuple[str, ...] = ()
    """The codes that may be named; none: any."""

    def describe(self) -> str:
        """For people."""
        named = f" ({' or '.join(self.errors)})" if self.errors else ""
        return "the user is shown a whole answer" if self.state == "whole" else f"the user is shown an error{named}"

    def judge(self, record: Record) -> Iterator[Finding]:
        """The last reply to `answer`."""
        shown = results(record, "answer")
        if not shown:
            yield Finding(verdict=Verdict.INCONCLUSIVE, message="nothing was asked what the user is shown")
            return
        index, answer = shown[-1]
        if answer["state"] != self.state:
            yield _fail(f"the answer is shown as {answer['state']}, and had to be as {self.state}", index)
        elif self.errors and answer["error"] not in self.errors:
            yield _fail(f"the user is told {answer['error']}, and had to be told {' or '.join(self.errors)}", index)
        elif self.state == "whole" and (exchange := last(record)) is not None:
            said = "".join(text for text, _ in exchange.delivered)
            if answer["text"] != said:
                yield _fail("the user is shown another text than the provider's", index)


def results(record: Record, verb: str) -> list[tuple[int, dict[str, Any]]]:
    """The adapter's results of a verb, with their events."""
    return [
        (index, event.facts["result"])
        for index, event in record.events()
        if event.what == "adapter" and event.by == "target" and event.facts.get("verb") == verb
        if "result" in event.facts
    ]


def asked(record: Record) -> list[Exchange]:
    """Every request that the target sent, in the order of their REQUESTs."""
    found = [each for each in exchanges(record, provider="suite") if each.request is not None]
    return sorted(found, key=lambda each: each.request.event if each.request is not None else 0)


def last(record: Record) -> Exchange | None:
    """The last request that the target sent."""
    found = asked(record)
    return found[-1] if found else None


def no_request() -> Finding:
    """The target asked nothing."""
    return Finding(verdict=Verdict.FAIL, message="the target sent no REQUEST")


def each_request(check: Callable[[Exchange], Iterator[Finding]]) -> Callable[[Record], Iterator[Finding]]:
    """A predicate of the record that looks at each request of the target's, of which there has to be one."""

    def predicate(record: Record) -> Iterator[Finding]:
        found = asked(record)
        if not found:
            yield no_request()
        for exchange in found:
            yield from check(exchange)

    return predicate


def _fail(message: str, event: int = -1) -> Finding:
    return Finding(verdict=Verdict.FAIL, message=message, event=event)
