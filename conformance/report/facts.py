"""What a report says of a run beside its judgements."""

from __future__ import annotations

import hashlib
import platform
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from conformance.case import Case
from conformance.cases.registry import cases
from conformance.data import requirements, specification
from conformance.running.execute import SPEC

_PROJECT = Path(__file__).resolve().parent.parent.with_name("pyproject.toml")
_SEEN_BY_OTHERS = frozenset({"initiator", "consumer"})
"""Actors whose sentences a responder does not keep, unless a case says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """How the run was made."""

    set: str
    """The name of what was to be verified."""
    scope: frozenset[str]
    """Its requirements, with their revisions."""
    tier: str
    filters: tuple[str, ...]
    seed: bytes
    began: float
    """Seconds since 1970."""
    seconds: float
    address: str
    """Where the target was."""
    node_id: str | None
    """What the target had to prove; None where it was not told."""
    reaching: tuple[str, ...]
    """The arguments of `run` that say whom to judge, and as whom."""

    def suite(self) -> dict[str, Any]:
        """The entry ``suite`` of a report."""
        filters = [word for each in self.filters for word in ("--filter", each)]
        return {
            "name": "mycellm conformance suite",
            "version": version(),
            "python": platform.python_version(),
            "tier": self.tier,
            "filters": list(self.filters),
            "seed": self.seed.hex(),
            "began": datetime.fromtimestamp(self.began, UTC).isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 3),
            "command": self._command("--tier", self.tier, *filters),
        }

    def reproducer(self, case: Case) -> str:
        """A command line that runs ``case`` again with the same randomness."""
        return self._command("--tier", case.tier, "--filter", case.id)

    def _command(self, *arguments: str) -> str:
        words = ("python3", "-m", "conformance", "run", *self.reaching, "--seed", self.seed.hex(), *arguments)
        return shlex.join(words)


def spec() -> dict[str, str]:
    """The entry ``spec`` of a report: the version, and a hash of all its requirements."""
    lock = (specification() / "requirements.lock").read_bytes()
    return {"version": SPEC, "lock": hashlib.sha256(lock).hexdigest()}


def version() -> str:
    """The suite's version."""
    if _PROJECT.is_file():
        project: Mapping[str, Any] = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]
        return str(project["version"])
    return metadata.version("mycellm-proto")


def responders_scope() -> frozenset[str]:
    """The default set: what the wire shows of a responder, and whatever its cases name."""
    named = {
        name for each in cases().values() if each.role == "responder" and not each.needs for name in each.requirements
    }
    shown = {name for name, each in requirements().items() if each.seen == "wire" and each.actor not in _SEEN_BY_OTHERS}
    return frozenset(named | shown)
