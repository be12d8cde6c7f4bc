"""`run`: judge a node."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import time
from pathlib import Path
from typing import Any

from conformance import bech32m
from conformance.case import TIERS, Case
from conformance.judge.finding import Verdict
from conformance.judge.judge import Judgement
from conformance.running.live import LiveEnvironment
from conformance.running.run import Run, Selection, SelectionError
from conformance.running.run import run as run_cases
from conformance.running.shrink import reproducer
from conformance.signing import Key

from .exits import status, usage
from .text import judgement_lines


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("run", help="judge a node that listens on the network")
    parser.add_argument("--target", required=True, metavar="HOST:PORT", help="where the node listens, UDP")
    parser.add_argument("--node-id", metavar="ID", help="the id that it has to prove (myc1…)")
    parser.add_argument("--tier", choices=TIERS, default="core", help="how much is run (default: core)")
    parser.add_argument("--filter", action="append", default=[], metavar="GLOB", help="only cases whose id matches")
    parser.add_argument("--key", type=Path, metavar="FILE", help="32 bytes in hex: the key of the suite's own node")
    parser.add_argument("--seed", metavar="HEX", help="repeat a run with its randomness")
    parser.add_argument(
        "--only", type=int, action="append", default=[], metavar="N", help="of generated cases, only this item"
    )
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
    except (OSError, SelectionError, ValueError) as error:
        return usage(str(error))
    if unknown := [each for each in options.only if not any(0 <= each < case.items for case in selected)]:
        return usage(f"--only {unknown[0]}: no selected case draws such an item")
    environment = LiveEnvironment(host.strip("[]"), int(port), target)
    progress = _Progress(len(selected))
    result = asyncio.run(
        run_cases(
            selected, environment, seed=seed, key=key, only=options.only, began=progress.began, ended=progress.ended
        )
    )
    progress.clear()
    _print(result, options.target, seed, progress)
    return status(result)


def _print(result: Run, target: str, seed: bytes, progress: _Progress) -> None:
    for judgement in result.judgements.values():
        if judgement.verdict is not Verdict.PASS:
            print("\n".join(judgement_lines(judgement)))
        if again := reproducer(judgement):
            print(f"    again: python3 -m conformance run --target {target} {again}")
    counts = {verdict: result.count(verdict) for verdict in Verdict}
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count))
    print(f"{result.outcome} in {progress.seconds():.1f} s (seed {seed.hex()})")


class _Progress:
    """One line on stderr, where that is a terminal."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._running: dict[str, float] = {}
        self._began = time.monotonic()
        self._shown = sys.stderr.isatty()

    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._began

    def began(self, case: Case) -> None:
        """A case runs."""
        self._running[case.id] = time.monotonic()
        self._show()

    def ended(self, judgement: Judgement) -> None:
        """A case is over."""
        self._running.pop(judgement.case.id, None)
        self._done += 1
        self._show()

    def clear(self) -> None:
        """Leave no line behind."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")

    def _show(self) -> None:
        if self._shown:
            running = ", ".join(list(self._running)[-2:])
            sys.stderr.write(f"\r\x1b[K{self._done}/{self._total} {running}"[:100])
            sys.stderr.flush()
