"""Two reports beside each other: what got worse, what got better, what is there in one alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .document import Document

_RANKS = (
    ("CONFORMANT", "pass", "kept"),
    ("warn",),
    ("not-applicable", "not applicable"),
    ("NOT FULLY VERIFIED", "untestable", "inconclusive", "not verified", "not run"),
    ("harness-error",),
    ("NOT CONFORMANT", "fail", "broken"),
)
"""From good to bad. What showed something and no longer does got worse."""
_RANK: Mapping[str, int] = {verdict: rank for rank, verdicts in enumerate(_RANKS) for verdict in verdicts}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something whose verdict is another."""

    name: str
    old: str
    new: str

    @property
    def is_worse(self) -> bool:
        """Whether it is a regression."""
        return _RANK[self.new] > _RANK[self.old]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The cases, or the requirements, of two reports."""

    changed: tuple[Change, ...]
    new: Mapping[str, str]
    """Only in the new report, with the verdict."""
    gone: Mapping[str, str]
    """Only in the old one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a new report says otherwise than an old one."""

    verdict: Change
    cases: Part
    requirements: Part
    circumstances: tuple[Change, ...]
    """What the two runs do not have in common: set, tier, filters, specification, suite, target."""

    def regressions(self) -> Iterator[Change]:
        """Everything that got worse: the verdict, a case, a requirement."""
        every = (self.verdict, *self.cases.changed, *self.requirements.changed)
        return (each for each in every if each.is_worse)


def compare(old: Document, new: Document) -> Difference:
    """The difference between two reports."""
    return Difference(
        verdict=Change(name="verdict", old=old["verdict"], new=new["verdict"]),
        cases=_part(old["cases"], new["cases"]),
        requirements=_part(old["requirements"], new["requirements"]),
        circumstances=tuple(_circumstances(old, new)),
    )


def plain(difference: Difference) -> dict[str, Any]:
    """The difference as JSON."""
    return {
        "regressions": [each.name for each in difference.regressions()],
        "verdict": {"old": difference.verdict.old, "new": difference.verdict.new},
        "cases": _plain(difference.cases),
        "requirements": _plain(difference.requirements),
        "circumstances": {each.name: {"old": each.old, "new": each.new} for each in difference.circumstances},
    }


def _plain(part: Part) -> dict[str, Any]:
    changed = {each.name: {"old": each.old, "new": each.new} for each in part.changed}
    return {"changed": changed, "new": dict(part.new), "gone": dict(part.gone)}


def _part(old: Iterable[Document], new: Iterable[Document]) -> Part:
    before, after = ({each["id"]: each["verdict"] for each in entries} for entries in (old, new))
    both = (Change(name=each, old=before[each], new=after[each]) for each in after if each in before)
    return Part(
        changed=tuple(each for each in both if each.old != each.new),
        new={each: after[each] for each in after if each not in before},
        gone={each: before[each] for each in before if each not in after},
    )


def _circumstances(old: Document, new: Document) -> Iterator[Change]:
    for name, place, key in (
        ("set", "", "set"),
        ("tier", "suite", "tier"),
        ("filters", "suite", "filters"),
        ("specification", "spec", "lock"),
        ("suite", "suite", "version"),
        ("node id", "target", "node_id"),
    ):
        before, after = (str((each[place] if place else each)[key]) for each in (old, new))
        if before != after:
            yield Change(name=name, old=before, new=after)
