"""What the judgements of a run come to, once each is seen beside its honest twin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from conformance.judge.finding import Finding, Verdict
from conformance.judge.judge import Judgement


def beside_twins(judgements: Mapping[str, Judgement]) -> dict[str, Judgement]:
    """A refusal shows nothing where the honest twin was refused too: such a pass becomes inconclusive.

    So does the pass of a twin whose own twin shows nothing, and whatever rests on it.
    """
    seen: dict[str, Judgement] = {}

    def see(case: str) -> Judgement:
        if case not in seen:
            judgement = judgements[case]
            twin = judgement.case.twin
            seen[case] = _beside(judgement, None if twin is None or twin not in judgements else see(twin))
        return seen[case]

    return {case: see(case) for case in judgements}


def _beside(judgement: Judgement, other: Judgement | None) -> Judgement:
    twin = judgement.case.twin
    if twin is None or judgement.verdict not in (Verdict.PASS, Verdict.WARN):
        return judgement
    if other is not None and other.verdict in (Verdict.PASS, Verdict.WARN):
        return judgement
    known = "was not run" if other is None else f"ended with {other.verdict}"
    untestable = other is not None and other.verdict is Verdict.UNTESTABLE
    verdict = Verdict.UNTESTABLE if untestable else Verdict.INCONCLUSIVE
    lift = next((each.lift for each in other.findings if each.lift), "") if other is not None else ""
    finding = Finding(verdict=verdict, message=f"its honest twin {twin} {known}", lift=lift)
    return replace(judgement, verdict=verdict, findings=(*judgement.findings, finding))
