"""Implementations of nothing pass nothing, however friendly the vectors are to them."""

from __future__ import annotations

import pytest

from conformance.vectors.cases import vectors_of
from conformance.vectors.implementation import FAMILIES, Implementation
from conformance.vectors.judge import PASSED, Result, Verdict, concluded, judge
from conformance.vectors.null import NULLS, accept_all, reject_all, score
from conformance.vectors.outcome import Case, Outcome, reject

CODES = ("ENCODING", "MALFORMED", "BAD_OPEN", "BAD_CLOSE", "BAD_TICK", "HANDSHAKE_FAILED")


def test_ours_scores_everything() -> None:
    assert score(Implementation().derive) == 1.0


@pytest.mark.parametrize("name", NULLS)
def test_a_null_implementation_scores_near_zero(name: str) -> None:
    assert score(NULLS[name]) < 0.01


@pytest.mark.parametrize("code", CODES)
def test_whatever_its_code_who_rejects_all_scores_near_zero(code: str) -> None:
    def derive(_family: str, _inputs: Case) -> Outcome:
        return reject(code=code)

    assert score(derive) < 0.01


def test_passes_of_who_rejects_all_show_nothing_until_it_accepts_something() -> None:
    vectors = vectors_of("nodeid")
    results = concluded([judge(vector, reject_all) for vector in vectors])
    assert {result.verdict for result in results} == {Verdict.FAIL, Verdict.INCONCLUSIVE}
    honest = Implementation()
    first = concluded([judge(vectors[0], honest.derive), *(judge(vector, reject_all) for vector in vectors[1:])])
    assert sum(result.verdict in PASSED for result in first) == 1 + sum(vector.is_rejected for vector in vectors)


def test_passes_of_who_accepts_all_show_nothing() -> None:
    results = concluded([judge(vector, accept_all) for vector in vectors_of("signatures")])
    assert {result.verdict for result in results} == {Verdict.FAIL, Verdict.INCONCLUSIVE}


def test_a_family_of_one_kind_shows_what_it_shows() -> None:
    honest = Implementation()
    for family in FAMILIES:
        results: list[Result] = concluded([judge(vector, honest.derive) for vector in vectors_of(family)])
        assert {result.verdict for result in results} == {Verdict.PASS}
