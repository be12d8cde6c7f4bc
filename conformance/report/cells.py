"""The matrix: what each case shows of each requirement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from conformance.judge.finding import Verdict
from conformance.judge.judge import Judgement
from conformance.running.scope import broken_by

ELSEWHERE = "elsewhere"
"""In a case: it failed, for another requirement, so that it shows nothing of this one."""


def cells(judgements: Iterable[Judgement]) -> Mapping[str, dict[str, str]]:
    """For each requirement that a case cites or breaks: case id and what that case shows of it."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for judgement in judgements:
        for requirement in (*judgement.case.requirements, *broken_by(judgement)):
            found[requirement][judgement.case.id] = cell(judgement, requirement)
    return found


def cell(judgement: Judgement, requirement: str) -> str:
    """What one case shows of one requirement."""
    named = {each.verdict for each in judgement.findings if requirement in each.requirements}
    for verdict in (Verdict.FAIL, Verdict.WARN):
        if verdict in named:
            return verdict
    if judgement.verdict is Verdict.WARN:
        return Verdict.PASS
    return ELSEWHERE if judgement.verdict is Verdict.FAIL else judgement.verdict
