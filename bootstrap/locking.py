"""Writes the locks from pyproject.toml; for maintainers (``python3 -m bootstrap lock``)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from bootstrap.environments import LOCKS, ROOT

__all__ = ["PLATFORMS", "PYTHONS", "main", "requirements"]

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin")
# onnxruntime's wheels start at this version of macOS; uv assumes an older one.
_MACOS = {"MACOSX_DEPLOYMENT_TARGET": "14.0"}
# Without addresses: a lock is used with whichever index this machine is told to use.
_COMPILE = (
    "pip", "compile", "-", "--universal", "--generate-hashes", "--no-header", "--no-annotate",
    "--python-version", PYTHONS[0], "--only-binary", ":all:", "--quiet",
)  # fmt: skip


def requirements() -> dict[str, list[str]]:
    """Return what each lock is made from, by the lock's name: pyproject.toml's requirements."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras, groups = project["project"]["optional-dependencies"], project["dependency-groups"]
    base = project["project"]["dependencies"]
    node = [*base, *extras["node"]]
    tests = [*node, *extras["conformance"], *groups["tests"]]
    return {
        "node-cpu": node,
        "node-gpu": [*_for_gpu(node), *groups["gpu"]],
        "tests-cpu": tests,
        "tests-gpu": [*_for_gpu(tests), *groups["gpu"]],
        "conformance": [*base, *extras["conformance"]],
        "model": groups["model"],
        "uv": groups["installer"],
    }


def main(*, upgrade: bool) -> int:
    """Write every lock, then show that each one has wheels for every supported platform and Python."""
    uv = shutil.which("uv")
    if uv is None:
        print("mycellm: there is no uv on PATH: type `pip install uv` first.", file=sys.stderr)
        return 2
    wanted = requirements()
    for name, lines in wanted.items():
        _compile(uv, LOCKS / f"{name}.txt", lines, upgrade=upgrade)
    missing = [problem for name in wanted for problem in _missing_wheels(uv, LOCKS / f"{name}.txt")]
    print(*missing, sep="\n", file=sys.stderr, end="\n" if missing else "")
    return 1 if missing else 0


def _for_gpu(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if not line.startswith("onnxruntime==")]


def _compile(uv: str, lock: Path, lines: Iterable[str], *, upgrade: bool) -> None:
    options = ["--upgrade"] if upgrade else []
    if lock.stem == "model":
        options.append("--no-deps")
    print(f"{lock.relative_to(ROOT)}", file=sys.stderr)
    subprocess.run(
        [uv, *_COMPILE, *options, "-o", str(lock)], input="\n".join(lines), text=True, check=True, cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _missing_wheels(uv: str, lock: Path) -> Iterator[str]:
    platforms = PLATFORMS[:1] if lock.stem.endswith("-gpu") else PLATFORMS
    for platform, python in ((platform, python) for platform in platforms for python in PYTHONS):
        command = [uv, "pip", "install", "--dry-run", "--target", str(ROOT / ".venvs" / "none")]
        command += ["--python-platform", platform, "--python-version", python]
        command += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(lock)]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **_MACOS})
        if answer.returncode != 0:
            yield f"{lock.stem} on {platform} with Python {python}: {answer.stderr.strip().splitlines()[-1]}"
