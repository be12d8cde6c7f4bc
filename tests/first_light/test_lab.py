"""The administrator's lab, typed as README prints it: a real shell, real nodes, a real language model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE_S = 240.0
"""For five nodes and the conversion of a model on a busy machine."""
MARK = "===="


def commands() -> list[str]:
    """The lines of README's lab, each with what continues it."""
    section = (ROOT / "README.md").read_text().partition("## An administrator")[2]
    block = section.partition("```console\n")[2].partition("```")[0]
    found = [command.rstrip() for command in ("\n" + block).split("\n$ ")[1:]]
    assert len(found) == 10
    return found


class Shell:
    """A shell in an empty folder, as a person would have it beside a checkout."""

    def __init__(self, folder: Path) -> None:
        python = folder / "bin" / "python3"
        python.parent.mkdir()
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        environment = {**os.environ, "PATH": f"{python.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        self.errors = (folder / "errors").open("w+")
        self._process = subprocess.Popen(
            ["bash"], cwd=folder, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.errors, start_new_session=True,
        )  # fmt: skip

    def type(self, command: str) -> tuple[int, str]:
        """Run a command to its end, or leave it in the background; its exit code and what it printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        quiet = "> /dev/null" if command.endswith(("&", "& done")) else ""
        self._process.stdin.write(f"{{ {command}\n}} {quiet}\necho {MARK} $?\n")
        self._process.stdin.flush()
        printed: list[str] = []
        for line in self._process.stdout:
            if line.startswith(MARK):
                return int(line.split()[1]), "".join(printed)
            printed.append(line)
        raise AssertionError(f"the shell ended: {self.said()}")

    def said(self) -> str:
        """Everything on stderr so far."""
        self.errors.seek(0)
        return self.errors.read()

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)  # of its own session: the nodes in the background too
        self._process.communicate(timeout=PATIENCE_S)
        self.errors.close()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    found = Shell(tmp_path)
    yield found
    found.close()


def ready(shell: Shell, port: int, models: int = 0) -> None:
    """Wait until the node with that API is ready, and offers so many models."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=20) as answer:
                if len(json.loads(answer.read())["models"]) >= models:
                    return
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.2)
    raise AssertionError(f"nothing at {port}: {shell.said()}")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_lab_in_ten_commands_does_what_readme_says(shell: Shell) -> None:
    create, serve, hosts, students, start_hosts, start_students, ask, balance, revoke, again = commands()
    for command in (create, serve):
        assert shell.type(command)[0] == 0, shell.said()
    ready(shell, 8500)
    for command in (hosts, students, start_hosts):
        assert shell.type(command)[0] == 0, shell.said()
    for port in (8511, 8512):
        ready(shell, port, models=1)
    assert shell.type(start_students)[0] == 0
    for port in (8521, 8522, 8523):
        ready(shell, port, models=1)
    code, stories = shell.type(ask)
    assert (code, len(stories) > 100) == (0, True)
    assert "This request may cost" in shell.said()
    code, table = shell.type(balance)
    name, has, reserved, available = table.splitlines()[-1].split()
    assert (code, name, reserved, has) == (0, "lab", "0", available)
    assert 0 < int(has) < 1000
    assert shell.type("python3 -m reference_node chat --max-tokens 4 --home lab/student-2 Hello")[0] == 0
    assert shell.type(revoke)[0] == 0
    before = len(shell.said())
    code, answer = shell.type(again)
    assert (code, answer) == (1, "")
    assert "error: " in shell.said()[before:]
    assert shell.type("python3 -m reference_node ledger check --home lab/admin")[0] == 0
    for home in ("host-1", "host-2", "student-1"):
        assert shell.type(f"python3 -m reference_node receipts verify --home lab/{home}")[0] == 0
