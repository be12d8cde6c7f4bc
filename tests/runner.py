"""What ``python3 -m tests`` runs, in which order, and what it prints last."""

from __future__ import annotations

import importlib
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent

USAGE = """\
usage: python3 -m tests [--slow]          check the code and run the tests: everything that a change has to pass
       python3 -m tests [pytest options]  run pytest alone: a path, -k, -x, …; --slow adds the slow tests
       python3 -m tests NAME [options]    run tests/NAME, where NAME is one of: {names}

The checks are ruff, mypy and the import contracts of pyproject.toml.  The first run makes an environment in .venvs
from the hash-pinned locks in bootstrap/locks.  MYCELLM_ACCEL=auto|cpu|gpu chooses the build of ONNX Runtime.
"""


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check of the code that is a command of its own."""

    name: str
    command: tuple[str, ...]

    def passes(self) -> bool:
        """Run it under a heading of its own; its findings go where the tests' go."""
        print(f"== {self.name}", flush=True)
        began = time.monotonic()
        status = subprocess.run(self.command, cwd=ROOT, check=False).returncode
        print(f"   {'ok' if status == 0 else 'FAILED'}, {time.monotonic() - began:.1f} s", flush=True)
        return status == 0


CHECKS = (
    Check(name="ruff check", command=(sys.executable, "-m", "ruff", "check")),
    Check(name="ruff format", command=(sys.executable, "-m", "ruff", "format", "--check")),
    Check(name="mypy", command=(sys.executable, "-m", "mypy")),
    Check(name="import contracts", command=(str(Path(sysconfig.get_path("scripts"), "lint-imports")), "--no-logo")),
)


class Verdict:
    """A pytest plugin that repeats failed checks above pytest's last line, where every reader looks."""

    def __init__(self, failed: Sequence[str]) -> None:
        self._failed = failed

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the section, if there is anything to say."""
        if self._failed:
            terminalreporter.section("failed checks", red=True)
            for name in self._failed:
                terminalreporter.line(f"FAILED {name} (its findings are at the top)")


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit status: 0 when every check and test passed."""
    if "-h" in arguments or "--help" in arguments:
        print(USAGE.format(names=", ".join(_programs()) or "none yet"), end="")
        return 0
    if arguments and arguments[0] in _programs():
        program = importlib.import_module(f"tests.{arguments[0]}.__main__")
        return int(program.main(list(arguments[1:])))
    failed: list[str] = []
    if not set(arguments) - {"--slow"}:
        failed = [check.name for check in CHECKS if not check.passes()]
        print("== pytest", flush=True)
    status = int(pytest.main(list(arguments), plugins=[Verdict(failed)]))
    return status or int(bool(failed))


def _programs() -> list[str]:
    """Return the folders of tests/ that are programs, such as the benchmarks."""
    return sorted(door.parent.name for door in (ROOT / "tests").glob("*/__main__.py"))
