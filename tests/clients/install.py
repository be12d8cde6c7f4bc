"""Installs clients from the package indexes into a cache outside of the tree: pinned, once, each in its own folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bootstrap import mirror
from bootstrap.environments import ENVIRONMENTS

PYPI, NPM = "pypi", "npm"
PATIENCE_S = 900


class NotInstallableError(Exception):
    """A client cannot be had on this machine; says why."""


@dataclass(frozen=True, slots=True)
class Package:
    """What to install: requirements with exact versions, of one index."""

    index: str
    requirements: tuple[str, ...]

    @property
    def version(self) -> str:
        """The version of the first requirement, which is the client itself."""
        return self.requirements[0].replace("==", "@").rpartition("@")[2]

    def folder(self) -> Path:
        """Where it is, or will be."""
        name = self.requirements[0].replace("==", "-").replace("/", "-").strip("@").replace("@", "-")
        told = "\n".join((self.index, sys.version if self.index == PYPI else "", *self.requirements))
        return cache() / f"{name}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"

    def is_there(self) -> bool:
        """Whether it is installed."""
        return (self.folder() / "complete").is_file()

    def program(self, name: str) -> str:
        """The path of a program that it brings."""
        place = "bin" if self.index == PYPI else "node_modules/.bin"
        return str(self.folder() / place / name)


def cache() -> Path:
    """The folder of all installed clients; may be deleted."""
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(base, "mycellm-tests")


def install(package: Package) -> None:
    """Install, unless it is there. Raises `NotInstallableError`."""
    if package.is_there():
        return
    folder = package.folder()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (_from_pypi if package.index == PYPI else _from_npm)(package, folder)
    (folder / "complete").touch()


def _from_pypi(package: Package, folder: Path) -> None:
    fetched = ENVIRONMENTS / "uv" / "bin" / "uv"
    uv = str(fetched) if fetched.exists() else shutil.which("uv")
    if uv is None:
        raise NotInstallableError("there is no uv: `python3 -m tests` fetches it, or `pip install uv`")
    environ = {**os.environ, **mirror.uv_settings(os.environ)}
    _run(uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder), environ=environ)
    python = str(folder / "bin" / "python")
    _run(uv, "pip", "install", "--quiet", "--python", python, *package.requirements, environ=environ)


def _from_npm(package: Package, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NotInstallableError("it comes from npm, and this machine has no node and npm")
    (folder / "package.json").write_text('{"private": true, "type": "module"}\n')
    quiet = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel", "error")
    _run(npm, "install", *quiet, *package.requirements, environ=dict(os.environ), where=folder)


def _run(*command: str, environ: Mapping[str, str], where: Path | None = None) -> None:
    try:
        done = subprocess.run(
            command, env=dict(environ), cwd=where, capture_output=True, text=True, stdin=subprocess.DEVNULL,
            timeout=PATIENCE_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstallableError(f"{Path(command[0]).name}: {error}"[:300]) from None
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise NotInstallableError(f"{Path(command[0]).name}: {' '.join(lines)[:300] or done.returncode}")
