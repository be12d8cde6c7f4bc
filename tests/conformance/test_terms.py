"""The cases of money judge honest nodes fairly, whatever terms they quote."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.case import Case
from conformance.cases.registry import cases
from conformance.honest.model import Model
from conformance.judge.finding import Verdict
from conformance.judge.judge import judge
from conformance.mutants.mutant import node_with
from conformance.running.memory import transcript_of

FAMILIES = ("quotes", "opens", "sequences", "payment", "receipts")
MONEY = [each for each in cases().values() if each.family in FAMILIES]
TERMS: dict[str, dict[str, Any]] = {
    "free": {"prices": (0, 0), "prepaid_ticks": 0},
    "free-prompts": {"prices": (0, 4)},
    "free-answers": {"prices": (1, 0)},
    "nothing-prepaid": {"prepaid_ticks": 0},
    "much-prepaid": {"prepaid_ticks": 40},
    "narrow": {"tick_value": 1, "window": 4},
    "wide": {"window": 65_536},
    "coarse": {"tick_value": 200, "window": 1},
    "dear": {"prices": (10**9, 10**9), "tick_value": 2**35, "allowance": 2**60},
    "poor": {"allowance": 1000},
}
"""What an honest node quotes and allows."""


@pytest.mark.parametrize("terms", TERMS.values(), ids=TERMS)
@pytest.mark.parametrize("case", MONEY, ids=lambda case: case.id)
def test_honest_terms_are_never_a_failure(case: Case, terms: dict[str, Any]) -> None:
    judgement = judge(case, transcript_of(case, node_with(**terms)))
    messages = [each.message for each in judgement.findings]
    assert judgement.verdict in (Verdict.PASS, Verdict.UNTESTABLE), messages


@pytest.mark.parametrize("case", MONEY, ids=lambda case: case.id)
def test_a_brief_model_is_never_a_failure(case: Case) -> None:
    class Brief(node_with()):  # type: ignore[misc]
        def __init__(self, entropy: Any) -> None:
            super().__init__(entropy, model=Model(words=2))

    judgement = judge(case, transcript_of(case, Brief))
    messages = [each.message for each in judgement.findings]
    assert judgement.verdict in (Verdict.PASS, Verdict.UNTESTABLE), messages
