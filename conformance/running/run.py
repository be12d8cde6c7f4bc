"""A run: which cases, in which order, and what it came to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from conformance.case import TIERS, Case, Tier
from conformance.cases.registry import cases
from conformance.judge.finding import Verdict
from conformance.judge.judge import Judgement, judge
from conformance.script.session import Environment
from conformance.signing import Key

from .execute import execute
from .results import beside_twins

_AT_ONCE = 6
"""Waiting cases that run beside each other: each may hold a place in the target's queue."""


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

    tier: Tier = "core"
    roles: frozenset[str] = frozenset({"responder"})
    patterns: tuple[str, ...] = ()
    """Shell patterns of ids; none: all."""
    adapter: bool = False
    """Whether an adapter moves the target: without one, what needs it is not asked for."""

    def cases(self) -> list[Case]:
        """The cases, with the honest twins that they need. Raises `SelectionError` where there are none."""
        known = cases()
        within = TIERS[: TIERS.index(self.tier) + 1]
        asked = [each for each in known.values() if each.tier in within and each.role in self.roles]
        asked = [each for each in asked if self.adapter or not each.needs]
        if self.patterns:
            for pattern in self.patterns:
                if not any(fnmatchcase(each, pattern) for each in known):
                    raise SelectionError(f"no case matches {pattern!r}; `list` shows all")
            asked = [each for each in asked if any(fnmatchcase(each.id, pattern) for pattern in self.patterns)]
        if not asked:
            raise SelectionError("the selection has no case: widen --tier, --set or --filter")
        wanted = {each.id for each in asked} | {each.twin for each in asked if each.twin}
        return [each for each in known.values() if each.id in wanted]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Judgements by case id, in the order of the cases."""

    judgements: dict[str, Judgement] = field(default_factory=dict)

    def count(self, *verdicts: Verdict) -> int:
        """How many cases ended so."""
        return sum(each.verdict in verdicts for each in self.judgements.values())

    @property
    def outcome(self) -> Outcome:
        """Never CONFORMANT where nothing was executed."""
        if self.count(Verdict.FAIL):
            return Outcome.NOT_CONFORMANT
        good = self.count(Verdict.PASS, Verdict.WARN)
        rest = len(self.judgements) - good - self.count(Verdict.NOT_APPLICABLE)
        return Outcome.NOT_FULLY_VERIFIED if rest or not good else Outcome.CONFORMANT


async def run(
    selected: Sequence[Case],
    environment: Environment,
    *,
    seed: bytes,
    key: Key | None = None,
    began: Callable[[Case], None] = lambda _: None,
    ended: Callable[[Judgement], None] = lambda _: None,
) -> Run:
    """Run cases: those that wait on purpose beside each other, the others one by one meanwhile."""
    judgements: dict[str, Judgement] = {}
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(case: Case) -> None:
        began(case)
        judgements[case.id] = judge(case, await execute(case, environment, seed=seed, key=key))
        ended(judgements[case.id])

    async def waiting(case: Case) -> None:
        async with places:
            await one(case)

    async with asyncio.TaskGroup() as group:
        for case in _waiting(selected):
            group.create_task(waiting(case))
        for case in selected:
            if not case.seconds:
                await one(case)
    return Run(judgements=beside_twins({case.id: judgements[case.id] for case in selected}))


def _waiting(selected: Iterable[Case]) -> list[Case]:
    return sorted((each for each in selected if each.seconds), key=lambda each: -each.seconds)
