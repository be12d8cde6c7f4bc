"""The command line of the conformance suite."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .vectors import command as vectors


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; its exit status."""
    parser = argparse.ArgumentParser(prog="conformance", description="Checks of the mycellm protocol.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    vectors.add_arguments(commands.add_parser("vectors", help="put the test vectors to this suite, or to a driver"))
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    return vectors.run(options)
