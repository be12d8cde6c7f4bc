"""Benchmarks: ``python3 -m tests bench [NAME …] [--quick] [--json]``.

Each ``bench_NAME.py`` has ``run(quick)``, whose result names what was measured, against what, and the aim. What is
compared takes turns in one process, and the figure is a ratio, so that it holds on a machine that others use too.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

HEAD = ("name", "what", "against", "aim")


def names() -> list[str]:
    """The benchmarks there are."""
    return sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))


def main(arguments: Sequence[str]) -> int:
    """Run those that are named, or all; 0, or 2 for a name that there is not."""
    parser = argparse.ArgumentParser(prog="python3 -m tests bench", description="Measure, and compare with a baseline.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of: {', '.join(names())}; all of them by default"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", action="store_true", help="one JSON object for each benchmark, a line each")
    asked = parser.parse_args(arguments)
    if unknown := sorted(set(asked.names) - set(names())):
        parser.error(f"there is no benchmark named {', '.join(unknown)}")
    for name in asked.names or names():
        result = {"name": name} | importlib.import_module(f"tests.bench.bench_{name}").run(asked.quick)
        print(json.dumps(result, default=str) if asked.json else "\n".join(table(result)), flush=True)
    return 0


def table(result: Mapping[str, Any]) -> Iterator[str]:
    """A heading and a line for each figure."""
    yield f"{result['name']}: {result.get('what', 'several figures')}"
    for key in HEAD[2:]:
        if key in result:
            yield f"  {key:<28} {result[key]}"
    yield from figures({key: value for key, value in result.items() if key not in HEAD})


def figures(values: Mapping[str, Any], indent: str = "  ") -> Iterator[str]:
    """A line for each figure, those of a group below its name."""
    for key, value in values.items():
        label = key.replace("_", " ")
        if isinstance(value, Mapping):
            yield f"{indent}{label}"
            yield from figures(value, indent + "  ")
        else:
            yield f"{indent}{label:<{30 - len(indent)}} {value}"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
