"""Every fault that the vectors are there for is noticed by the cases that name it, and for what it is."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from conformance.vectors.cases import select
from conformance.vectors.judge import PASSED, Result, Verdict
from conformance.vectors.mutants import MUTANTS, MutantResult, VectorMutant, matrix
from conformance.vectors.mutants.matrix import outcomes, tried
from conformance.vectors.mutants.mutant import Without, mutant
from spec.tools.requirements import read_lock
from spec.tools.update import LOCK

NO_TWIN = {"knows-another-network"}
"""Of these every accepted case of the family has to fail: what they break is in each of them."""


@cache
def results_of(slug: str) -> tuple[Result, ...]:
    return tuple(outcomes(next(each for each in MUTANTS if each.slug == slug)))


@cache
def all_results() -> tuple[MutantResult, ...]:
    return tuple(matrix())


def test_every_requirement_that_vectors_show_is_guarded() -> None:
    lock = read_lock(LOCK.read_text(encoding="utf-8"))
    shown = {requirement.citation for requirement in lock.current.values() if requirement.observed == "vector"}
    assert {result.requirement for result in all_results() if not result.survived} == shown


def test_the_matrix_has_every_mutant_once() -> None:
    assert [result.slug for result in all_results()] == [each.slug for each in MUTANTS]
    assert Counter(each.slug for each in MUTANTS).most_common(1)[0][1] == 1
    assert len(MUTANTS) >= 90


@pytest.mark.parametrize("broken", MUTANTS, ids=lambda each: each.slug)
def test_a_mutant_is_killed_by_all_cases_that_name_it(broken: VectorMutant) -> None:
    result = next(each for each in all_results() if each.slug == broken.slug)
    assert result.missed == result.unmoved == ()
    assert set(broken.kills) <= set(result.killed_by)
    assert not result.survived


@pytest.mark.parametrize("broken", MUTANTS, ids=lambda each: each.slug)
def test_a_mutant_is_honest_otherwise(broken: VectorMutant) -> None:
    """An accepted case of each family still passes, and so does most of what does not cite the requirement."""
    results = results_of(broken.slug)
    for family in {result.family for result in results}:
        ours = [result for result in results if result.family == family]
        accepted = [result.verdict in PASSED for result in ours if not result.is_rejected]
        assert any(accepted) or broken.slug in NO_TWIN, family
        others = [result.verdict in PASSED for result in ours if broken.breaks not in result.requirements]
        assert sum(others) >= 0.75 * len(others), family


def test_cases_that_name_a_mutant_exist_and_cite_what_it_breaks() -> None:
    cited = {vector.id: vector.requirements for vector in select()}
    for broken in MUTANTS:
        assert broken.kills
        for name in broken.kills:
            assert broken.breaks in cited[name], (broken.slug, name)


def test_who_breaks_nothing_survives() -> None:
    harmless = mutant("harmless", "HSK-009~1", "hello: reject-responder-other-node", Without("nothing"))
    result = tried(harmless)
    assert result.survived
    assert result.missed == harmless.kills
    assert result.killed_by == ()


def test_who_stumbles_is_not_killed_by_it() -> None:
    def stumble(_family: str, _inputs: object) -> dict[str, object]:
        raise ZeroDivisionError

    broken = VectorMutant(
        slug="stumbles", breaks="HSK-009~1", kills=("hello/reject-responder-other-node",), derive=stumble
    )
    result = tried(broken)
    assert (result.killed_by, result.unmoved) == ((), ("hello",))
    assert result.survived
    assert {each.verdict for each in outcomes(broken)} == {Verdict.INCONCLUSIVE}
