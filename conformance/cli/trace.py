"""`trace`: from every requirement to what enforces, shows and guards it."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

from conformance.trace import Row, gaps, lines, whole

from .exits import CONFORMANT, NOT_CONFORMANT


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "trace",
        help="show, per requirement, what enforces, exercises, guards and audits it",
        description="Per requirement: files of the implementation that cite it, cases and vectors that exercise it, "
        "mutants that break it and are killed, tests that cite it. Runs every mutant; takes some seconds.",
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1 if an observable MUST is not exercised or not guarded"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    parser.set_defaults(call=_call)


def _call(options: argparse.Namespace) -> int:
    rows = whole()
    print(_document(rows) if options.json else "\n".join(lines(rows)))
    missing = list(gaps(rows))
    for gap in missing:
        print(gap, file=sys.stderr)
    return NOT_CONFORMANT if options.strict and missing else CONFORMANT


def _document(rows: list[Row]) -> str:
    return json.dumps([asdict(row) | {"gaps": list(row.gaps)} for row in rows], indent=1)
