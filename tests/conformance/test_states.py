"""The tables by which the judge follows states are those of SPEC.md."""

from __future__ import annotations

import re

from conformance import framing
from conformance.judge.observers.states import CONSUMER, INITIATOR, PROVIDER, RESPONDER, Table
from tests.runner import ROOT

TABLES = {"initiator": INITIATOR, "responder": RESPONDER, "consumer": CONSUMER, "provider": PROVIDER}


def cell(text: str, state: str) -> dict[int, str]:
    """``A → B, C`` as the next states by frame type."""
    moves = [each.partition(" → ") for each in re.split(r", ", text.strip()) if each]
    return {2 * framing.NAMES.index(frame): following or state for frame, _, following in moves}


def table(role: str) -> dict[str, tuple[dict[int, str], dict[int, str]]]:
    """The rows of one role in SPEC.md."""
    text = (ROOT / "SPEC.md").read_text(encoding="utf-8")
    rows = re.search(rf"^\| {role} \| sends \| receives \|\n\|[^\n]*\n((?:\|[^\n]*\n)+)", text, flags=re.MULTILINE)
    assert rows is not None
    cells = [[each.strip() for each in line.strip("|").split("|")] for line in rows[1].splitlines()]
    return {state: (cell(sends, state), cell(receives, state)) for state, sends, receives in cells}


def as_rows(known: Table) -> dict[str, tuple[dict[int, str], dict[int, str]]]:
    return {state: (dict(row.sends), dict(row.receives)) for state, row in known.items()}


def test_the_tables_are_those_of_the_specification() -> None:
    for role, known in TABLES.items():
        assert as_rows(known) == table(role), role
        assert next(iter(known)) == next(iter(table(role)))
