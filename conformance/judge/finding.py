"""What the judge found, and the verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a case ended."""

    PASS = "pass"  # noqa: S105  no password
    FAIL = "fail"
    WARN = "warn"
    """A SHOULD is not kept."""
    NOT_APPLICABLE = "not-applicable"
    """The target declares that it does not have what the case is about."""
    UNTESTABLE = "untestable"
    """A prerequisite is missing; the finding says how to have it."""
    INCONCLUSIVE = "inconclusive"
    """The target did something that is allowed, after which the case shows nothing."""
    HARNESS_ERROR = "harness-error"
    """The suite itself failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it has to be, and where in the transcript it shows."""

    verdict: Verdict
    message: str
    requirements: tuple[str, ...] = ()
    """The requirements that are broken, with their revisions."""
    event: int = -1
    """Index of the event of the transcript; -1 where something is missing."""
    offset: int = -1
    """The offending byte in that event's data; -1 where it is the whole."""
    lift: str = ""
    """How to make the case testable."""
