"""On a Python that is too old or too new the doors answer with a sentence, which takes syntax that it can read."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

import bootstrap
from tests.runner import ROOT

# What an older Python reads before bootstrap.ensure ends the process.
READ_BY_ALL = [
    "bootstrap/__init__.py",
    "reference_node/__init__.py",
    "reference_node/__main__.py",
    "tests/__init__.py",
    "tests/__main__.py",
]


@pytest.mark.parametrize("file", READ_BY_ALL)
def test_doors_can_be_read_by_an_old_python(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 7))
    assert "from __future__ import annotations" not in text, "Python 3.6 does not know it"


@pytest.mark.parametrize("version", [(3, 10, 13), (3, 15, 0)])
def test_wrong_version_ends_with_one_sentence(
    version: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, check=lambda stop: stop.code == 2):
        bootstrap.ensure("node")
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err == (
        f"mycellm: this is Python {version[0]}.{version[1]}, but 3.11 to 3.14 is needed: "
        "install one of them and type the command again.\n"
    )


def test_old_python_itself() -> None:
    old = next((name for minor in range(10, 5, -1) if bootstrap._works(name := f"python3.{minor}")), None)
    if old is None:
        pytest.skip("there is no Python 3.6 to 3.10 on PATH")
    for door in ("reference_node", "tests"):
        ended = subprocess.run([old, "-m", door], cwd=ROOT, capture_output=True, text=True, check=False)
        assert ended.returncode == 2
        assert len(ended.stderr.splitlines()) == 1
        assert "type the command again" in ended.stderr
