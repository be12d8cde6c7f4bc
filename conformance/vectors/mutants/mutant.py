"""What a mutant of the vectors is, and the two kinds that come often: a check is left out, a bound is not looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conformance.dcbor import Item
from conformance.vectors.implementation import Implementation
from conformance.vectors.outcome import Case, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorMutant:
    """An implementation with one fault.

    ``breaks`` is the requirement (``HSK-007~1``) that the fault breaks, ``kills`` are the cases (``FAMILY/CASE``) that
    have to fail for it, and ``derive`` is the implementation: from a family and inputs to an outcome.
    """

    slug: str
    breaks: str
    kills: tuple[str, ...]
    derive: Callable[[str, Case], Outcome]


def mutant(slug: str, breaks: str, kills: str, implementation: Implementation) -> VectorMutant:
    """A mutant; ``kills`` are words: a family and a colon, then cases of it, as often as need be."""
    family, cases = "", []
    for word in kills.split():
        if word.endswith(":"):
            family = word[:-1]
        else:
            cases.append(f"{family}/{word}")
    return VectorMutant(slug=slug, breaks=breaks, kills=tuple(cases), derive=implementation.derive)


class Without(Implementation):
    """Makes no check of one requirement."""

    def __init__(self, requirement: str) -> None:
        self._requirement = requirement

    def enforces(self, requirement: str) -> bool:
        """All but one."""
        return requirement != self._requirement


class Careless(Implementation):
    """Sees that a map of one rule has its keys, and takes what stands under those from ``first`` on."""

    def __init__(self, rule: str, first: int = 0) -> None:
        self._rule = rule
        self._first = first

    def broken(self, rule: str, value: Item) -> str | None:
        """What is wrong, but for bounds and types."""
        found = super().broken(rule, value)
        if found is not None and rule == self._rule and found.startswith("key "):
            return None if int(found.removeprefix("key ")) >= self._first else found
        return found
