"""What a verdict is about, and which requirements a run has verified."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from conformance.data import RequirementSet
from conformance.judge.finding import Verdict
from conformance.judge.judge import Judgement


class Standing(StrEnum):
    """What a run says of one requirement."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_VERIFIED = "not verified"
    """Cases of this run show it, and none could be brought to an end."""
    NOT_APPLICABLE = "not applicable"
    """The target declares not to have what its cases are about."""
    NOT_RUN = "not run"
    """No case of this run shows it."""


def standing(requirement: str, judgements: Iterable[Judgement]) -> Standing:
    """The standing of ``requirement`` over ``judgements``.

    Broken where a failure or a warning cites it, kept where a case passed that shows it.
    """
    verdicts: set[Verdict] = set()
    for judgement in judgements:
        if requirement in broken_by(judgement):
            return Standing.BROKEN
        if requirement in judgement.case.requirements:
            verdicts.add(judgement.verdict)
    if verdicts & {Verdict.PASS, Verdict.WARN}:
        return Standing.KEPT
    if verdicts == {Verdict.NOT_APPLICABLE}:
        return Standing.NOT_APPLICABLE
    return Standing.NOT_VERIFIED if verdicts else Standing.NOT_RUN


def broken_by(judgement: Judgement) -> frozenset[str]:
    """The requirements that a case saw broken: findings of other kinds cite what they leave open."""
    bad = (each for each in judgement.findings if each.verdict in (Verdict.FAIL, Verdict.WARN))
    return frozenset(requirement for finding in bad for requirement in finding.requirements)


def standings(scope: RequirementSet, judgements: Mapping[str, Judgement]) -> dict[str, Standing]:
    """The standing of every requirement of a set."""
    return {each: standing(each, judgements.values()) for each in scope.requirements}
