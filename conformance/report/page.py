"""The page: one HTML file that needs nothing else, and runs nothing that is not its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from markupsafe import Markup

from conformance.running.matrix import Kill
from conformance.running.scope import Standing
from conformance.wire.transcript import Transcript

from .document import Document
from .killmatrix import kill_matrix_section
from .templates import template
from .wire import Row, rows

SYMBOLS: Mapping[str, str] = {
    "pass": "✓",
    "fail": "✕",
    "warn": "!",
    "not-applicable": "∅",
    "untestable": "?",
    "inconclusive": "≈",
    "harness-error": "⚑",
    "elsewhere": "·",
    "not-run": "○",
}
MEANINGS: Mapping[str, str] = {
    "pass": "kept",
    "fail": "broken",
    "warn": "a SHOULD is not kept",
    "not-applicable": "declared absent",
    "untestable": "a prerequisite is missing",
    "inconclusive": "shown neither way",
    "harness-error": "the suite itself failed",
    "elsewhere": "the case failed for another requirement",
    "not-run": "no case of this run shows it",
}
_FINE = frozenset({"pass", "not-applicable"})
_WIRE = frozenset({"fail", "warn", "harness-error", "inconclusive"})
"""Verdicts of cases whose frames are shown."""
_TONES: Mapping[str, str] = {
    Standing.KEPT: "pass",
    Standing.BROKEN: "fail",
    Standing.NOT_VERIFIED: "inconclusive",
    Standing.NOT_APPLICABLE: "not-applicable",
    Standing.NOT_RUN: "not-run",
}
"""How a requirement that stands so is shown: as a case that ended so."""
_SEALS = {"CONFORMANT": "pass", "NOT FULLY VERIFIED": "untestable", "NOT CONFORMANT": "fail"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A case in its family: its cells in the order of the family's requirements; empty where it cites one not."""

    case: Document
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The part of the matrix with the cases of one family."""

    name: str
    requirements: tuple[Document, ...]
    members: tuple[Member, ...]


def page(report: Document, transcripts: Mapping[str, Transcript], kills: Sequence[Kill] = ()) -> str:
    """The page of a report. ``transcripts`` are by case id; ``kills`` make it that of the suite itself as well."""
    style, script = _part("page.css"), _part("page.js")
    shown: dict[str, list[Row]] = {
        each["id"]: rows(transcripts[each["id"]], each["findings"])
        for each in report["cases"]
        if each["verdict"] in _WIRE
    }
    return template("page.html").render(
        report=report,
        style=style,
        script=script,
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:",
        families=families(report),
        sections=[(name, list(each)) for name, each in groupby(_by_section(report), key=lambda each: each["section"])],
        by_id={each["id"]: each for each in report["requirements"]},
        troubled=[each for each in report["cases"] if each["verdict"] not in _FINE],
        broken=sorted(
            (each for each in report["requirements"] if each["verdict"] == Standing.BROKEN),
            key=lambda each: tone(each) != "fail",
        ),
        tone=tone,
        rows=shown,
        kills=kill_matrix_section(kills, [each["id"] for each in report["requirements"]]) if kills else "",
        symbols=SYMBOLS,
        meanings=MEANINGS,
        fine=_FINE,
        seal=_SEALS[report["verdict"]],
    )


def families(report: Document) -> list[Family]:
    """The matrix, family by family, with the requirements that its cases cite or break."""
    made = []
    for name, members in groupby(report["cases"], key=lambda each: each["id"].partition("/")[0]):
        cases = list(members)
        ids = {each["id"] for each in cases}
        cited = tuple(each for each in report["requirements"] if ids & each["cases"].keys())
        made.append(
            Family(
                name=name,
                requirements=cited,
                members=tuple(
                    Member(case=case, cells=tuple(each["cases"].get(case["id"], "") for each in cited))
                    for case in cases
                ),
            )
        )
    return made


def tone(requirement: Document) -> str:
    """The verdict whose looks a requirement has: a SHOULD that is not kept is a warning."""
    shown = _TONES[requirement["verdict"]]
    return "warn" if shown == "fail" and not requirement["keyword"].startswith("MUST") else shown


def _by_section(report: Document) -> Iterable[Document]:
    return sorted(report["requirements"], key=lambda each: (each["section"], each["id"]))


@cache
def _part(name: str) -> Markup:
    """A part of the page that is our own."""
    return Markup(Path(__file__).parent.joinpath("templates", name).read_text(encoding="utf-8"))  # noqa: S704


def _hash(text: Any) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(str(text).encode()).digest()).decode()}'"
