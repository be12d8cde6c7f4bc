"""Finds uv, or fetches it by hash through pip; then makes environments with it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bootstrap import mirror
from bootstrap.display import Display
from bootstrap.environments import ENVIRONMENTS, LOCKS, Environment
from bootstrap.problems import SetupError
from bootstrap.process import run

__all__ = ["Installer"]

# Older ones do not know UV_DEFAULT_INDEX and UV_INDEX, which carry pip's settings over.
OLDEST_UV = (0, 5)
# Seconds that `uv --version` gets: it answers in milliseconds, and a broken shim must not stop the set-up.
PROBE_TIMEOUT = 20.0
_HASHED = ("--no-deps", "--require-hashes", "--only-binary", ":all:")
# The user's variables that would make an installer work on another place or with other rules than ours.
_FOREIGN = {
    "CONDA_PREFIX", "PIP_PREFIX", "PIP_TARGET", "PYTHONHOME", "PYTHONPATH", "UV_CONSTRAINT", "UV_EXCLUDE",
    "UV_EXCLUDE_NEWER", "UV_NO_VERIFY_HASHES", "UV_OVERRIDE", "UV_PREFIX", "UV_PYTHON", "UV_SYSTEM_PYTHON",
    "UV_TARGET", "VIRTUAL_ENV",
}  # fmt: skip


@dataclass
class Installer:
    """Makes environments; each of its commands is shown on ``display``."""

    display: Display
    log: Path = ENVIRONMENTS / "setup.log"
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def make(self, environment: Environment) -> None:
        """Make ``environment`` anew from its locks; it counts as complete only once everything is in it."""
        uv, base = self._uv(), _base_python()  # the base is found by a link that may be in the folder
        shutil.rmtree(environment.folder, ignore_errors=True)
        self._run(uv, "venv", "--python", base, "--no-python-downloads", str(environment.folder))
        self.display.stage(f"installing {environment.size}")
        locks = [word for lock in environment.locks for word in ("-r", str(lock))]
        self._run(uv, "pip", "install", "--python", str(environment.python), *self._no_index(), *_HASHED, *locks)
        environment.complete()

    def _uv(self) -> str:
        """Return a uv that works: the user's own, the one fetched before, or one that is fetched now."""
        own = shutil.which("uv", path=self.environ.get("PATH"))
        if own and _version(own) >= OLDEST_UV:
            return own
        folder, lock = ENVIRONMENTS / "uv", LOCKS / "uv.txt"
        uv, stamp = folder / "bin" / "uv", folder / "sha256"
        pinned = hashlib.sha256(lock.read_bytes()).hexdigest()
        if not (stamp.is_file() and stamp.read_text(encoding="ascii") == pinned and _version(str(uv)) >= OLDEST_UV):
            shutil.rmtree(folder, ignore_errors=True)
            self._fetch(folder, lock)
            stamp.write_text(pinned, encoding="ascii")
        return str(uv)

    def _fetch(self, folder: Path, lock: Path) -> None:
        """Install uv into ``folder`` with whichever pip there is."""
        hashed = ("install", "--disable-pip-version-check", *_HASHED, "-r", str(lock))
        if importlib.util.find_spec("pip"):
            self.display.stage("fetching the installer uv with pip")
            self._run(sys.executable, "-m", "pip", *hashed, "--target", str(folder))
            return
        if importlib.util.find_spec("ensurepip") is None:
            self._install_venv_module()
        self.display.stage("fetching the installer uv with pip, in an environment of its own")
        self._run(_base_python(), "-m", "venv", str(folder))
        self._run(str(folder / "bin" / "python"), "-m", "pip", *hashed)

    def _install_venv_module(self) -> None:
        """Install the part of Python that Debian and its relatives leave out and begin again, or say how to."""
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        apt = shutil.which("apt-get") if sys.base_prefix == "/usr" else None
        if apt is None:
            raise SetupError("this Python has neither pip nor venv, and there is no uv", "install one of the three")
        if os.geteuid() != 0:
            raise SetupError(
                "this Python has neither pip nor venv, and there is no uv",
                f"type `sudo apt-get install -y {package}` and then the same command again",
            )
        self.display.note(f"this Python has neither pip nor venv: running apt-get install {package}")
        self.display.stage(f"apt-get install {package}")
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        self._run(apt, "update", "-q", extra=quiet)
        self._run(apt, "install", "-y", "-q", "--no-install-recommends", package, extra=quiet)
        importlib.invalidate_caches()
        if importlib.util.find_spec("ensurepip") is None:
            raise SetupError(f"{package} is installed, and this Python still has no venv", "install uv or pip")
        # The package may have brought a newer build of this very Python, which is the one to make an environment with.
        self.display.close()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])

    def _run(self, *command: str, extra: Mapping[str, str] | None = None) -> None:
        run(
            command,
            environment={**self._environment(), **(extra or {})},
            display=self.display,
            log=self.log,
            watch=_Waiting(self.display).read,
        )

    def _environment(self) -> dict[str, str]:
        """Return the variables for pip and uv: the user's, less what points elsewhere, plus pip's settings for uv."""
        kept = {name: value for name, value in self.environ.items() if name not in _FOREIGN}
        # Both are meant for installs by hand: one refuses to work outside a venv, the other to work inside one.
        own = {"PIP_REQUIRE_VIRTUALENV": "0", "PIP_USER": "0", "UV_NO_PROGRESS": "1"}
        if not _has_cache(kept):
            own["UV_CACHE_DIR"] = str(ENVIRONMENTS / "cache")
        return {**kept, **mirror.uv_settings(self.environ), **own}

    def _no_index(self) -> list[str]:
        """Return uv's option for pip's no-index, which has no variable."""
        on = mirror.pip_settings(self.environ).get("no-index", "").lower() in {"1", "true", "yes", "on"}
        return ["--no-index"] if on else []


class _Waiting:
    """Reads what uv prints, and keeps the display's detail at the downloads that are still under way."""

    _PATTERN = re.compile(r"^\s*(Downloading|Downloaded|Resolved|Prepared) (\S+)(?: \((\S+)\))?")

    def __init__(self, display: Display) -> None:
        self._display = display
        self._sizes: dict[str, str] = {}

    def read(self, line: str) -> None:
        match = self._PATTERN.match(line)
        if match is None:
            return
        verb, name, size = match.groups()
        if verb == "Downloading":
            self._sizes[name] = size or ""
        elif verb == "Downloaded":
            self._sizes.pop(name, None)
        elif verb == "Resolved":
            self._display.detail(f"{name} packages")
            return
        waiting = ", ".join(f"{name} {size}".strip() for name, size in self._sizes.items())
        self._display.detail(f"waiting for {waiting}" if waiting else "")


def _base_python() -> str:
    """Return the interpreter outside of any environment: the one that we run in may be about to be remade."""
    return os.path.realpath(sys.executable) if sys.prefix != sys.base_prefix else sys.executable


def _version(uv: str) -> tuple[int, ...]:
    """Return the version of ``uv``; empty where it does not work (a version manager's shim, another machine's)."""
    try:
        answer = subprocess.run([uv, "--version"], capture_output=True, text=True, timeout=PROBE_TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    match = re.match(r"uv (\d+)\.(\d+)", answer.stdout)
    return tuple(map(int, match.groups())) if match else ()


def _has_cache(environ: Mapping[str, str]) -> bool:
    """Tell whether uv can keep its cache where it wants to; in containers the home folder often is not writable."""
    if environ.get("UV_CACHE_DIR") or environ.get("UV_NO_CACHE"):
        return True
    place = Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or "/", ".cache"), "uv")
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    return os.access(existing, os.W_OK)
