"""Every case against the honest node in memory, and against what its registry promises."""

from __future__ import annotations

import pytest

from conformance.case import Case
from conformance.cases.registry import cases
from conformance.data import requirements
from conformance.honest.node import Node
from conformance.judge.finding import Verdict
from conformance.judge.judge import judge
from conformance.running.memory import transcript_of
from conformance.wire.transcript import dump, load

ALL = list(cases().values())


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.id)
def test_the_honest_node_passes(case: Case) -> None:
    transcript = transcript_of(case, Node)
    judgement = judge(case, transcript)
    assert judgement.verdict is Verdict.PASS, [each.message for each in judgement.findings]
    assert judge(case, load(dump(transcript))).findings == judgement.findings


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.id)
def test_a_case_is_whole(case: Case) -> None:
    assert set(case.requirements) <= requirements().keys()
    assert case.requirements
    assert case.page
    assert case.page.endswith(".")
    if case.fault is not None:
        assert case.twin is not None, "a refusal means something beside an honest twin alone"
    if case.twin is not None:
        assert cases()[case.twin].fault is None


@pytest.mark.parametrize("case", [each for each in ALL if each.fault], ids=lambda case: case.id)
def test_a_fault_is_committed_once_for_each_item(case: Case) -> None:
    assert case.fault is not None
    committed = [each for each in transcript_of(case, Node).events if each.what == "fault"]
    assert [each.facts["fault"] for each in committed] == [case.fault.name] * (case.items or 1)
