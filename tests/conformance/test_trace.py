"""Every sentence of SPEC.md leads to what enforces, shows and guards it; the committed trace is that of the tree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance.data import requirements, sets, specification
from conformance.trace import OBSERVABLE, Row, gaps, lines, whole
from tests.conformance.test_cases import ALL


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return whole()


def test_every_observable_must_is_exercised_and_guarded(rows: list[Row]) -> None:
    assert list(gaps(rows)) == []


def test_the_committed_trace_is_of_this_tree(rows: list[Row]) -> None:
    committed = (specification() / "trace.txt").read_text(encoding="utf-8").splitlines()
    assert committed == list(lines(rows)), "run `python3 -m conformance trace > spec/trace.txt`, and look at the diff"


def test_a_gap_is_seen(rows: list[Row]) -> None:
    row = next(each for each in rows if each.has_to_be_shown)
    assert list(gaps([replace(row, cases=(), vectors=())])) == [
        f"{row.requirement.id} ({row.requirement.seen}) is not exercised"
    ]
    assert list(gaps([replace(row, guards=())])) == [f"{row.requirement.id} ({row.requirement.seen}) is not guarded"]
    assert "survived" in next(gaps([replace(row, survivors=("x",))]))


@pytest.mark.parametrize("name", sets())
def test_a_set_holds_what_its_cases_show_and_nothing_that_no_case_shows(name: str) -> None:
    scope = sets()[name]
    cases = [each for each in ALL if each.role in scope.roles and (scope.adapter or not each.needs)]
    shown = {requirement for case in cases for requirement in case.requirements}
    assert list(scope.requirements) == sorted(set(scope.requirements))
    assert set(scope.requirements) <= requirements().keys()
    assert shown <= set(scope.requirements)
    unshown = {each for each in set(scope.requirements) - shown if requirements()[each].is_must}
    assert unshown == set()
    assert {requirements()[each].seen for each in scope.requirements} & OBSERVABLE
