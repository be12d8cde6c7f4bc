"""`run`: judge a node."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conformance import bech32m
from conformance.case import TIERS, Case
from conformance.judge.finding import Verdict
from conformance.judge.judge import Judgement
from conformance.running.live import Adapters, LiveEnvironment, split
from conformance.running.run import Run, Selection, SelectionError
from conformance.running.run import run as run_cases
from conformance.signing import Key
from conformance.wire.adapter import AdapterError

from .exits import HARNESS, status, usage
from .text import judgement_lines


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("run", help="judge a node")
    parser.add_argument("--target", metavar="HOST:PORT", help="where the node listens, UDP")
    parser.add_argument(
        "--adapter", metavar="CMD", help="a program that moves a node: what spec/adapter says, in one string"
    )
    parser.add_argument("--node-id", metavar="ID", help="the id that it has to prove (myc1…)")
    parser.add_argument("--tier", choices=TIERS, default="core", help="how much is run (default: core)")
    parser.add_argument("--filter", action="append", default=[], metavar="GLOB", help="only cases whose id matches")
    parser.add_argument("--key", type=Path, metavar="FILE", help="32 bytes in hex: the key of the suite's own node")
    parser.add_argument("--seed", metavar="HEX", help="repeat a run with its randomness")
    parser.set_defaults(call=_call)


def _call(options: argparse.Namespace) -> int:
    if options.target is None and options.adapter is None:
        return usage("name a node with --target HOST:PORT, or what moves one with --adapter CMD")
    target = None if options.node_id is None else bech32m.read(options.node_id)
    if options.node_id is not None and target is None:
        return usage(f"--node-id {options.node_id} is no node id")
    try:
        address = None if options.target is None else split(options.target)
        seed = secrets.token_bytes(8) if options.seed is None else bytes.fromhex(options.seed)
        key = None if options.key is None else Key(bytes.fromhex(options.key.read_text(encoding="ascii").strip()))
        selected = _selection(options).cases()
    except (OSError, SelectionError, ValueError) as error:
        return usage(str(error))
    progress = _Progress(len(selected))
    try:
        result = asyncio.run(
            _run(
                selected,
                command=options.adapter,
                address=address,
                target=target,
                seed=seed,
                key=key,
                progress=progress,
            )
        )
    except AdapterError as error:
        print(f"conformance: {error}", file=sys.stderr)
        return HARNESS
    progress.clear()
    _print(result, seed, progress)
    return status(result)


def _selection(options: argparse.Namespace) -> Selection:
    adapter = options.adapter is not None
    roles = frozenset({"responder", "initiator"} if adapter else {"responder"})
    return Selection(tier=options.tier, roles=roles, patterns=tuple(options.filter), adapter=adapter)


async def _run(
    selected: Sequence[Case],
    *,
    command: str | None,
    address: tuple[str, int] | None,
    target: bytes | None,
    seed: bytes,
    key: Key | None,
    progress: _Progress,
) -> Run:
    """Run the cases, with an adapter where there is one. Raises `AdapterError`."""
    adapters = None
    if command is not None:
        adapters = await Adapters.open(shlex.split(command), word=f"x{secrets.token_hex(4)}")
    try:
        if address is None:
            assert adapters is not None  # the caller looked
            address, target = await adapters.node()
        environment = LiveEnvironment(*address, target, adapters)
        return await run_cases(selected, environment, seed=seed, key=key, began=progress.began, ended=progress.ended)
    finally:
        if adapters is not None:
            await adapters.aclose()


def _print(result: Run, seed: bytes, progress: _Progress) -> None:
    for judgement in result.judgements.values():
        if judgement.verdict is not Verdict.PASS:
            print("\n".join(judgement_lines(judgement)))
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
