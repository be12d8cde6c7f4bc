"""The command line of the conformance suite.

Exit status: 0 conformant, 1 not conformant, 2 a wrong command line, 3 not fully verified, 4 a fault of the suite.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from traceback import format_exc

from . import diff, judge, listing, run, trace, vectors
from .exits import harness

COMMANDS = (run, listing, judge, diff, trace, vectors)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; its exit status."""
    parser = argparse.ArgumentParser(
        prog="conformance",
        description="Judges any node of the mycellm protocol, in any language.",
        epilog="Exit status: 0 conformant, 1 not conformant, 2 usage, 3 not fully verified, 4 a fault of the suite.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add(commands)
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    try:
        status: int = options.call(options)
    except Exception:  # noqa: BLE001  Python's own status would say that the node is not conformant
        return harness(f"a fault of the suite, which says nothing of the node; please report it:\n{format_exc()}")
    return status
