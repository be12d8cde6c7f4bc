"""`diff`: what a new report says otherwise than an old one."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conformance.printable import printable
from conformance.report.compare import Change, Difference, Part, compare, plain
from conformance.report.document import ReportError, load

from .exits import CONFORMANT, NOT_CONFORMANT, usage


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "diff",
        help="compare two reports",
        epilog="Exit status: 0 nothing got worse, 1 the verdict, a case or a requirement did, 2 usage.",
    )
    parser.add_argument("old", type=Path, metavar="OLD", help="a report.json, or the folder that --report wrote")
    parser.add_argument("new", type=Path, metavar="NEW")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    parser.set_defaults(call=_call)


def _call(options: argparse.Namespace) -> int:
    try:
        difference = compare(load(options.old), load(options.new))
    except ReportError as error:
        return usage(printable(str(error)))
    if options.json:
        print(json.dumps(plain(difference), indent=1))
    else:
        print("\n".join(_lines(difference)))
    return NOT_CONFORMANT if any(difference.regressions()) else CONFORMANT


def _lines(difference: Difference) -> Iterator[str]:
    for each in difference.circumstances:
        yield f"another {each.name}: {printable(each.old)} -> {printable(each.new)}"
    yield from _changes("cases", difference.cases)
    yield from _changes("requirements", difference.requirements)
    yield _change(difference.verdict) if difference.verdict.old != difference.verdict.new else difference.verdict.new
    count = sum(1 for _ in difference.regressions())
    yield f"{count} got worse" if count else "nothing got worse"


def _changes(name: str, part: Part) -> Iterator[str]:
    lines = [_change(each) for each in sorted(part.changed, key=lambda each: not each.is_worse)]
    lines += [f"  new     {each}: {verdict}" for each, verdict in part.new.items()]
    lines += [f"  gone    {each}: {verdict}" for each, verdict in part.gone.items()]
    if lines:
        yield f"{name}:"
        yield from lines


def _change(change: Change) -> str:
    return f"  {'worse' if change.is_worse else 'better':7} {change.name}: {change.old} -> {change.new}"
