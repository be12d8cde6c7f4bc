"""A home and a working folder that a client finds empty, and the few variables that it gets beside its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .verdict import Ended, run

LIMIT_S = 180.0
"""Of one command: clients that find no network try that for a while first."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Where a client's commands run."""

    home: Path
    work: Path

    def run(self, command: Sequence[str], variables: Mapping[str, str], limit_s: float = LIMIT_S) -> Ended:
        """Run a command with these variables, and none of the user's but the path."""
        own = {
            "PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.home), "TMPDIR": str(self.home / "tmp"),
            "LANG": "C.UTF-8", "TERM": "dumb",
        }  # fmt: skip
        return run(command, own | dict(variables), self.work, limit_s)


@contextlib.contextmanager
def sandbox() -> Iterator[Sandbox]:
    """A new one, which goes with the block."""
    with tempfile.TemporaryDirectory(prefix="mycellm-client-", ignore_cleanup_errors=True) as folder:
        home, work = Path(folder, "home"), Path(folder, "work")
        (home / "tmp").mkdir(parents=True)
        work.mkdir()
        with contextlib.suppress(OSError):  # clients that edit code want a repository, as their users have
            subprocess.run(("git", "init", "--quiet"), cwd=work, capture_output=True, check=False)
        yield Sandbox(home, work)
