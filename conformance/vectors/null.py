"""Implementations of nothing, and what they score: near zero, or the vectors show nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .cases import select
from .judge import PASSED, NoAnswerError, concluded, judge
from .outcome import Case, Outcome, accept, reject


def accept_all(_family: str, _inputs: Case) -> Outcome:
    """Whatever it is, it is fine."""
    return accept()


def reject_all(_family: str, _inputs: Case) -> Outcome:
    """Whatever it is, it is not; with the code and the reason that most cases have, and all that stands elsewhere."""
    return reject(code="ENCODING", reason="forbidden-type", check="encoding", end="closed", owed=0, receipt=None)


def silent(_family: str, _inputs: Case) -> Outcome:
    """Nothing. Raises `NoAnswerError`."""
    raise NoAnswerError("no answer")


def echo(_family: str, inputs: Case) -> Outcome:
    """What was asked, as if it were the answer."""
    return {"verdict": "accept", **inputs}


NULLS: Mapping[str, Callable[[str, Case], Outcome]] = {
    "accept-all": accept_all,
    "reject-all": reject_all,
    "silent": silent,
    "echo": echo,
}


def score(derive: Callable[[str, Case], Outcome]) -> float:
    """The share of all cases that an implementation passes, where passing shows something."""
    results = concluded([judge(vector, derive) for vector in select()])
    return sum(result.verdict in PASSED for result in results) / len(results)
