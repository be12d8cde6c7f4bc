"""Expectations of cases that do one thing many times, or that do nothing for which a connection may end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from conformance import framing

from .ending import closed_by_target, ended, missing
from .expect import Expectation
from .finding import Finding, Verdict
from .record import Record


@dataclass(frozen=True, slots=True)
class Each(Expectation):
    """The same for every fault of a generated case, each by itself. The first one that shows something else is told."""

    part: Expectation

    def describe(self) -> str:
        """For people."""
        return f"each time: {self.part.describe()}"

    def judge(self, record: Record) -> Iterator[Finding]:
        """One fault after the other."""
        for fault in record.faults:
            findings = list(self.part.judge(replace(record, faults=[fault])))
            yield from findings
            if findings:
                return
        asked, sent = len(record.transcript.header.get("items", ())), len(record.faults)
        if sent < asked:
            yield missing(record, f"the target let the suite try {sent} of {asked} times")


@dataclass(frozen=True, slots=True)
class Watched(Expectation):
    """Nothing but what is watched in every case, for cases whose requirements are all of that kind."""

    def describe(self) -> str:
        """For people."""
        return "nothing that is watched in every case is wrong"

    def judge(self, record: Record) -> Iterator[Finding]:
        """Whether there was anything to watch: an answer, to its END."""
        if not any(each.kind == framing.END for link in record.links for each in link.of("target")):
            yield Finding(verdict=Verdict.INCONCLUSIVE, message="there was no whole answer to watch")


@dataclass(frozen=True, slots=True)
class LivesOn(Expectation):
    """Every connection lives until the suite closes it, and the last request of the last one is answered with ERROR."""

    def describe(self) -> str:
        """For people."""
        return "the connection lives on"

    def judge(self, record: Record) -> Iterator[Finding]:
        """The answer to the probe that the script ends with."""
        for link in record.links:
            if closed_by_target(link):
                yield ended(link)
                return
        streams = record.links[-1].own_streams() if record.links else []
        if not streams or not any(each.kind == framing.ERROR for each in record.links[-1].of("target", streams[-1])):
            yield missing(record, "the target does not answer a request on the connection afterwards")
