"""What a run shows of each requirement, from the verdicts of the cases that cite it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from conformance.judge.finding import Verdict
from conformance.judge.judge import Judgement

UNEXERCISED = "unexercised"
"""No case of the run cites the requirement."""
ELSEWHERE = "elsewhere"
"""In a case: it failed, for another requirement, so that it shows nothing of this one."""

_ORDER = (
    Verdict.FAIL,
    Verdict.HARNESS_ERROR,
    Verdict.UNTESTABLE,
    Verdict.INCONCLUSIVE,
    Verdict.WARN,
    Verdict.PASS,
    ELSEWHERE,
    Verdict.NOT_APPLICABLE,
)
"""The verdict of a requirement is the first of these that a case has for it."""


def by_requirement(judgements: Iterable[Judgement]) -> Mapping[str, dict[str, str]]:
    """For each requirement that a case cites or a finding names: case id and what that case shows of it."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for judgement in judgements:
        for requirement in (*judgement.case.requirements, *_named(judgement)):
            found[requirement][judgement.case.id] = in_case(judgement, requirement)
    return found


def in_case(judgement: Judgement, requirement: str) -> str:
    """What one case shows of one requirement."""
    named = {each.verdict for each in judgement.findings if requirement in each.requirements}
    for verdict in (Verdict.FAIL, Verdict.WARN):
        if verdict in named:
            return verdict
    if judgement.verdict is Verdict.WARN:
        return Verdict.PASS
    return ELSEWHERE if judgement.verdict is Verdict.FAIL else judgement.verdict


def of_requirement(cases: Mapping[str, str]) -> str:
    """What all cases together show of a requirement. One that no case passed is inconclusive at best."""
    shown = set(cases.values())
    verdict = next((each for each in _ORDER if each in shown), UNEXERCISED)
    return Verdict.INCONCLUSIVE if verdict == ELSEWHERE else verdict


def _named(judgement: Judgement) -> Iterable[str]:
    return (name for finding in judgement.findings for name in finding.requirements)
