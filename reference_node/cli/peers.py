"""``peers``: the peers of the running node, what it knows of others, and the id that a responder proves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from mycellm_proto.errors import ProtocolError
from mycellm_proto.nodeid import encode_node_id

from ..config import parse_address
from ..identity import temporary
from . import arguments, node_api, output
from .output import CommandError

if TYPE_CHECKING:
    import argparse

    from ..config import Settings

_HELP = "list the peers of the running node; `find` asks them for others, `probe HOST:PORT` prints the id of a node"
PROBE_S = 10.0
"""How long a probe may take: several round trips of the slowest network."""


def add_parser(subparsers: arguments.Subparsers[argparse.ArgumentParser]) -> None:
    """Add ``peers``."""
    parser = arguments.add_command(subparsers, "peers", _HELP)
    parser.add_argument(
        "action", nargs="?", choices=["list", "find", "probe"], default="list", help="list (the default)"
    )
    parser.add_argument(
        "where",
        nargs="?",
        metavar="NETWORK|HOST:PORT",
        help="for find: `direct`, or a network's name or id (default: all); for probe: where the other node listens",
    )
    parser.add_argument("--api", metavar="HOST:PORT", help="the node to ask (default: the one that runs here)")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """List, or probe."""
    if args.action == "probe":
        return _probe(args)
    if args.action == "find":
        return _find(args, settings)
    if args.where is not None:
        raise CommandError(f"`peers list` takes no {args.where!r}. Did you mean `peers probe`?", exit_code=2)
    return _list(args, settings)


def _list(args: argparse.Namespace, settings: Settings) -> int:
    status, answer = node_api.connect(settings, args.api).get("/peers")
    if status != 200:
        raise CommandError(node_api.error_message(status, answer))
    peers = [peer for peer in answer.get("data", []) if isinstance(peer, dict)]
    if args.json:
        output.result_json({"peers": peers})
    elif not peers:
        output.say("This node has no peers. Start it with --peer NODEID@HOST:PORT to add one.")
    else:
        output.table(("node id", "address", "from", "state", "latency", "models"), [_row(peer) for peer in peers])
    return 0


def _find(args: argparse.Namespace, settings: Settings) -> int:
    admin = node_api.admin(settings)
    if admin is None:
        raise CommandError(f"No node runs with {settings.home}, so there is nobody to ask. Start it first.")
    answer = admin.call("POST", "/discovery/find", {"network": args.where})
    records = [record for record in answer.get("records", []) if isinstance(record, dict)]
    if args.json:
        output.result_json(answer)
        return 0
    if records:
        output.table(("network", "node id", "addresses", "known by"), [_record(record) for record in records])
    for seen in answer.get("lan", []):
        output.say(f"The LAN shows {seen.get('node_id')} at {', '.join(seen.get('addresses', []))}.")
    output.say(f"Peers that were asked: {answer.get('asked', 0)}; records of nodes: {len(records)}.")
    if not answer.get("direct") and args.where == "direct":
        output.say("This node takes no part in the discovery of the direct network: start it with --discover.")
    return 0


def _record(record: dict[str, Any]) -> list[str]:
    addresses = ", ".join(map(str, record.get("addresses", []))) or "-"
    cells = [record.get("network", ""), record.get("node_id", ""), addresses, record.get("state", "")]
    return [output.printable(str(cell)) for cell in cells]


def _row(peer: dict[str, Any]) -> list[str]:
    latency, models = peer.get("latency_ms"), peer.get("models")
    cells = [
        peer.get("node_id", ""),
        peer.get("address", ""),
        peer.get("source", ""),
        peer.get("state", ""),
        f"{latency:.0f} ms" if isinstance(latency, int | float) else "-",
        ", ".join(map(str, models)) if isinstance(models, list) and models else "-",
    ]
    return [output.printable(str(cell)) for cell in cells]


def _probe(args: argparse.Namespace) -> int:
    from ..node import probe  # late: it loads QUIC

    if args.where is None:
        raise CommandError("Say where: peers probe HOST:PORT", exit_code=2)
    try:
        where = parse_address(args.where)
    except ValueError as error:
        raise CommandError(f"{args.where!r}: {error}.", exit_code=2) from None
    try:
        found = asyncio.run(asyncio.wait_for(probe(where.host, where.port, temporary()), PROBE_S))
    except (OSError, ProtocolError):  # TimeoutError is an OSError
        raise CommandError(f"No mycellm node proved its id at {where} (UDP). Is it running and reachable?") from None
    written = encode_node_id(found.node_id)
    if args.json:
        output.result_json({"node_id": written, "address": str(where), "version": found.version})
    else:
        output.result(written)
        output.say(f"Use it with: --peer {written}@{where}")
    return 0
