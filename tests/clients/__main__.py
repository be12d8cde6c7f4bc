"""Real clients against this node: ``python3 -m tests clients [NAME …]``.

Each client is installed once from its package index into the user's cache (pinned; nothing of it is in the tree). Then
this process and all that it starts leave the network but for loopback, nodes are started on the scripted engine, and
each client does its turns headless, with the variables alone that ``python3 -m reference_node env`` prints: against a
node that has the model (local), against one that asks a peer over QUIC (remote), and against the embedded model
(embedded), where clients whose prompts are too long for it must be told so in words.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence

from .catalogue import BY_NAME, CLIENTS
from .install import NotInstallableError, cache, install
from .namespace import NoNamespaceError, leave_the_network
from .nodes import PLACES, NodeError, serve
from .plays import Client, play
from .sandbox import sandbox
from .verdict import FAILED, NOT_RUN, PASSED, Verdict

Row = tuple[Client, str, Verdict]
EPILOG = """\
exit status: 0 all passed; 1 something failed; 2 usage, or no namespace; 3 all passed, but not every client is here
"""


def main(arguments: Sequence[str]) -> int:
    """Run the clients that are named, or all."""
    parser = argparse.ArgumentParser(
        prog="python3 -m tests clients", description="Run real clients against this node.", epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    names = ", ".join(BY_NAME)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {names}; all of them by default")
    parser.add_argument("--on", action="append", choices=PLACES, help="where; may be repeated; default: all three")
    parser.add_argument("--install-only", action="store_true", help=f"install them into {cache()}, and run nothing")
    parser.add_argument("--keep-network", action="store_true", help="without a network namespace, which takes root")
    parser.add_argument("--json", action="store_true", help="the result as one JSON object on standard output")
    asked = parser.parse_args(arguments)
    if unknown := sorted(set(asked.names) - set(BY_NAME)):
        parser.error(f"there is no client named {', '.join(unknown)}; there are {names}")
    chosen = [client for client in CLIENTS if not asked.names or client.name in asked.names]
    missing = dict(_install(chosen))
    rows: list[Row] = [(client, "-", Verdict("installed", NOT_RUN, missing[client])) for client in missing]
    if not asked.install_only:
        try:
            if not asked.keep_network:
                leave_the_network()
        except NoNamespaceError as error:
            _say(f"no network namespace: {error}. --keep-network runs the clients without one.")
            return 2
        rows += _run([client for client in chosen if client not in missing], asked.on or PLACES)
    print(json.dumps(_report(rows), indent=1) if asked.json else "\n".join(_table(rows)), flush=True)
    verdicts = {verdict.verdict for _, _, verdict in rows}
    return 1 if FAILED in verdicts else 3 if NOT_RUN in verdicts else 0


def _install(clients: Sequence[Client]) -> Iterator[tuple[Client, str]]:
    """Install them; those that cannot be, with the reason."""
    for client in clients:
        if not client.package.is_there():
            _say(f"installing {' '.join(client.package.requirements)}")
        try:
            install(client.package)
        except NotInstallableError as error:
            _say(f"{client.name} is not to be had here: {error}")
            yield client, str(error)


def _run(clients: Sequence[Client], places: Sequence[str]) -> Iterator[Row]:
    for place in places:
        playing = [client for client in clients if place in client.places]
        if not playing:
            continue
        _say(f"== {place}: starting")
        try:
            with serve(place) as served:
                for client in playing:
                    with sandbox() as box:
                        for verdict in play(client, served, box):
                            note = f": {verdict.detail}" if verdict.detail else ""
                            _say(f"{place:8} {client.name:12} {verdict.verdict} {verdict.check}{note}")
                            yield client, place, verdict
        except NodeError as error:
            _say(f"the node did not start: {error}")
            yield from ((client, place, Verdict("node", FAILED, str(error)[:400])) for client in playing)


def _say(line: str) -> None:
    """Progress goes to the standard error, so that the result can be piped."""
    print(line, file=sys.stderr, flush=True)


def _report(rows: Sequence[Row]) -> dict[str, object]:
    lines = [
        {
            "client": client.name,
            "version": client.package.version,
            "place": place,
            "check": verdict.check,
            "verdict": verdict.verdict,
            "detail": verdict.detail,
            "seconds": verdict.seconds,
        }
        for client, place, verdict in rows
    ]
    return {"name": "clients"} | _counts(rows) | {"checks": lines}


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    return {word: sum(verdict.verdict == word for _, _, verdict in rows) for word in (PASSED, FAILED, NOT_RUN)}


def _table(rows: Sequence[Row]) -> Iterator[str]:
    """A line for each client: how many of its checks passed, place by place; then what did not."""
    yield f"{'client':13} {'version':9} " + " ".join(f"{place:>9}" for place in PLACES)
    for client in dict.fromkeys(client for client, _, _ in rows):
        cells = []
        for place in PLACES:
            found = [verdict.verdict for each, where, verdict in rows if each is client and where == place]
            cells.append(f"{found.count(PASSED)}/{len(found)}" if found else "-")
        yield f"{client.name:13} {client.package.version:9} " + " ".join(f"{cell:>9}" for cell in cells)
    for client, place, verdict in rows:
        if verdict.verdict != PASSED:
            yield f"{verdict.verdict}: {client.name} {place} {verdict.check}: {verdict.detail}"
    yield ", ".join(f"{count} {word}" for word, count in _counts(rows).items())


if __name__ == "__main__":
    import bootstrap

    bootstrap.ensure("tests")
    raise SystemExit(main(sys.argv[1:]))
