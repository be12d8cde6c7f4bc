"""The kill matrix as a section of the page: which broken peer was caught by which case, for which requirement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from conformance.mutants.mutant import Mutant
from conformance.running.matrix import Kill, requirements_guarded

from .templates import template


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """A mutant and what the cases that name it came to."""

    mutant: Mutant
    kills: tuple[Kill, ...]

    @property
    def is_caught(self) -> bool:
        """Whether every case that names it caught it, for the right reason."""
        return all(each.counts for each in self.kills)

    @property
    def family(self) -> str:
        """Where it is shown: the family of the first case that names it."""
        return self.kills[0].case.partition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The mutants of one family, and the requirements that they break."""

    name: str
    requirements: tuple[str, ...]
    mutants: tuple[Caught, ...]


def kill_matrix_section(kills: Iterable[Kill], scope: Iterable[str] = ()) -> Markup:
    """The section, as HTML. Requirements of ``scope`` that no caught mutant breaks are named as unguarded."""
    found = list(kills)
    caught = [
        Caught(mutant=members[0].mutant, kills=tuple(members))
        for members in (list(each) for _, each in groupby(found, key=lambda each: each.mutant.slug))
    ]
    guarded = requirements_guarded(found)
    html = template("kills.html").render(
        parts=_parts(caught),
        total=len(caught),
        caught=sum(each.is_caught for each in caught),
        guarded=len(guarded),
        unguarded=sorted(set(scope) - guarded),
    )
    return Markup(html)  # noqa: S704  the template escapes


def _parts(caught: Sequence[Caught]) -> list[Part]:
    parts = []
    for name, each in groupby(caught, key=lambda one: one.family):
        mutants = tuple(each)
        requirements = sorted({requirement for one in mutants for requirement in one.mutant.breaks})
        parts.append(Part(name=name, requirements=tuple(requirements), mutants=mutants))
    return parts
