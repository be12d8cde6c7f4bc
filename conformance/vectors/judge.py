"""What an outcome is worth: a verdict for each case, and what all of them come to."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from .cases import Vector
from .outcome import Case, MismatchError, Outcome

_OPTIONAL = frozenset({"reason"})
"""Keys of an outcome that tell how a reader puts it, and do not count."""


class Verdict(Enum):
    """What a case shows."""

    PASS = "pass"  # noqa: S105  no password
    WARN = "warn"
    FAIL = "fail"
    NOT_APPLICABLE = "not-applicable"
    UNTESTABLE = "untestable"
    INCONCLUSIVE = "inconclusive"
    HARNESS_ERROR = "harness-error"


PASSED = frozenset({Verdict.PASS, Verdict.WARN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One case, and why it did not simply pass."""

    family: str
    case: str
    requirements: tuple[str, ...]
    verdict: Verdict
    note: str | None = None
    is_rejected: bool = False

    @classmethod
    def of(cls, vector: Vector, verdict: Verdict, note: str | None = None) -> Result:
        """The result of a case of the vectors."""
        return cls(
            family=vector.family,
            case=vector.slug,
            requirements=vector.requirements,
            verdict=verdict,
            note=note,
            is_rejected=vector.is_rejected,
        )


class NoAnswerError(Exception):
    """Whoever was asked gave no outcome; the text says what came instead."""


def judge(vector: Vector, derive: Callable[[str, Case], Outcome]) -> Result:
    """Put one case to ``derive``, which gets its family and inputs and returns an outcome or raises `NoAnswerError`."""
    try:
        outcome = derive(vector.family, vector.inputs)
    except (NoAnswerError, MismatchError) as error:
        return Result.of(vector, Verdict.FAIL, str(error))
    return compared(vector, outcome)


def compared(vector: Vector, outcome: Outcome) -> Result:
    """Every key of ``expect`` counts, but those that tell how a reader puts it; more in ``outcome`` does not."""
    wrong = [key for key, value in vector.expect.items() if key not in outcome or not _equal(outcome[key], value)]
    notes = [f"{key} is {_shown(outcome.get(key))}, and not {_shown(vector.expect[key])}" for key in wrong]
    if not wrong:
        return Result.of(vector, Verdict.PASS)
    counts = not _OPTIONAL.issuperset(wrong)
    return Result.of(vector, Verdict.FAIL if counts else Verdict.WARN, "; ".join(notes))


def _equal(left: object, right: object) -> bool:
    """Equality of JSON, which unlike Python's tells true from 1."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def concluded(results: Sequence[Result]) -> list[Result]:
    """The results, where a kind of pass shows nothing: of a family all of whose cases of the other kind failed.

    Who rejects everything passes every rejected case, and who accepts everything every accepted one.
    """
    kinds = {(result.family, result.is_rejected) for result in results}
    good = {(result.family, result.is_rejected) for result in results if result.verdict in PASSED}
    return [_concluded(result, kinds - good) for result in results]


def _concluded(result: Result, failed: Collection[tuple[str, bool]]) -> Result:
    """``failed`` are the families and kinds of which no case passed."""
    if result.verdict not in PASSED or (result.family, not result.is_rejected) not in failed:
        return result
    other = "accepted" if result.is_rejected else "rejected"
    note = f"no {other} case of the family passed, so this one shows nothing"
    return replace(result, verdict=Verdict.INCONCLUSIVE, note=note)


def status(results: Sequence[Result]) -> int:
    """The exit status: 0 all passed, 1 a case failed, 3 not everything was verified, 4 the suite itself failed."""
    verdicts = {result.verdict for result in results}
    if Verdict.FAIL in verdicts:
        return 1
    if Verdict.HARNESS_ERROR in verdicts:
        return 4
    return 0 if verdicts and verdicts <= PASSED else 3
