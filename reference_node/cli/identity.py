"""``identity``: who this node is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .. import identity
from . import arguments, output

if TYPE_CHECKING:
    import argparse

    from ..config import Settings

_HELP = "show this node's id (and make its key, the first time)"


def add_parser(subparsers: arguments.Subparsers[argparse.ArgumentParser]) -> None:
    """Add ``identity``."""
    parser = arguments.add_command(subparsers, "identity", _HELP)
    parser.add_argument("action", nargs="?", choices=["show", "id"], default="show",
                        help="show (the default); id: the id alone, for scripts")  # fmt: skip


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Show the id, the key's file and its age."""
    found = identity.load_or_create(settings.home)
    created = datetime.fromtimestamp(found.created, UTC).isoformat()
    if args.json:
        answer = {"node_id": found.text, "public_key": found.node_id.hex(), "path": str(found.path)}
        output.result_json({**answer, "created": created, "new": found.new})
        return 0
    if args.action == "id":
        output.result(found.text)
        return 0
    if found.new:
        output.say("A new key was made. Keep a backup: who has it is this node.")
    output.table(("node id", found.text), [("key file", str(found.path)), ("created", created)])
    return 0
