"""What an observer is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from conformance.data import requirements
from conformance.judge.finding import Finding, Verdict
from conformance.judge.record import Record

Observer: TypeAlias = Callable[[Record], Iterator[Finding]]
"""Watches the whole record of any case, whether or not the suite broke a rule in it."""


def broken(message: str, requirement: str, event: int = -1, offset: int = -1) -> Finding:
    """The target broke ``requirement`` (with its revision): a failure for a MUST, else a warning."""
    verdict = Verdict.FAIL if requirements()[requirement].is_must else Verdict.WARN
    return Finding(verdict=verdict, message=message, requirements=(requirement,), event=event, offset=max(offset, -1))
