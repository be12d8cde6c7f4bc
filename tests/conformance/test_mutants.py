"""Every mutant is caught by each case that it names, for the right reason."""

from __future__ import annotations

import pytest

from conformance.cases.registry import cases
from conformance.data import requirements
from conformance.mutants.mutant import Mutant
from conformance.mutants.registry import mutants
from conformance.running.matrix import kills

ALL = list(mutants().values())


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.slug)
def test_a_mutant_is_killed(mutant: Mutant) -> None:
    assert mutant.kills
    assert set(mutant.breaks) <= requirements().keys()
    assert {each.case: each.why for each in kills(mutant)} == dict.fromkeys(mutant.kills, "")


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.slug)
def test_a_mutant_names_cases_that_exist(mutant: Mutant) -> None:
    assert set(mutant.kills) <= cases().keys()
    assert mutant.page.endswith(".")
