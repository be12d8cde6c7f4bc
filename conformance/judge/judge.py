"""From a transcript to a verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from conformance.case import Case
from conformance.wire.transcript import Transcript

from .finding import Finding, Verdict
from .observers import OBSERVERS
from .record import Record, read

_ORDER = (
    Verdict.HARNESS_ERROR,
    Verdict.FAIL,
    Verdict.NOT_APPLICABLE,
    Verdict.UNTESTABLE,
    Verdict.INCONCLUSIVE,
    Verdict.WARN,
)
"""The verdict of a case is the first of these that a finding has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict of one case, and what it rests on."""

    case: Case
    verdict: Verdict
    findings: tuple[Finding, ...]
    transcript: Transcript


def judge(case: Case, transcript: Transcript) -> Judgement:
    """Judge one run of ``case``. The same transcript gives the same judgement anywhere."""
    findings = tuple(_findings(case, read(transcript)))
    kinds = {each.verdict for each in findings}
    verdict = next((each for each in _ORDER if each in kinds), Verdict.PASS)
    return Judgement(case=case, verdict=verdict, findings=findings, transcript=transcript)


def _findings(case: Case, record: Record) -> Iterator[Finding]:
    for index, event in record.events():
        if event.what == "harness":
            yield Finding(verdict=Verdict.HARNESS_ERROR, message=str(event.facts.get("error")), event=index)
        if event.what == "untestable":
            lift = str(event.facts.get("lift", ""))
            verdict = Verdict.NOT_APPLICABLE if event.facts.get("absent") else Verdict.UNTESTABLE
            yield Finding(verdict=verdict, message=str(event.facts.get("reason")), event=index, lift=lift)
        if event.what == "adapter" and "unsupported" in event.facts:
            message = f"the adapter declares what it does not support: {event.facts['unsupported']}"
            yield Finding(verdict=Verdict.FAIL, message=message, requirements=case.requirements, event=index)
    for observer in OBSERVERS:
        yield from observer(record)
    if any(event.what in ("harness", "untestable") for _, event in record.events()):
        return
    for finding in case.expect.judge(record):
        yield finding if finding.requirements else replace(finding, requirements=case.requirements)
