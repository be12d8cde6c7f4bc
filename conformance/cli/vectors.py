"""`vectors`: put the test vectors to this suite's own implementation, or to anybody's driver."""

from __future__ import annotations

from typing import Any

from conformance.vectors.command import add_arguments, run


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("vectors", help="put the test vectors to this suite, or to a driver in any language")
    add_arguments(parser)
    parser.set_defaults(call=run)
