"""The command line of the conformance suite.

Exit status: 0 conformant, 1 not conformant, 2 a wrong command line, or packages that are missing, 3 not fully verified,
4 a fault of the suite or of an adapter, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from traceback import format_exc
from typing import Any

PACKAGES = ("aioquic", "cbor2", "jinja2", "jsonschema")
"""What `mycellm-proto[conformance]` brings beside the protocol's own two."""
INSTALL = "In a checkout, start with `python3 -m conformance`; elsewhere run: pip install 'mycellm-proto[conformance]'"
_INTERRUPTED = 130
"""What shells expect of a program that SIGINT ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; its exit status."""
    try:
        return _main(sys.argv[1:] if arguments is None else arguments)
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in PACKAGES:
            raise
        sys.stderr.write(f"conformance: {name} is not installed. {INSTALL}\n")
        return 2
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader is gone, and Python flushes at its end
        return 1


def _main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="conformance",
        description="Judges any node of the mycellm protocol, in any language. Begin with conformance/guide/README.md.",
        epilog="Exit status: 0 conformant, 1 not conformant, 2 usage, 3 not fully verified, 4 a fault of the suite or "
        "of an adapter, 130 interrupted.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in _modules():
        module.add(commands)
    options = parser.parse_args(arguments)
    try:
        status: int = options.call(options)
    except (BrokenPipeError, ModuleNotFoundError):
        raise
    except Exception:  # noqa: BLE001  Python's own status would say that the node is not conformant
        sys.stderr.write(f"conformance: a fault of the suite, which says nothing of the node:\n{format_exc()}")
        return 4
    return status


def _modules() -> Sequence[Any]:
    """The commands, whose packages an install without the extra lacks."""
    from . import diff, judge, listing, run, trace, vectors

    return run, listing, judge, diff, trace, vectors
