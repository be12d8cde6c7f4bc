"""Judgements as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.judge.finding import Verdict
from conformance.judge.judge import Judgement
from conformance.printable import printable


def judgement_lines(judgement: Judgement) -> Iterator[str]:
    """The verdict of a case, and what it rests on."""
    yield f"{judgement.verdict.upper():14} {judgement.case.id}"
    if judgement.verdict is Verdict.PASS:
        return
    for finding in judgement.findings:
        cited = f" [{', '.join(finding.requirements)}]" if finding.requirements else ""
        yield f"    {printable(finding.message, lines=True)}{cited}"
        if finding.lift:
            yield f"    to lift it: {printable(finding.lift)}"
