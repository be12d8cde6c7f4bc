"""First-run set-up of a checkout, standard library only.

The doors (``python3 -m reference_node``, ``python3 -m tests``, …) call :func:`ensure` before they import anything
else.  It makes the environment of one profile from the hash-pinned locks beside this file and starts the same command
line again inside it.  Its output goes to stderr, and it ends with status 2 and one sentence where it cannot go on.

This module alone has to load on every Python 3, so that an old one is answered with a sentence.
"""

import shutil
import subprocess
import sys

__all__ = ["NEWEST", "OLDEST", "ensure"]

# The versions of CPython that every pinned package has wheels for.
OLDEST = (3, 11)
NEWEST = (3, 14)


def ensure(profile: str) -> None:
    """Return only inside an up-to-date environment that has what ``profile`` needs.

    Args:
        profile: ``node``, ``tests`` or ``conformance``.
    """
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        sys.stderr.write(_wrong_python())
        sys.exit(2)
    from bootstrap.prepare import enter

    enter(profile)


def _wrong_python() -> str:
    """Say which Python is wanted, and name one that is already on this machine."""
    versions = [(3, minor) for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    found = [name for name in map("python%d.%d".__mod__, versions) if _works(name)]
    found += ["uv run --no-project --python %d.%d python" % NEWEST] if shutil.which("uv") else []
    step = "type the command again with `%s`" % found[0] if found else "install one of them and type the command again"
    wanted = "%d.%d to %d.%d" % (OLDEST + NEWEST)
    return "mycellm: this is Python %d.%d, but %s is needed: %s.\n" % (*sys.version_info[:2], wanted, step)


def _works(python: str) -> bool:
    """Tell whether ``python`` starts; a version manager leaves names on PATH that do not."""
    return bool(shutil.which(python)) and subprocess.call([python, "-c", ""], stderr=subprocess.DEVNULL) == 0
