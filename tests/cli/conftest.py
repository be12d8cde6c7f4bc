from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reference_node import log
from reference_node.cli import main

from .program import fake_node

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
WAIT_S = 20.0
"""For a process on a busy machine; nothing waits this long when all is well."""


@dataclass
class Ran:
    """What a command printed and returned."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        [line] = self.out.splitlines()
        return json.loads(line)


class Runner:
    """Runs commands in this process, with a home of the test's own."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Ran:
        self._capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as end:  # argparse
            code = int(end.code or 0)
        out, err = self._capsys.readouterr()
        return Ran(code=code, out=out, err=err)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MYCELLM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MYCELLM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "home"


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    monkeypatch.setitem(sys.modules, "reference_node.node", fake_node())
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield Runner(home, capsys)
    root.handlers[:] = before  # a command sends all logs to its own stderr
    root.setLevel(level)
    for name in log.PACKAGES:
        logging.getLogger(name).setLevel(logging.NOTSET)


class Serving:
    """A ``serve`` process, read line by line."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        command = [sys.executable, "-m", "tests.cli.program", *arguments]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def event(self, name: str) -> dict[str, Any]:
        """The next line of stdout, which must be that event (pytest's own timeout ends a wait that is in vain)."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the node said nothing"
        found: dict[str, Any] = json.loads(line)
        assert found["event"] == name
        return found

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Send a signal; the exit code and what was still said."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, out, err

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Servers:
    """Starts serve processes and ends them with the test."""

    def __init__(self) -> None:
        self.running: list[Serving] = []

    def __call__(self, *arguments: str, **environment: str) -> Serving:
        self.running.append(Serving(*arguments, **environment))
        return self.running[-1]


@pytest.fixture
def serve(home: Path) -> Iterator[Servers]:
    servers = Servers()
    yield servers
    for serving in servers.running:
        serving.close()
