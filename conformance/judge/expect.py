"""What has to follow from a case's script, as data that the judge applies to the record."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from conformance import framing
from conformance.data import error_code, error_name

from .ending import Stage, closed_by_target, closed_with, ended, fault_stream, missing, stage_of
from .finding import Finding, Verdict
from .record import Frame, LinkRecord, Record

POLICY: dict[str, str] = {
    "NOT_ALLOWED": "allow the suite's node id at the target, or give the suite a key that it serves: --key FILE",
    "INSUFFICIENT_CREDIT": "raise the target's allowance of unpaid service",
    "ALLOWANCE_EXHAUSTED": "raise the target's allowance of unpaid service, or wait until it is renewed",
    "BUSY": "let the target do nothing else meanwhile, or give it more slots",
    "SHUTTING_DOWN": "keep the target running",
}
"""Refusals by the provider's state or policy, which say nothing of the case, and how to be rid of them."""


class Expectation(ABC):
    """What has to follow."""

    @abstractmethod
    def judge(self, record: Record) -> Iterator[Finding]:
        """What is not as it has to be. Findings without requirements are of the case's."""

    @abstractmethod
    def describe(self) -> str:
        """For people, in a few words."""


@dataclass(frozen=True, slots=True)
class Fails(Expectation):
    """The target closes the connection of the fault with ``code``, once it has come to ``stage`` and no further."""

    code: str
    stage: Stage
    late: bool = False
    """Whether the close may come before the fault is noted, since the fault is something that never comes."""

    def describe(self) -> str:
        """For people."""
        return f"the connection is closed with {self.code} ({self.stage})"

    def judge(self, record: Record) -> Iterator[Finding]:
        """The first close after the fault."""
        link = record.fault_link
        if link is None:
            yield Finding(verdict=Verdict.INCONCLUSIVE, message="there was no connection")
        elif link.close is None:
            yield missing(record, f"the target did not close the connection, and had to with {self.code}")
        else:
            yield from self._judge_close(record, link)

    def _judge_close(self, record: Record, link: LinkRecord) -> Iterator[Finding]:
        assert link.close is not None  # the caller looked
        index, event = link.close
        if index < record.fault_at and not self.late:
            yield Finding(
                verdict=Verdict.FAIL,
                message=f"the target closed with {closed_with(link)} before anything was wrong",
                event=index,
            )
        elif event.what == "gone" or event.facts.get("layer") != "application":
            yield Finding(
                verdict=Verdict.FAIL,
                message=f"the connection ended by {closed_with(link)}, and had to with {self.code}",
                event=index,
            )
        elif event.code != error_code(self.code):
            yield Finding(
                verdict=Verdict.FAIL,
                message=f"the target closed with {closed_with(link)}, and had to with {self.code}",
                event=index,
            )
        elif (stage := stage_of(link, index)) != self.stage:
            yield Finding(
                verdict=Verdict.FAIL,
                message=f"the target closed at the stage {stage}, and had to at {self.stage}",
                event=index,
            )


@dataclass(frozen=True, slots=True)
class Refuses(Expectation):
    """The target answers the request of the fault with ERROR ``code``, ends its side, and keeps the connection.

    ``stage`` is request before ACCEPT ("refuses") and answer behind it ("gives up").
    """

    code: str
    stage: Literal["request", "answer"] = "request"
    numbers: bool = False
    """Whether limit and actual have to be in the ERROR."""
    retry: bool = False
    """Whether retry_after_ms has to be in the ERROR."""
    alive: bool = True
    """Whether the script asked for a sign of life afterwards."""
    also: tuple[str, ...] = ()
    """Other codes that are as good."""
    permitted: bool = False
    """Whether the case itself has set the target's policy, so that another refusal by policy is a failure."""

    def describe(self) -> str:
        """For people."""
        verb = "refused" if self.stage == "request" else "given up"
        codes = " or ".join((self.code, *self.also))
        return f"the request is {verb} with {codes}, and the connection lives on"

    def judge(self, record: Record) -> Iterator[Finding]:
        """The ERROR on the stream of the fault."""
        link, stream = record.fault_link, fault_stream(record)
        if link is not None and stream is None and closed_by_target(link):
            yield ended(link)
            return
        if link is None or stream is None:
            yield Finding(verdict=Verdict.INCONCLUSIVE, message="no request was sent")
            return
        error = next((each for each in link.of("target", stream) if each.kind == framing.ERROR), None)
        if error is None:
            yield from self._judge_silence(record, link)
            return
        yield from self._judge_error(link, error)
        if ("target", stream) not in link.ends:
            yield Finding(verdict=Verdict.FAIL, message="the target did not end its side with ERROR", event=error.event)
        yield from self._judge_life(record, link, error)

    def _judge_silence(self, record: Record, link: LinkRecord) -> Iterator[Finding]:
        if link.close is not None:
            message = f"the connection ended by {closed_with(link)}; only the request had to, with {self.code}"
            yield Finding(verdict=Verdict.FAIL, message=message, event=link.close[0])
        else:
            yield missing(record, f"no ERROR came, and it had to be {self.code}")

    def _judge_error(self, link: LinkRecord, error: Frame) -> Iterator[Finding]:
        code = error.get(0)
        if code not in map(error_code, (self.code, *self.also)):
            name = error_name(code) if isinstance(code, int) else "no code"
            verdict = Verdict.UNTESTABLE if name in POLICY and not self.permitted else Verdict.FAIL
            message = f"the request was refused with {name}, and had to be with {self.code}"
            yield Finding(verdict=verdict, message=message, event=error.event, lift=POLICY.get(name, ""))
            return
        accepted = any(each.kind == framing.ACCEPT for each in link.of("target", error.stream))
        if accepted != (self.stage == "answer"):
            message = f"ERROR came {'behind' if accepted else 'before'} ACCEPT"
            yield Finding(verdict=Verdict.FAIL, message=message, event=error.event)
        if self.numbers and not (isinstance(error.get(2), int) and isinstance(error.get(3), int)):
            yield Finding(verdict=Verdict.FAIL, message="ERROR has no limit and actual", event=error.event)
        if self.retry and not isinstance(error.get(1), int):
            yield Finding(verdict=Verdict.FAIL, message="ERROR has no retry_after_ms", event=error.event)

    def _judge_life(self, record: Record, link: LinkRecord, error: Frame) -> Iterator[Finding]:
        if closed_by_target(link):
            yield ended(link)
        elif self.alive and not any(
            each.event > error.event and each.stream != error.stream and each.kind == framing.ERROR
            for each in link.of("target")
        ):
            yield missing(record, "the target answers no other request on the connection afterwards")


@dataclass(frozen=True, slots=True)
class Completes(Expectation):
    """The last request of the last connection is accepted, answered, billed and agreed."""

    permitted: bool = False
    """Whether the case itself has set the target's policy, so that a refusal by policy is a failure."""

    def describe(self) -> str:
        """For people."""
        return "the request is answered, billed and agreed"

    def judge(self, record: Record) -> Iterator[Finding]:
        """END and the suite's COUNTERSIGN."""
        link = record.fault_link
        if link is not None and closed_by_target(link):
            yield ended(link)
            return
        if link is None or not link.own_streams():
            yield Finding(verdict=Verdict.INCONCLUSIVE, message="no request was sent")
            return
        stream = link.own_streams()[-1]
        error = next((each for each in link.of("target", stream) if each.kind == framing.ERROR), None)
        if error is not None:
            name = error_name(error.get(0)) if isinstance(error.get(0), int) else "no code"
            verdict = Verdict.UNTESTABLE if name in POLICY and not self.permitted else Verdict.FAIL
            message = f"the request was refused or given up with {name}"
            yield Finding(verdict=verdict, message=message, event=error.event, lift=POLICY.get(name, ""))
        elif not any(each.kind == framing.COUNTERSIGN for each in link.of("suite", stream)):
            yield missing(record, "the answer did not come to its END")


@dataclass(frozen=True, slots=True)
class Greets(Expectation):
    """The target takes the suite's HELLO: it answers with MODELS and keeps the connection."""

    def describe(self) -> str:
        """For people."""
        return "the handshake is done"

    def judge(self, record: Record) -> Iterator[Finding]:
        """The target's first MODELS."""
        link = record.fault_link
        if link is None:
            yield Finding(verdict=Verdict.INCONCLUSIVE, message="there was no connection")
        elif closed_by_target(link):
            yield ended(link)
        elif not any(each.kind == framing.MODELS for each in link.of("target", link.target_control)):
            yield missing(record, "no MODELS came")


Predicate: TypeAlias = Callable[[Record], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Shows(Expectation):
    """Whatever a function of the record finds missing: for what the others cannot say."""

    what: str
    predicate: Predicate

    def describe(self) -> str:
        """For people."""
        return self.what

    def judge(self, record: Record) -> Iterator[Finding]:
        """Ask the function."""
        yield from self.predicate(record)


@dataclass(frozen=True, slots=True)
class All(Expectation):
    """Several expectations at once."""

    parts: tuple[Expectation, ...]

    def describe(self) -> str:
        """For people."""
        return "; ".join(each.describe() for each in self.parts)

    def judge(self, record: Record) -> Iterator[Finding]:
        """Every part's findings."""
        for each in self.parts:
            yield from each.judge(record)
