"""From every sentence of SPEC.md to what enforces, shows and guards it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from conformance.cases.registry import cases
from conformance.data import Requirement, requirements, specification
from conformance.mutants.registry import mutants
from conformance.running.matrix import Kill, kills
from conformance.vectors.cases import vectors_of
from conformance.vectors.implementation import FAMILIES
from conformance.vectors.mutants import MutantResult, matrix

OBSERVABLE = frozenset({"vector", "wire", "adapter"})
_ID = re.compile(r"\b[A-Z]{3}-\d{3}\b")
_ENFORCING = ("mycellm_proto", "reference_node")
_AUDITING = ("tests",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One requirement, and everything that cites it."""

    requirement: Requirement
    enforced: tuple[str, ...]
    """Source files of the implementation that cite it."""
    cases: tuple[str, ...]
    vectors: tuple[str, ...]
    """Vectors that show it: family/case."""
    guards: tuple[str, ...]
    """Mutants that break it and were killed by every case that names them."""
    survivors: tuple[str, ...]
    """Mutants that break it and were not."""
    audited: tuple[str, ...]
    """Test files that cite it."""

    @property
    def has_to_be_shown(self) -> bool:
        """Whether it is a MUST that vectors, the wire or an adapter show."""
        return self.requirement.is_must and self.requirement.seen in OBSERVABLE

    @property
    def gaps(self) -> Iterator[str]:
        """What is missing of an observable MUST."""
        if self.has_to_be_shown and not (self.cases or self.vectors):
            yield "is not exercised"
        if self.has_to_be_shown and not self.guards:
            yield "is not guarded"
        if self.survivors:
            yield f"is broken by {', '.join(self.survivors)}, which survived"


def live_kills() -> list[Kill]:
    """Every mutant of the wire before the cases that name it. Takes seconds."""
    return [kill for mutant in mutants().values() for kill in kills(mutant)]


def trace(source: Path | None, live: Iterable[Kill], of_vectors: Iterable[MutantResult]) -> list[Row]:
    """A row a requirement. ``source`` is the checkout whose files are searched for citations, or None."""
    shown = _shown_by_cases()
    in_vectors = _shown_by_vectors()
    guards, survivors = _guards(live, of_vectors)
    enforced = _cited(source, _ENFORCING)
    audited = _cited(source, _AUDITING)
    return [
        Row(
            requirement=each,
            enforced=tuple(enforced[each.id.partition("~")[0]]),
            cases=tuple(shown[each.id]),
            vectors=tuple(in_vectors[each.id]),
            guards=tuple(guards[each.id]),
            survivors=tuple(survivors[each.id]),
            audited=tuple(audited[each.id.partition("~")[0]]),
        )
        for each in requirements().values()
    ]


def whole() -> list[Row]:
    """The trace of this checkout, or of what is installed, with all mutants run."""
    source = specification().parent
    return trace(source if (source / "pyproject.toml").is_file() else None, live_kills(), matrix())


def lines(rows: Iterable[Row]) -> Iterator[str]:
    """The trace as text: what is committed, so that a change of it is seen."""
    yield "# requirement  keyword     actor      seen          code cases vectors mutants tests"
    for row in rows:
        counts = (row.enforced, row.cases, row.vectors, row.guards, row.audited)
        shown = " ".join(f"{len(each) or '-':>{width}}" for each, width in zip(counts, (4, 5, 7, 7, 5), strict=True))
        about = row.requirement
        yield f"{about.id:<14} {about.keyword:<11} {about.actor:<10} {about.seen:<13} {shown}"


def gaps(rows: Iterable[Row]) -> Iterator[str]:
    """Every observable MUST that is not exercised or not guarded, and every mutant that survived."""
    for row in rows:
        for gap in row.gaps:
            yield f"{row.requirement.id} ({row.requirement.seen}) {gap}"


def _shown_by_cases() -> Mapping[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for case in cases().values():
        for requirement in case.requirements:
            found[requirement].append(case.id)
    return found


def _shown_by_vectors() -> Mapping[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for vector in (each for family in FAMILIES for each in vectors_of(family)):
        for requirement in vector.requirements:
            found[requirement].append(vector.id)
    return found


def _guards(
    live: Iterable[Kill], of_vectors: Iterable[MutantResult]
) -> tuple[Mapping[str, list[str]], Mapping[str, list[str]]]:
    guards: defaultdict[str, list[str]] = defaultdict(list)
    survivors: defaultdict[str, list[str]] = defaultdict(list)
    caught: dict[str, bool] = {}
    breaks: dict[str, tuple[str, ...]] = {}
    for kill in live:
        caught[kill.mutant.slug] = caught.get(kill.mutant.slug, True) and kill.counts
        breaks[kill.mutant.slug] = kill.mutant.breaks
    for result in of_vectors:
        caught[f"vectors/{result.slug}"] = not result.survived
        breaks[f"vectors/{result.slug}"] = (result.requirement,)
    for slug, requirements_ in breaks.items():
        for requirement in requirements_:
            (guards if caught[slug] else survivors)[requirement].append(slug)
    return guards, survivors


def _cited(source: Path | None, folders: Iterable[str]) -> Mapping[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for folder in folders if source is not None else ():
        assert source is not None  # or there would be no folder
        for path in sorted((source / folder).rglob("*.py")):
            for name in sorted(set(_ID.findall(path.read_text(encoding="utf-8")))):
                found[name].append(path.relative_to(source).as_posix())
    return found
