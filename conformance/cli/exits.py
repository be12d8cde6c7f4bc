"""Exit statuses."""

from __future__ import annotations

import sys

from conformance.judge.finding import Verdict
from conformance.running.run import Outcome, Run

CONFORMANT, NOT_CONFORMANT, USAGE, NOT_VERIFIED, HARNESS = range(5)


def status(run: Run) -> int:
    """The exit status of a run."""
    if run.failures:
        return NOT_CONFORMANT
    if run.count(Verdict.HARNESS_ERROR):
        return HARNESS
    return CONFORMANT if run.outcome is Outcome.CONFORMANT else NOT_VERIFIED


def exit_status(verdict: Verdict) -> int:
    """The exit status of one case."""
    good = {Verdict.PASS: CONFORMANT, Verdict.WARN: CONFORMANT}
    return {**good, Verdict.FAIL: NOT_CONFORMANT, Verdict.HARNESS_ERROR: HARNESS}.get(verdict, NOT_VERIFIED)


def usage(message: str) -> int:
    """Say what is wrong with the command line; the exit status."""
    print(f"conformance: {message}", file=sys.stderr)
    return USAGE


def harness(message: str) -> int:
    """Say what went wrong in the suite itself; the exit status."""
    print(f"conformance: {message}", file=sys.stderr)
    return HARNESS
