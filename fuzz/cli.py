"""The command line of ``python3 -m fuzz``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from . import economy
from .plot import Panel, svg

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

IDENTITIES = (1, 2, 5, 10, 30, 100, 300, 1000)
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_QUICK = 10


def main(arguments: list[str] | None = None) -> int:
    """Run a command; its exit code: 0 all laws hold, 1 one does not, 2 a wrong command line."""
    parser = argparse.ArgumentParser(prog="python3 -m fuzz", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    about = "simulate what free riding gains by the node's own rules; exits with 1 where it gains more than it may"
    one = commands.add_parser("economy", help=about, description=about)
    one.add_argument("--seed", type=int, default=1, metavar="N", help="the same seed, the same figures (1)")
    one.add_argument("--quick", action="store_true", help="fewer points")
    one.add_argument("--json", action="store_true", help="figures as one line of JSON")
    one.add_argument("--plot", type=Path, metavar="FILE", help="write the figures as an SVG, too")
    options = parser.parse_args(arguments)
    figures = measure(options.seed, quick=options.quick)
    if options.plot is not None:
        options.plot.write_text(drawn(figures), encoding="utf-8")
    print(json.dumps(figures) if options.json else told(figures), flush=True)
    return 0 if figures["laws_hold"] else 1


def measure(seed: int, *, quick: bool = False) -> dict[str, Any]:
    """All figures. ``quick`` takes every third point."""
    step = 3 if quick else 1
    keys = (*IDENTITIES[:-1:step], IDENTITIES[-1])
    gains = {n: economy.sybil_gain(n, seed) for n in _shown("Sybil identities", keys)}
    collusion = {n: economy.collusion_gain(n, seed) for n in _shown("colluding keys", (2, _QUICK, 100))}
    riders = {share: economy.free_riders(share, seed) for share in _shown("free riders' share", SHARES[::step])}
    lies = {n: economy.claims_without_delivery(n, seed) for n in _shown("claims without delivery", (1, _QUICK, 100))}
    new = {name: economy.newcomer(name == "crowded", seed) for name in _shown("newcomer", ("alone", "crowded"))}
    laws = [gain <= 1 for gain in (*gains.values(), *collusion.values())]
    laws += [got <= released for got, released in lies.values()]
    return {
        "seed": seed,
        "laws_hold": all(laws),
        "sybil_gain": {str(n): gain for n, gain in gains.items()},
        "collusion_gain": {str(n): gain for n, gain in collusion.items()},
        "free_riders": {str(share): {"honest": one, "free_rider": two} for share, (one, two) in riders.items()},
        "claims_without_delivery": {str(n): {"got": one, "released": two} for n, (one, two) in lies.items()},
        "newcomer": new,
    }


def _shown(what: str, points: tuple[T, ...]) -> Iterator[T]:
    """Say on stderr how far it is."""
    for number, point in enumerate(points, 1):
        print(f"{what}: {point} ({number} of {len(points)})", file=sys.stderr, flush=True)
        yield point


def told(figures: dict[str, Any]) -> str:
    """The figures as text."""
    lines = [f"{n:>5} identities get {gain:.3f} times what one gets" for n, gain in figures["sybil_gain"].items()]
    for n, gain in figures["collusion_gain"].items():
        lines.append(f"{n:>5} keys that served each other on paper get {gain:.3f} times what they got without")
    for share, each in figures["free_riders"].items():
        rider = "" if each["free_rider"] is None else f", a free rider {each['free_rider']:.1%}"
        lines.append(f"{float(share):>5.0%} free riders: an honest node gets {each['honest']:.1%} of its demand{rider}")
    for n, each in figures["claims_without_delivery"].items():
        lines.append(f"{n:>5} liars get {each['got']} micro-credits for {each['released']} that were released to them")
    for name, shares in figures["newcomer"].items():
        first = next((hour for hour, share in enumerate(shares) if share >= 1), None)
        lines.append(f"a newcomer ({name}) gets {shares[0]:.0%} at once, and all that it wants from hour {first}")
    lines.append("all laws hold" if figures["laws_hold"] else "A LAW DOES NOT HOLD")
    return "\n".join(lines)


def drawn(figures: dict[str, Any]) -> str:
    """The figures as an SVG."""
    gains, riders, new = figures["sybil_gain"], figures["free_riders"], figures["newcomer"]
    hours = len(new["alone"][:25])
    sybils = Panel(
        title="Gain of Sybils over one key",
        axis="identities",
        marks=tuple(gains),
        lines=(("what they get, for what one gets", tuple(gains.values())),),
        top=2.0,
    )
    share = Panel(
        title="Served of what a node wants",
        axis="share of free riders",
        marks=tuple(f"{float(each):.0%}" for each in riders),
        lines=(
            ("honest node", tuple(each["honest"] for each in riders.values())),
            ("free rider", tuple(each["free_rider"] for each in riders.values())),
        ),
        top=1.0,
    )
    earning = Panel(
        title="Newcomer: served of what it wants",
        axis="hours",
        marks=tuple(str(hour) if hour % 6 == 0 else "" for hour in range(hours)),
        lines=(("allowances free", tuple(new["alone"][:hours])), ("allowances emptied", tuple(new["crowded"][:hours]))),
        top=1.0,
    )
    return svg([sybils, share, earning])
