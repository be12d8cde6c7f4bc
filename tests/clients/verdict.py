"""One check of one client at one place, and how a command of a client ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a check."""

    check: str
    verdict: str
    detail: str = ""
    seconds: float = 0.0


def judged(check: str, problem: str, seconds: float = 0.0) -> Verdict:
    """Passed, unless there is a problem."""
    return Verdict(check, FAILED if problem else PASSED, problem, round(seconds, 2))


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that is over; ``status`` is None where it was stopped for taking too long."""

    status: int | None
    output: str
    seconds: float

    def told(self) -> str:
        """Its end in one line."""
        how = "stopped after" if self.status is None else f"exit {self.status} after"
        return f"{how} {self.seconds:.0f} s: …{' '.join(self.output.split())[-400:]}"


def run(command: Sequence[str], environ: Mapping[str, str], where: Path, limit_s: float) -> Ended:
    """Run a client's command with these variables alone, in a group of its own that ends with it."""
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=where, env=dict(environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=limit_s)
        status: int | None = process.returncode
    except subprocess.TimeoutExpired:
        status = None
        output = ""
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    if status is None:
        output, _ = process.communicate()
    return Ended(status, output, time.monotonic() - began)
