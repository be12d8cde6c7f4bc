"""The cases of the vectors, and which of them a run takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from conformance import data

from .implementation import FAMILIES
from .outcome import Case, Outcome

_APART = ("id", "requirements", "intermediate", "expect")
"""Keys of a case that are no inputs."""


class SelectionError(ValueError):
    """What was asked for names no case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One case, in its parts: what goes in, what is found on the way, and what comes out."""

    family: str
    slug: str
    requirements: tuple[str, ...]
    inputs: Case
    intermediate: Outcome
    expect: Outcome

    @property
    def id(self) -> str:
        """FAMILY/CASE."""
        return f"{self.family}/{self.slug}"

    @property
    def is_rejected(self) -> bool:
        """Whether the case has to be rejected."""
        return self.expect.get("verdict") == "reject"


@cache
def vectors_of(family: str) -> tuple[Vector, ...]:
    """All cases of a family. Raises `DataError` where there are no vectors."""
    return tuple(_vector(family, case) for case in data.family(family))


def _vector(family: str, case: dict[str, Any]) -> Vector:
    return Vector(
        family=family,
        slug=case["id"],
        requirements=tuple(case["requirements"]),
        inputs={key: value for key, value in case.items() if key not in _APART},
        intermediate=case.get("intermediate", {}),
        expect=case["expect"],
    )


def select(family: str | None = None, pattern: str | None = None) -> list[Vector]:
    """The cases of one family or of all, of those whose id (FAMILY/CASE) fits the shell pattern. Never none.

    Where only rejected cases of a family are left, its first accepted one comes along, since who rejects everything
    would pass the others. Raises `SelectionError` where nothing is left.
    """
    families = FAMILIES if family is None else (family,)
    chosen = [vector for name in families for vector in _chosen(vectors_of(name), pattern)]
    if not chosen:
        raise SelectionError(f"no case fits {pattern}")
    return chosen


def _chosen(vectors: Sequence[Vector], pattern: str | None) -> Iterator[Vector]:
    chosen = [vector for vector in vectors if pattern is None or fnmatchcase(vector.id, pattern)]
    if chosen and all(vector.is_rejected for vector in chosen):
        yield from [vector for vector in vectors if not vector.is_rejected][:1]
    yield from chosen
