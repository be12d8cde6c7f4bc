"""Names the environments of a checkout and knows when one is complete."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

__all__ = ["ENVIRONMENTS", "LOCKS", "PROFILES", "ROOT", "Environment"]

ROOT = Path(__file__).resolve().parent.parent
LOCKS = Path(__file__).resolve().parent / "locks"
# Everything that the set-up makes lies in this folder; deleting it undoes the set-up.
ENVIRONMENTS = ROOT / ".venvs"

# profile -> its locks; {accel} is cpu or gpu.
PROFILES: dict[str, tuple[str, ...]] = {
    "node": ("node-{accel}", "model"),
    "tests": ("tests-{accel}", "model"),
    "conformance": ("conformance",),
}
# What a first set-up downloads, in MB by the first lock's name: the wheels for Linux, and 198 MB of default models.
_DOWNLOADS = {"node-cpu": 270, "node-gpu": 1760, "tests-cpu": 310, "tests-gpu": 1810, "conformance": 10}


@dataclass(frozen=True)
class Environment:
    """One virtual environment of this checkout, for one profile, accelerator and Python."""

    profile: str
    accelerator: str

    @cached_property
    def locks(self) -> tuple[Path, ...]:
        """The lock files whose packages it holds."""
        return tuple(LOCKS / f"{name.format(accel=self.accelerator)}.txt" for name in PROFILES[self.profile])

    @cached_property
    def folder(self) -> Path:
        """Where it lies.  Each Python has its own, so that a running node keeps its environment."""
        stem = self.locks[0].stem
        return ENVIRONMENTS / f"{stem}-{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')}"

    @property
    def size(self) -> str:
        """How much there is to install, for people."""
        packages = sum(lock.read_text(encoding="utf-8").count("==") for lock in self.locks)
        return f"up to {packages} packages, {_DOWNLOADS[self.locks[0].stem]} MB to fetch"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @cached_property
    def fingerprint(self) -> str:
        """What it has to be made from: these locks, this interpreter, this place (scripts hold absolute paths)."""
        digest = hashlib.sha256()
        for part in (sys.version, os.path.realpath(sys.executable), str(ROOT)):
            digest.update(part.encode() + b"\0")
        for lock in self.locks:
            digest.update(lock.read_bytes())
        return digest.hexdigest()

    def is_ready(self) -> bool:
        """Tell whether it was completed from what is here now."""
        try:
            made_from = self._stamp.read_text(encoding="ascii")
        except (OSError, UnicodeError):
            return False
        return made_from == self.fingerprint and os.access(self.python, os.X_OK)

    def is_active(self) -> bool:
        """Tell whether this process runs in it."""
        return Path(sys.prefix).resolve() == self.folder

    def complete(self) -> None:
        """Put the checkout on its path, then mark it as complete."""
        (self._packages / "mycellm_checkout.pth").write_text(f"{ROOT}\n", encoding="utf-8")
        self._stamp.write_text(self.fingerprint, encoding="ascii")

    @property
    def _packages(self) -> Path:
        return self.folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"

    @property
    def _stamp(self) -> Path:
        """The last file to be written; among the packages, so that it goes when they go."""
        return self._packages / "mycellm_setup.sha256"
