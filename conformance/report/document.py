"""The report as one JSON document."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema

from conformance.data import requirements
from conformance.judge.finding import Finding, Verdict
from conformance.judge.judge import Judgement, judge
from conformance.running.run import Run
from conformance.running.scope import Standing, standing

from . import facts as about
from . import target
from .cells import cells
from .facts import Facts

Document: TypeAlias = dict[str, Any]


class ReportError(RuntimeError):
    """A document that is no report. The message says where and why."""


def document(run: Run, facts: Facts) -> Document:
    """The report of ``run``. Raises `ReportError` where it is none by its own schema."""
    judgements = list(run.judgements.values())
    cases = [_case(each, run, facts) for each in judgements]
    named = _requirements(run)
    made = {
        "verdict": str(run.outcome),
        "set": run.selection.scope.name,
        "spec": about.spec(),
        "suite": facts.suite(run.selection),
        "target": _target(judgements, facts),
        "counts": {"cases": _counts(cases, Verdict), "requirements": _counts(named, Standing)},
        "requirements": named,
        "cases": cases,
    }
    validate(made)
    return made


def load(path: Path) -> Document:
    """The report in a file, or in a folder that --report wrote. Raises `ReportError`."""
    file = path / "report.json" if path.is_dir() else path
    try:
        made = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(f"{file}: {error}") from None
    try:
        validate(made)
    except ReportError as error:
        raise ReportError(f"{file} is no report: {error}") from None
    found: Document = made
    return found


def validate(made: Any) -> None:
    """Raises `ReportError` for what is no report."""
    error = jsonschema.exceptions.best_match(_validator().iter_errors(made))
    if error is not None:
        place = "/".join(str(each) for each in error.absolute_path) or "the document"
        raise ReportError(f"{place}: {error.message[:300]}")


def file_name(case: str) -> str:
    """Where the transcript of a case lies in the report's folder."""
    return f"transcripts/{case.replace('/', '.')}.ndjson"


@cache
def _validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def _case(judgement: Judgement, run: Run, facts: Facts) -> Document:
    case = judgement.case
    events = judgement.transcript.events
    return {
        "id": case.id,
        "verdict": str(judgement.verdict),
        "known": case.id in run.excused,
        "requirements": list(case.requirements),
        "page": case.page,
        "expected": case.expect.describe(),
        "fault": None if case.fault is None else case.fault.name,
        "twin": case.twin,
        "tier": case.tier,
        "seconds": round(events[-1].at, 3) if events else 0.0,
        "findings": [_finding(each) for each in judgement.findings],
        # What `judge` says of the file; its twin, which it does not see, may have taken from that.
        "transcript": {"file": file_name(case.id), "verdict": str(judge(case, judgement.transcript).verdict)},
        "reproducer": facts.reproducer(judgement, run.selection),
    }


def _finding(finding: Finding) -> Document:
    return {
        "verdict": str(finding.verdict),
        "message": finding.message,
        "requirements": list(finding.requirements),
        "event": finding.event if finding.event >= 0 else None,
        "offset": finding.offset if finding.offset >= 0 else None,
        "lift": finding.lift or None,
    }


def _requirements(run: Run) -> list[Document]:
    """The set's, and whatever else a case shows."""
    shown = cells(run.judgements.values())
    return [
        {
            "id": each.id,
            "keyword": each.keyword,
            "actor": each.actor,
            "section": each.section,
            "sentence": each.sentence,
            "verdict": str(standing(each.id, run.judgements.values())),
            "cases": {case: str(verdict) for case, verdict in shown.get(each.id, {}).items()},
        }
        for each in requirements().values()
        if each.id in shown or each.id in run.selection.scope.requirements
    ]


def _target(judgements: Iterable[Judgement], facts: Facts) -> Document:
    said = target.shown(each.transcript for each in judgements)
    return {"address": facts.address, "expected_node_id": facts.node_id, **said}


def _counts(entries: Iterable[Mapping[str, Any]], names: Iterable[str]) -> dict[str, int]:
    counted = Counter(each["verdict"] for each in entries)
    return {str(name): counted[str(name)] for name in names}
