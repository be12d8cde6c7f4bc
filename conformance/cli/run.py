"""`run`: judge a node."""

from __future__ import annotations

import argparse
import asyncio
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conformance import bech32m
from conformance.case import TIERS
from conformance.data import DEFAULT_SET, sets
from conformance.judge.finding import Verdict
from conformance.running import known
from conformance.running.live import LiveEnvironment
from conformance.running.preflight import NobodyError, preflight
from conformance.running.run import Run, Selection, SelectionError
from conformance.running.run import run as run_cases
from conformance.signing import Key

from .exits import NOT_CONFORMANT, NOT_VERIFIED, status, usage
from .progress import Progress
from .text import judgement_lines


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("run", help="judge a node that listens on the network")
    parser.add_argument("--target", required=True, metavar="HOST:PORT", help="where the node listens, UDP")
    parser.add_argument("--node-id", metavar="ID", help="the id that it has to prove (myc1…)")
    parser.add_argument("--set", choices=sets(), default=DEFAULT_SET, help=_sets_help())
    parser.add_argument("--tier", choices=TIERS, default="core", help="how much is run (default: core)")
    parser.add_argument("--filter", action="append", default=[], metavar="GLOB", help="only cases whose id matches")
    parser.add_argument("--known-failing", type=Path, metavar="FILE", help="TOML: cases that are known to fail")
    parser.add_argument("--key", type=Path, metavar="FILE", help="32 bytes in hex: the key of the suite's own node")
    parser.add_argument("--seed", metavar="HEX", help="repeat a run with its randomness")
    parser.set_defaults(call=_call)


def _sets_help() -> str:
    listed = "; ".join(f"{each.name}: {each.title}" for each in sets().values())
    return f"what the verdict is about (default: {DEFAULT_SET}). {listed}"


def _call(options: argparse.Namespace) -> int:
    host, separator, port = options.target.rpartition(":")
    if not separator or not port.isdecimal() or not 0 < int(port) < 65_536:
        return usage(f"--target {options.target}: write HOST:PORT")
    target = None if options.node_id is None else bech32m.read(options.node_id)
    if options.node_id is not None and target is None:
        return usage(f"--node-id {options.node_id} is no node id")
    selection = Selection(scope=sets()[options.set], tier=options.tier, patterns=tuple(options.filter))
    try:
        seed = secrets.token_bytes(8) if options.seed is None else bytes.fromhex(options.seed)
        key = None if options.key is None else Key(bytes.fromhex(options.key.read_text(encoding="ascii").strip()))
        listed = {} if options.known_failing is None else known.read(options.known_failing)
        selection.cases()
    except (OSError, SelectionError, ValueError) as error:
        return usage(str(error))
    environment = LiveEnvironment(host.strip("[]"), int(port), target)
    return asyncio.run(_run(selection, environment, seed, key, listed))


async def _run(
    selection: Selection,
    environment: LiveEnvironment,
    seed: bytes,
    key: Key | None,
    listed: dict[str, known.Known],
) -> int:
    try:
        about = await preflight(environment, seed=seed, key=key)
    except NobodyError as error:
        print(f"NOT FULLY VERIFIED: nothing was run. {error}")
        return NOT_VERIFIED
    print(about.describe())
    today = datetime.now(UTC).date()
    progress = Progress(len(selection.cases()))
    with progress:
        result = await run_cases(
            selection,
            environment,
            seed=seed,
            key=key,
            excused=known.excused(listed, today),
            began=progress.began,
            ended=progress.ended,
        )
    _print(result, seed, progress.seconds())
    wrong = list(known.problems(listed, result.judgements, today))
    for problem in wrong:
        print(f"known failures: {problem}")
    return NOT_CONFORMANT if wrong else status(result)


def _print(result: Run, seed: bytes, seconds: float) -> None:
    for case, judgement in result.judgements.items():
        if judgement.verdict is not Verdict.PASS:
            print("\n".join(judgement_lines(judgement)) + (" (known)" if case in result.excused else ""))
    counts = {verdict: result.count(verdict) for verdict in Verdict}
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count))
    print(f"{result.outcome} ({result.selection.describe()}) in {seconds:.1f} s, seed {seed.hex()}")
