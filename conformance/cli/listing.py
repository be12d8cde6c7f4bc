"""`list`: the cases, and what each shows."""

from __future__ import annotations

import argparse
import json
from typing import Any

from conformance.case import TIERS
from conformance.data import sets
from conformance.running.run import Selection, SelectionError

from .exits import CONFORMANT, usage


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("list", help="list the cases, or show some of them whole")
    parser.add_argument("--filter", action="append", default=[], metavar="GLOB", help="only cases whose id matches")
    parser.add_argument(
        "--tier", choices=TIERS, default="full", help="only cases of this tier and below (default: full)"
    )
    parser.add_argument("--set", choices=sets(), default=None, help="only cases of this set (default: all)")
    parser.add_argument("--pages", action="store_true", help="with what each case does and what has to follow")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    parser.set_defaults(call=_call)


def _call(options: argparse.Namespace) -> int:
    scope = sets()["node" if options.set is None else options.set]
    selection = Selection(scope=scope, tier=options.tier, patterns=tuple(options.filter))
    try:
        cases = selection.cases()
    except SelectionError as error:
        return usage(str(error))
    if options.json:
        keys = ("id", "page", "requirements", "tier", "role", "twin")
        document = [
            {key: getattr(case, key) for key in keys} | {"needs": sorted(case.needs), "expect": case.expect.describe()}
            for case in cases
        ]
        print(json.dumps(document, indent=1))
        return CONFORMANT
    for case in cases:
        print(f"{case.id:60} {case.tier:5} {' '.join(case.requirements)}")
        if options.pages:
            print(f"    {case.page}\n    Expected: {case.expect.describe()}.\n")
    return CONFORMANT
