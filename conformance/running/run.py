"""A run: which cases, in which order, and what it came to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property

from conformance.case import TIERS, Case, Tier
from conformance.cases.registry import cases
from conformance.data import RequirementSet, requirements
from conformance.judge.finding import Verdict
from conformance.judge.judge import Judgement, judge
from conformance.script.session import Environment
from conformance.signing import Key

from .execute import execute
from .preflight import Watch
from .results import beside_twins
from .scope import Standing, standings
from .shrink import shrunk

_AT_ONCE = 6
"""Waiting cases that run beside each other: each may hold a place in the target's queue."""
_IN_TURN = 2
"""Lines in which cases run that wait for nothing but the target: a model is faster at two answers than one by one."""
_HOLDING = 2
"""Those of them that hold an answer: a target that answers four at once has places left for the other cases."""


class Outcome(StrEnum):
    """The verdict of a whole run."""

    CONFORMANT = "CONFORMANT"
    NOT_FULLY_VERIFIED = "NOT FULLY VERIFIED"
    NOT_CONFORMANT = "NOT CONFORMANT"


class SelectionError(ValueError):
    """A selection that no case is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which cases are asked for."""

    scope: RequirementSet
    tier: Tier = "core"
    patterns: tuple[str, ...] = ()
    """Shell patterns of ids; none: all."""
    only: tuple[int, ...] = ()
    """Of generated cases, the items that are drawn; none: all."""

    def cases(self) -> list[Case]:
        """The cases, with the honest twins that they need. Raises `SelectionError` where there are none."""
        known = cases()
        within = TIERS[: TIERS.index(self.tier) + 1]
        asked = [each for each in known.values() if each.tier in within and each.role in self.scope.roles]
        asked = [each for each in asked if self.scope.adapter or not each.needs]
        for pattern in self.patterns:
            if not any(fnmatchcase(each, pattern) for each in known):
                raise SelectionError(f"no case matches {pattern!r}; `list` shows all")
            if not any(fnmatchcase(each.id, pattern) for each in asked):
                where = f"the set {self.scope.name} and the tier {self.tier}"
                raise SelectionError(f"the selection has no case: in {where} none matches {pattern!r}; widen them")
        if self.patterns:
            asked = [each for each in asked if any(fnmatchcase(each.id, pattern) for pattern in self.patterns)]
        if not asked:
            raise SelectionError("the selection has no case: widen --tier, --set or --filter")
        for item in self.only:
            if not any(0 <= item < each.items for each in asked):
                raise SelectionError(f"no case of the selection draws an item {item}")
        wanted = {twin for each in asked for twin in _with_twins(each.id, known)}
        return [each for each in known.values() if each.id in wanted]

    @property
    def is_whole(self) -> bool:
        """Whether every requirement of the set has to be shown."""
        return self.tier == TIERS[-1] and not self.patterns and not self.only

    def describe(self) -> str:
        """What a verdict over it is about, for people."""
        filtered = f", filtered by {' '.join(self.patterns)}" if self.patterns else ""
        only = f", only item {' and '.join(map(str, self.only))}" if self.only else ""
        return f"set {self.scope.name}, tier {self.tier}{filtered}{only}"


def _with_twins(case: str | None, known: Mapping[str, Case]) -> Iterator[str]:
    """A case, its honest twin, and what that one rests on in turn."""
    while case is not None:
        yield case
        case = known[case].twin


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run came to."""

    selection: Selection
    judgements: Mapping[str, Judgement]
    """By case id, in the order of the cases."""
    excused: frozenset[str] = frozenset()
    """Ids of the cases whose failure the implementer knows of."""

    def count(self, *verdicts: Verdict) -> int:
        """How many cases ended so."""
        return sum(each.verdict in verdicts for each in self.judgements.values())

    @property
    def failures(self) -> list[str]:
        """Ids of the cases that failed and were not known to."""
        return [
            case for case, each in self.judgements.items() if each.verdict is Verdict.FAIL and case not in self.excused
        ]

    @cached_property
    def standings(self) -> Mapping[str, Standing]:
        """What the run says of each requirement of the set."""
        return standings(self.selection.scope, self.judgements)

    def _is_open(self, how: Standing) -> bool:
        return how in (Standing.NOT_VERIFIED, Standing.BROKEN) or (how is Standing.NOT_RUN and self.selection.is_whole)

    @property
    def outcome(self) -> Outcome:
        """Never CONFORMANT where nothing was executed, or a MUST that belongs to the run was not seen to be kept."""
        if self.failures:
            return Outcome.NOT_CONFORMANT
        gaps = any(self._is_open(how) and requirements()[each].is_must for each, how in self.standings.items())
        good = self.count(Verdict.PASS, Verdict.WARN)
        rest = len(self.judgements) - good - self.count(Verdict.NOT_APPLICABLE)
        return Outcome.NOT_FULLY_VERIFIED if gaps or rest or not good else Outcome.CONFORMANT


async def run(
    selection: Selection,
    environment: Environment,
    *,
    seed: bytes,
    key: Key | None = None,
    excused: frozenset[str] = frozenset(),
    began: Callable[[Case], None] = lambda _: None,
    ended: Callable[[Judgement], None] = lambda _: None,
) -> Run:
    """Run the cases of a selection: those that wait on purpose beside each other, the others meanwhile in lines.

    A generated case that fails is run again with fewer of its items.
    """
    selected = selection.cases()
    judgements: dict[str, Judgement] = {}
    places, answers = asyncio.Semaphore(_AT_ONCE), asyncio.Semaphore(_HOLDING)

    watch = Watch(environment, seed=seed, key=key)

    async def one(case: Case) -> None:
        async def again(items: Sequence[int]) -> Judgement:
            return judge(case, await execute(case, environment, seed=seed, key=key, items=items))

        began(case)
        transcript = watch.absent(case) or await execute(case, environment, seed=seed, key=key, items=selection.only)
        await watch.saw(transcript)
        judgements[case.id] = await shrunk(judge(case, transcript), again)
        ended(judgements[case.id])

    async def waiting(case: Case) -> None:
        async with answers if case.holds else nullcontext(), places:
            await one(case)

    async def in_turn(cases: Iterator[Case]) -> None:
        for case in cases:
            await one(case)

    prompt = iter([case for case in selected if not case.seconds])
    async with asyncio.TaskGroup() as group:
        for case in _waiting(selected):
            group.create_task(waiting(case))
        for _ in range(_IN_TURN):
            group.create_task(in_turn(prompt))
    return Run(
        selection=selection,
        judgements=beside_twins({case.id: judgements[case.id] for case in selected}),
        excused=excused,
    )


def _waiting(selected: Iterable[Case]) -> list[Case]:
    return sorted((each for each in selected if each.seconds), key=lambda each: -each.seconds)
