"""The kill matrix: every mutant against the cases that name it and their twins, in virtual time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from conformance.cases.registry import cases
from conformance.data import requirements
from conformance.judge.finding import Verdict
from conformance.judge.judge import Judgement, judge
from conformance.mutants.mutant import Mutant

from .memory import transcript_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One mutant before one case."""

    mutant: Mutant
    case: str
    verdict: Verdict
    why: str
    """Why the kill does not count; empty where it does."""

    @property
    def counts(self) -> bool:
        """Whether the case caught the mutant, for the right reason."""
        return not self.why


def kills(mutant: Mutant) -> list[Kill]:
    """Every case that has to catch ``mutant``, and whether it does. Raises `KeyError` for an unknown case."""
    return [_kill(mutant, each, against(mutant, each)) for each in mutant.kills]


def against(mutant: Mutant, case: str) -> Judgement:
    """``case`` against ``mutant``."""
    known = cases()[case]
    return judge(known, transcript_of(known, mutant.node, mutant.connection, mutant.adapter))


def _kill(mutant: Mutant, case: str, judgement: Judgement) -> Kill:
    return Kill(mutant=mutant, case=case, verdict=judgement.verdict, why=_why_not(mutant, case, judgement))


def _why_not(mutant: Mutant, case: str, judgement: Judgement) -> str:
    # Who breaks a SHOULD is caught with a warning.
    wanted = Verdict.FAIL if any(requirements()[each].is_must for each in mutant.breaks) else Verdict.WARN
    if judgement.verdict is not wanted:
        return f"the case ends with {judgement.verdict}"
    named = {each for finding in judgement.findings for each in finding.requirements}
    if not named & set(mutant.breaks):
        return f"the findings name {', '.join(sorted(named)) or 'nothing'}"
    twin = cases()[case].twin
    if twin is not None and twin not in mutant.kills and against(mutant, twin).verdict is not Verdict.PASS:
        return f"the honest twin {twin} does not pass either"
    return ""


def requirements_guarded(results: Iterable[Kill]) -> set[str]:
    """The requirements that a mutant breaks which was caught."""
    return {requirement for each in results if each.counts for requirement in each.mutant.breaks}
