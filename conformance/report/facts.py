"""What a report says of a run beside its judgements."""

from __future__ import annotations

import hashlib
import platform
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from conformance.data import DEFAULT_SET, specification
from conformance.judge.judge import Judgement
from conformance.running.execute import SPEC
from conformance.running.run import Selection
from conformance.running.shrink import drawn

_PROJECT = Path(__file__).resolve().parent.parent.with_name("pyproject.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """How the run was made."""

    seed: bytes
    began: datetime
    seconds: float
    address: str
    """Where the target was."""
    node_id: str | None
    """What the target had to prove; None where it was not told."""
    reaching: tuple[str, ...]
    """The arguments of `run` that say whom to judge, and as whom."""

    def suite(self, selection: Selection) -> dict[str, Any]:
        """The entry ``suite`` of a report."""
        filters = [word for each in selection.patterns for word in ("--filter", each)]
        filters += [word for item in selection.only for word in ("--only", str(item))]
        return {
            "name": "mycellm conformance suite",
            "version": version(),
            "python": platform.python_version(),
            "tier": selection.tier,
            "filters": list(selection.patterns),
            "seed": self.seed.hex(),
            "began": self.began.isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 3),
            "command": self._command(selection, "--tier", selection.tier, *filters),
        }

    def reproducer(self, judgement: Judgement, selection: Selection) -> str:
        """A command line that runs a case again with the same randomness, and what was drawn in it alone."""
        case, items = judgement.case, drawn(judgement)
        few = items if len(items) < case.items else ()
        only = [word for item in few for word in ("--only", str(item))]
        return self._command(selection, "--tier", case.tier, "--filter", case.id, *only)

    def _command(self, selection: Selection, *arguments: str) -> str:
        scope = () if selection.scope.name == DEFAULT_SET else ("--set", selection.scope.name)
        words = ("python3", "-m", "conformance", "run", *self.reaching, *scope, "--seed", self.seed.hex(), *arguments)
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
