"""The test command: what it runs, what it prints last, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from tests import runner

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Note what pytest would be started with, and let every check fail."""
    noted: list[list[str]] = []

    def note(arguments: list[str], plugins: list[object]) -> int:
        noted.append(arguments)
        return 0

    monkeypatch.setattr(pytest, "main", note)
    failing = runner.Check(name="failing", command=(sys.executable, "-c", "raise SystemExit(1)"))
    monkeypatch.setattr(runner, "CHECKS", (failing,))
    return noted


@pytest.mark.parametrize("arguments", [[], ["--slow"]])
def test_a_failed_check_fails_the_run_and_the_tests_still_run(ran: list[list[str]], arguments: list[str]) -> None:
    assert runner.main(arguments) == 1
    assert ran == [arguments]


def test_with_pytests_arguments_there_is_only_pytest(ran: list[list[str]]) -> None:
    assert runner.main(["tests/setup", "-k", "x", "--slow"]) == 0
    assert ran == [["tests/setup", "-k", "x", "--slow"]]


def test_a_folder_with_a_door_is_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    program = ModuleType("tests.bench.__main__")
    monkeypatch.setattr(program, "main", len, raising=False)
    monkeypatch.setitem(sys.modules, "tests.bench.__main__", program)
    monkeypatch.setattr(runner, "_programs", lambda: ["bench"])
    assert runner.main(["bench", "codec", "--json"]) == 2


def test_help_is_about_this_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: python3 -m tests")


def test_pytests_line_is_the_last_one_and_names_failed_checks_before_it(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text("def test_passes(): pass", encoding="ascii")
    code = "import pytest; from tests.runner import Verdict; pytest.main(plugins=[Verdict(['mypy'])])"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(runner.ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    *_, verdict, _, last = ended.stdout.splitlines()
    assert verdict == "FAILED mypy (its findings are at the top)"
    assert "1 passed" in last
