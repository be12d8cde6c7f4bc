"""What lies in the tree: nothing of one person's machine, and the fixed top level."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.runner import ROOT

TOP = {
    ".ci", ".gitignore", "LICENSE", "README.md", "SPEC.md", "bootstrap", "conformance", "fuzz", "mycellm_proto",
    "pyproject.toml", "reference_node", "spec", "tests",
}  # fmt: skip

# Somebody's own folders, and the places where package indexes serve from.  Split, so that this file does not hold them.
FORBIDDEN = re.compile(
    r"/(?:root|home/\w+|Users/\w+|work|opt)/"
    r"|py" r"pi\.org/simple|files\.python" r"hosted|--(?:extra-)?index" r"-url|test\.py" r"pi"
)  # fmt: skip


def tracked() -> list[Path]:
    """Return the files that are, or are about to be, part of the repository."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("this is no git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    files = (ROOT / os.fsdecode(name) for name in names if name)
    return [file for file in files if file.is_file()]


def test_nothing_names_a_machine_or_an_index() -> None:
    found = []
    for file in tracked():
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{file.relative_to(ROOT)}:{number}" for number, line in enumerate(lines, 1) if FORBIDDEN.search(line)
        ]
    assert not found


def test_top_level_is_fixed() -> None:
    assert {file.relative_to(ROOT).parts[0] for file in tracked()} <= TOP


def test_the_ci_runs_what_the_readme_says() -> None:
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert "python3 -m tests" in script.read_text(encoding="utf-8")
