"""What a run of the vectors says, as text and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from conformance import data

from .driver import Declaration
from .implementation import FAMILIES
from .judge import PASSED, Result, Verdict, status

_SAID = {0: "PASSED", 1: "FAILED", 3: "NOT FULLY VERIFIED", 4: "THE SUITE ITSELF FAILED"}
_LOUD = (Verdict.FAIL, Verdict.HARNESS_ERROR, Verdict.WARN)
"""Verdicts that get a line of their own."""


def as_text(results: Sequence[Result], declared: Declaration | None) -> str:
    """Lines for people: what did not pass, a count for each family, and the verdict last."""
    return "\n".join(_lines(results, declared))


def _lines(results: Sequence[Result], declared: Declaration | None) -> Iterator[str]:
    if declared is not None:
        yield f"driver {declared.name} ({declared.language})"
        unknown = sorted(set(declared.families) - set(FAMILIES))
        if unknown:
            yield f"it declares {', '.join(unknown)}, which this suite has no vectors of"
    for result in results:
        if result.verdict in _LOUD:
            cited = f" [{' '.join(result.requirements)}]" if result.requirements else ""
            yield f"{result.verdict.value.upper()} {result.family}/{result.case}{cited}: {result.note}"
    for family in dict.fromkeys(result.family for result in results):
        counts = Counter(result.verdict for result in results if result.family == family)
        passed = sum(counts[verdict] for verdict in PASSED)
        rest = [
            f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict] and verdict not in PASSED
        ]
        yield f"{family:12} {passed:4} of {counts.total()} passed{': ' if rest else ''}{', '.join(rest)}"
    unsaid = dict.fromkeys(result.note for result in results if result.verdict is Verdict.UNTESTABLE)
    yield from (f"untestable: {note}" for note in unsaid)
    passed = sum(result.verdict in PASSED for result in results)
    yield f"{_SAID[status(results)]}: {passed} of {len(results)} cases passed"


def as_json(results: Sequence[Result], declared: Declaration | None) -> str:
    """One document: the verdict, who was asked, the counts, and every case."""
    cases = [
        {
            "id": f"{result.family}/{result.case}",
            "requirements": result.requirements,
            "verdict": result.verdict.value,
            **({"note": result.note} if result.note else {}),
        }
        for result in results
    ]
    counts = Counter(result.verdict for result in results)
    document = {
        "verdict": _SAID[status(results)].lower(),
        "spec": data.version(),
        "driver": None if declared is None else asdict(declared),
        "counts": {verdict.value: counts[verdict] for verdict in Verdict},
        "cases": cases,
    }
    return json.dumps(document, indent=1)
