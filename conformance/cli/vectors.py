"""`vectors`: check the test vectors of the specification."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from conformance.vectors.runner import FAMILIES, Result
from conformance.vectors.runner import run as run_vectors


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("vectors", help="check the test vectors of the specification against this suite")
    parser.add_argument("--family", choices=sorted(FAMILIES), metavar="FAMILY", help=", ".join(FAMILIES))
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    parser.set_defaults(call=_call)


def _call(options: argparse.Namespace) -> int:
    results = run_vectors(options.family)
    print(_document(results) if options.json else _text(results))
    return int(not results or any(result.failure for result in results))


def _text(results: Sequence[Result]) -> str:
    lines = [f"FAIL {result.family}/{result.case}: {result.failure}" for result in results if result.failure]
    for family in dict.fromkeys(result.family for result in results):
        ran = [result for result in results if result.family == family]
        passed = sum(not result.failure for result in ran)
        lines.append(f"{family:12} {passed:4} of {len(ran)} passed")
    return "\n".join([*lines, _verdict(results)])


def _document(results: Sequence[Result]) -> str:
    cases = [
        {
            "id": f"{result.family}/{result.case}",
            "requirements": result.requirements,
            "verdict": "fail" if result.failure else "pass",
            **({"failure": result.failure} if result.failure else {}),
        }
        for result in results
    ]
    return json.dumps({"verdict": _verdict(results), "cases": cases}, indent=1)


def _verdict(results: Sequence[Result]) -> str:
    failed = sum(bool(result.failure) for result in results)
    if not results:
        return "nothing was executed"
    return f"{failed} of {len(results)} cases failed" if failed else f"all {len(results)} cases passed"
