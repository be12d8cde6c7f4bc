"""From a transcript to a verdict."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace

from conformance.case import Case
from conformance.wire.transcript import Transcript

from .finding import Finding, Verdict
from .observers import OBSERVERS
from .observers.observer import Observer
from .record import MAX_FRAMES, Record, read

_ORDER = (
    Verdict.HARNESS_ERROR,
    Verdict.FAIL,
    Verdict.NOT_APPLICABLE,
    Verdict.UNTESTABLE,
    Verdict.INCONCLUSIVE,
    Verdict.WARN,
)
"""The verdict of a case is the first of these that a finding has."""


_ENDS = frozenset({"harness", "untestable", "not-applicable"})
"""Events after which a case's expectation means nothing."""


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
    yield from _noted(case, record)
    for observer in OBSERVERS:
        yield from _guarded(observer, record)
    if any(event.what in _ENDS for _, event in record.events()):
        return
    shown = list(_guarded(case.expect.judge, record))
    for finding in shown:
        own = finding.requirements or finding.verdict is Verdict.HARNESS_ERROR
        yield finding if own else replace(finding, requirements=case.requirements)
    over = any(event.what == "done" for _, event in record.events())
    if not over and all(each.verdict is Verdict.WARN for each in shown):
        yield Finding(verdict=Verdict.INCONCLUSIVE, message=f"the script did not come to its end{_waiting(record)}")


def _noted(case: Case, record: Record) -> Iterator[Finding]:
    """What the transcript says of itself."""
    for link in record.links:
        if link.flooded is not None:
            message = f"there are more frames on one connection than the {MAX_FRAMES} that the suite reads"
            yield Finding(verdict=Verdict.FAIL, message=message, event=link.flooded)
    for index, event in record.events():
        if event.what == "harness":
            yield Finding(verdict=Verdict.HARNESS_ERROR, message=str(event.facts.get("error")), event=index)
        if event.what == "flood":
            kept = f"{event.facts.get('bytes')} bytes in {event.facts.get('events')} events"
            message = f"the target sent more than the suite keeps of one case ({kept}), and was cut off"
            yield Finding(verdict=Verdict.FAIL, message=message, event=index)
        if event.what == "untestable":
            lift = str(event.facts.get("lift", ""))
            yield Finding(verdict=Verdict.UNTESTABLE, message=str(event.facts.get("reason")), event=index, lift=lift)
        if event.what == "not-applicable":
            yield Finding(verdict=Verdict.NOT_APPLICABLE, message=str(event.facts.get("reason")), event=index)
        if event.what == "adapter" and "unsupported" in event.facts:
            message = f"the adapter declares what it does not support: {event.facts['unsupported']}"
            yield Finding(verdict=Verdict.FAIL, message=message, requirements=case.requirements, event=index)


def _waiting(record: Record) -> str:
    waited = [event.facts.get("for") for _, event in record.waits]
    return f"; the suite waited for {waited[-1]}" if waited else ""


def _guarded(look: Observer, record: Record) -> Iterator[Finding]:
    """What ``look`` finds. Where it stumbles over the record, that is a fault of the suite, and ends no run."""
    try:
        yield from look(record)
    except Exception:  # noqa: BLE001  reported with the case
        yield Finding(verdict=Verdict.HARNESS_ERROR, message=traceback.format_exc())
