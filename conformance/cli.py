"""The command line of the conformance suite.

Exit status: 0 when everything passed, 1 when a case failed, 2 for a wrong command line.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from .vectors.runner import FAMILIES, Result, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; its exit status."""
    parser = argparse.ArgumentParser(prog="conformance", description="Checks of the mycellm protocol.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    vectors = commands.add_parser("vectors", help="check the test vectors of the specification against this suite")
    vectors.add_argument("--family", choices=sorted(FAMILIES), metavar="FAMILY", help=", ".join(FAMILIES))
    vectors.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    results = run(options.family)
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
