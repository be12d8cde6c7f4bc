"""The kill matrix: every mutant against all cases of the families in which it has to be killed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from conformance.vectors.cases import vectors_of
from conformance.vectors.judge import PASSED, Result, Verdict, judge

from . import claims, discovery, encoding, framing, keys, members, networks, payment, settlement
from .mutant import VectorMutant

MUTANTS: tuple[VectorMutant, ...] = (
    *encoding.MUTANTS,
    *framing.MUTANTS,
    *keys.MUTANTS,
    *payment.MUTANTS,
    *settlement.MUTANTS,
    *networks.MUTANTS,
    *members.MUTANTS,
    *claims.MUTANTS,
    *discovery.MUTANTS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MutantResult:
    """What became of a mutant.

    ``killed_by`` are the cases that cite the requirement and fail, ``missed`` those that should kill it and do not,
    ``unmoved`` the families of which no case passes, so that its death there shows nothing about the requirement.
    """

    slug: str
    requirement: str
    killed_by: tuple[str, ...]
    missed: tuple[str, ...]
    unmoved: tuple[str, ...]

    @property
    def survived(self) -> bool:
        """Whether it was not killed by all the cases that name it, for what it breaks."""
        return bool(self.missed or self.unmoved or not self.killed_by)


def matrix() -> list[MutantResult]:
    """What became of every mutant, in the order of `MUTANTS`."""
    return [tried(mutant) for mutant in MUTANTS]


def tried(mutant: VectorMutant) -> MutantResult:
    """What became of one mutant."""
    results = {f"{result.family}/{result.case}": result for result in outcomes(mutant)}
    killed_by = tuple(
        name
        for name, result in results.items()
        if result.verdict is Verdict.FAIL and mutant.breaks in result.requirements
    )
    return MutantResult(
        slug=mutant.slug,
        requirement=mutant.breaks,
        killed_by=killed_by,
        missed=tuple(name for name in mutant.kills if name not in killed_by),
        unmoved=_unmoved(results),
    )


def outcomes(mutant: VectorMutant) -> list[Result]:
    """The results of all cases of the families in which a mutant has to be killed."""
    families = dict.fromkeys(name.partition("/")[0] for name in mutant.kills)
    results = []
    for vector in (vector for family in families for vector in vectors_of(family)):
        try:
            results.append(judge(vector, mutant.derive))
        except Exception as error:  # noqa: BLE001  a mutant that stumbles over a case is not killed by it
            results.append(Result.of(vector, Verdict.INCONCLUSIVE, f"it stumbled: {error!r}"))
    return results


def _unmoved(results: Mapping[str, Result]) -> tuple[str, ...]:
    families = {result.family for result in results.values()}
    alive = {result.family for result in results.values() if result.verdict in PASSED}
    return tuple(sorted(families - alive))
