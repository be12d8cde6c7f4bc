"""`run`: judge a node."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shlex
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from conformance import bech32m
from conformance.case import TIERS
from conformance.data import DEFAULT_SET, sets
from conformance.judge.finding import Verdict
from conformance.report.document import ReportError, document
from conformance.report.facts import Facts
from conformance.report.write import prepare, text, write
from conformance.running import known
from conformance.running.live import Place, split
from conformance.running.preflight import NobodyError, preflight
from conformance.running.run import Run, Selection, SelectionError
from conformance.running.run import run as run_cases
from conformance.signing import Key
from conformance.trace import live_kills
from conformance.wire.adapter import AdapterError

from .exits import NOT_CONFORMANT, NOT_VERIFIED, harness, status, usage
from .progress import Progress

_WITH_ADAPTER = "node"
"""The set that is judged by default where there is an adapter."""


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("run", help="judge a node")
    parser.add_argument("--target", metavar="HOST:PORT", help="where the node listens, UDP")
    parser.add_argument(
        "--adapter",
        metavar="CMD",
        help="a program that moves a node (spec/adapter/README.md); needs no --target",
    )
    parser.add_argument("--node-id", metavar="ID", help="the id that it has to prove (myc1…)")
    parser.add_argument("--set", choices=sets(), help=_sets_help())
    parser.add_argument("--tier", choices=TIERS, default="core", help="how much is run (default: core)")
    parser.add_argument("--filter", action="append", default=[], metavar="GLOB", help="only cases whose id matches")
    parser.add_argument("--known-failing", type=Path, metavar="FILE", help="TOML: cases that are known to fail")
    parser.add_argument("--key", type=Path, metavar="FILE", help="32 bytes in hex: the key of the suite's own node")
    parser.add_argument("--seed", metavar="HEX", help="repeat a run with its randomness")
    parser.add_argument(
        "--only", type=int, action="append", default=[], metavar="N", help="of generated cases, only this item"
    )
    parser.add_argument("--report", type=Path, metavar="DIR", help="write report.json, a page, JUnit and a badge there")
    parser.add_argument("--mutants", action="store_true", help="with the kill matrix of the suite itself in the report")
    parser.add_argument("--json", action="store_true", help="print the report's document instead of text")
    parser.set_defaults(call=_call)


def _sets_help() -> str:
    listed = "; ".join(f"{each.name}: {each.title}" for each in sets().values())
    return f"what the verdict is about (default: {DEFAULT_SET}, and {_WITH_ADAPTER} with an adapter). {listed}"


def _call(options: argparse.Namespace) -> int:
    target = None if options.node_id is None else bech32m.read(options.node_id)
    if problem := _problem(options, target):
        return usage(problem)
    name = options.set or (DEFAULT_SET if options.adapter is None else _WITH_ADAPTER)
    selection = Selection(
        scope=sets()[name], tier=options.tier, patterns=tuple(options.filter), only=tuple(options.only)
    )
    try:
        place = Place(
            address=None if options.target is None else split(options.target),
            target=target,
            command=None if options.adapter is None else _words(options.adapter),
        )
        seed = secrets.token_bytes(8) if options.seed is None else _seed(options.seed)
        key = None if options.key is None else _key(options.key)
        listed = {} if options.known_failing is None else known.read(options.known_failing)
        selection.cases()
        if options.report is not None:
            prepare(options.report)
    except OSError as error:
        return usage(f"{error.filename}: {error.strerror}")
    except (ReportError, SelectionError, ValueError) as error:
        return usage(str(error))
    return _judge(options, selection, place, seed=seed, key=key, listed=listed)


def _problem(options: argparse.Namespace, target: bytes | None) -> str | None:
    """What is wrong with the command line, beside its values."""
    if options.target is None and options.adapter is None:
        return "name a node with --target HOST:PORT, or what moves one with --adapter CMD"
    if options.node_id is not None and options.target is None:
        return "--node-id is what has to be proved at --target: add --target HOST:PORT"
    if options.mutants and options.report is None:
        return "--mutants is about the report: add --report DIR"
    if options.node_id is not None and target is None:
        return f"--node-id {options.node_id} is no node id"
    if options.set is not None and sets()[options.set].adapter and options.adapter is None:
        return f"the set {options.set} needs an adapter: add --adapter CMD (spec/adapter/README.md)"
    return None


def _words(command: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise ValueError(f"--adapter {command}: {error}") from None
    if not words or shutil.which(words[0]) is None:
        raise ValueError(f"--adapter {command}: there is no such program")
    return words


def _seed(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"--seed {text} is not hex, such as a run prints") from None


def _key(path: Path) -> Key:
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii"))
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise ValueError(f"--key {path} does not hold 32 bytes in hex, such as `openssl rand -hex 32` writes")
    return Key(secret)


def _judge(
    options: argparse.Namespace,
    selection: Selection,
    place: Place,
    *,
    seed: bytes,
    key: Key | None,
    listed: dict[str, known.Known],
) -> int:
    began = datetime.now(UTC)
    excused = known.excused(listed, began.date())
    progress = Progress(len(selection.cases()), quiet=options.json, excused=excused)
    aside = sys.stderr if options.json else sys.stdout
    try:
        result = asyncio.run(_run(selection, place, progress, seed=seed, key=key, excused=excused, aside=aside))
        facts = _facts(options, seed, began, progress.seconds())
        _report(options, result, facts)
    except KeyboardInterrupt:
        print(f"interrupted: {progress.so_far()}. That is no verdict, and no report was written.", file=aside)
        raise
    except NobodyError as error:
        print(f"NOT FULLY VERIFIED: nothing was run. {error}", file=aside)
        return NOT_VERIFIED
    except AdapterError as error:
        return harness(str(error))
    except ReportError as error:
        return harness(f"no report of this run: {error}")
    if not options.json:
        _print(result, facts, progress)
    wrong = list(known.problems(listed, result.judgements, began.date()))
    for problem in wrong:
        print(f"known failures, and so exit status {NOT_CONFORMANT}: {problem}", file=aside)
    return NOT_CONFORMANT if wrong else status(result)


async def _run(
    selection: Selection,
    place: Place,
    progress: Progress,
    *,
    seed: bytes,
    key: Key | None,
    excused: frozenset[str],
    aside: TextIO,
) -> Run:
    """Look who is there, and judge it. Raises `NobodyError` and `AdapterError`."""
    async with place.opened() as environment:
        about = await preflight(environment, seed=seed, key=key)
        print(about.describe(), file=aside)
        with progress:
            return await run_cases(
                selection,
                environment,
                seed=seed,
                key=key,
                excused=excused,
                began=progress.began,
                ended=progress.ended,
            )


def _report(options: argparse.Namespace, result: Run, facts: Facts) -> None:
    """Write the report, or make it for those who want to read it at once. Raises `ReportError`."""
    if options.report is None:
        made = document(result, facts)
    else:
        made = write(options.report, result, facts, kills=live_kills() if options.mutants else ())
    if options.json:
        print(text(made), end="")


def _facts(options: argparse.Namespace, seed: bytes, began: datetime, seconds: float) -> Facts:
    reaching: list[str] = []
    for flag in ("target", "adapter", "node_id", "key"):
        value = getattr(options, flag)
        reaching += [] if value is None else [f"--{flag.replace('_', '-')}", str(value)]
    return Facts(
        seed=seed,
        began=began,
        seconds=seconds,
        address=options.target or options.adapter,
        node_id=options.node_id,
        reaching=tuple(reaching),
    )


def _print(result: Run, facts: Facts, progress: Progress) -> None:
    for judgement in result.judgements.values():
        progress.say(judgement)
        if judgement.verdict is Verdict.FAIL and judgement.case.items:
            print(f"{judgement.case.id}, again: {facts.reproducer(judgement, result.selection)}")
    counts = {verdict: result.count(verdict) for verdict in Verdict}
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count))
    print(f"{result.outcome} ({result.selection.describe()}) in {progress.seconds():.1f} s, seed {facts.seed.hex()}")
