"""All mutants by their slugs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module

from conformance.cases.registry import FAMILIES

from .mutant import Mutant


@cache
def mutants() -> Mapping[str, Mutant]:
    """Every mutant. Raises `ValueError` for a slug that comes twice."""
    found: dict[str, Mutant] = {}
    for mutant in _all():
        if mutant.slug in found:
            raise ValueError(f"two mutants are named {mutant.slug}")
        found[mutant.slug] = mutant
    return found


def _all() -> Iterator[Mutant]:
    """Each family of cases has a module of the same name here, with its ``MUTANTS``, whose slugs begin with it."""
    for name in FAMILIES:
        for mutant in import_module(f"{__package__}.{name}").MUTANTS:
            yield replace(mutant, slug=f"{name}/{mutant.slug}")
