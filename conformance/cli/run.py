"""`run`: judge a node."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import time
from pathlib import Path
from typing import Any

from conformance import bech32m
from conformance.case import TIERS
from conformance.judge.finding import Verdict
from conformance.report.document import ReportError, document
from conformance.report.facts import Facts, responders_scope
from conformance.report.write import prepare, text, write
from conformance.running.live import LiveEnvironment
from conformance.running.run import Run, Selection, SelectionError
from conformance.running.run import run as run_cases
from conformance.signing import Key

from .exits import harness, status, usage
from .progress import Progress


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("run", help="judge a node that listens on the network")
    parser.add_argument("--target", required=True, metavar="HOST:PORT", help="where the node listens, UDP")
    parser.add_argument("--node-id", metavar="ID", help="the id that it has to prove (myc1…)")
    parser.add_argument("--tier", choices=TIERS, default="core", help="how much is run (default: core)")
    parser.add_argument("--filter", action="append", default=[], metavar="GLOB", help="only cases whose id matches")
    parser.add_argument("--key", type=Path, metavar="FILE", help="32 bytes in hex: the key of the suite's own node")
    parser.add_argument("--seed", metavar="HEX", help="repeat a run with its randomness")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write report.json, a page, JUnit and a badge there")
    parser.add_argument("--json", action="store_true", help="print the report's document instead of text")
    parser.set_defaults(call=_call)


def _call(options: argparse.Namespace) -> int:
    host, separator, port = options.target.rpartition(":")
    if not separator or not port.isdecimal() or not 0 < int(port) < 65_536:
        return usage(f"--target {options.target}: write HOST:PORT")
    target = None if options.node_id is None else bech32m.read(options.node_id)
    if options.node_id is not None and target is None:
        return usage(f"--node-id {options.node_id} is no node id")
    try:
        seed = secrets.token_bytes(8) if options.seed is None else bytes.fromhex(options.seed)
        key = None if options.key is None else Key(bytes.fromhex(options.key.read_text(encoding="ascii").strip()))
        selected = Selection(tier=options.tier, patterns=tuple(options.filter)).cases()
        if options.report is not None:
            prepare(options.report)
    except (OSError, ReportError, SelectionError, ValueError) as error:
        return usage(str(error))
    environment = LiveEnvironment(host.strip("[]"), int(port), target)
    progress = Progress(len(selected), quiet=options.json)
    result = asyncio.run(
        run_cases(selected, environment, seed=seed, key=key, began=progress.began, ended=progress.ended)
    )
    progress.clear()
    try:
        return _report(options, result, seed, progress)
    except ReportError as error:
        return harness(f"no report of this run: {error}")


def _report(options: argparse.Namespace, result: Run, seed: bytes, progress: Progress) -> int:
    facts = _facts(options, seed, progress)
    made = document(result, facts) if options.report is None else write(options.report, result, facts)
    if options.json:
        print(text(made), end="")
    else:
        _print(result, seed, progress)
    return status(result)


def _print(result: Run, seed: bytes, progress: Progress) -> None:
    for judgement in result.judgements.values():
        progress.say(judgement)
    counts = {verdict: result.count(verdict) for verdict in Verdict}
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count))
    print(f"{result.outcome} in {progress.seconds():.1f} s (seed {seed.hex()})")


def _facts(options: argparse.Namespace, seed: bytes, progress: Progress) -> Facts:
    reaching = ["--target", options.target]
    reaching += ["--node-id", options.node_id] if options.node_id else []
    reaching += ["--key", str(options.key)] if options.key else []
    return Facts(
        set="responder",
        scope=responders_scope(),
        tier=options.tier,
        filters=tuple(options.filter),
        seed=seed,
        began=time.time() - progress.seconds(),
        seconds=progress.seconds(),
        address=options.target,
        node_id=options.node_id,
        reaching=tuple(reaching),
    )
