"""Which node runs with a home directory: a lock, and ``run.json`` that says where the node listens."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ..identity import HomeError, make_home, read_secret, replace_secret
from .output import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN_FILE = "run.json"
LOCK_FILE = "run.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A node that runs. Addresses are "host:port"; ``node_id`` as people write it."""

    pid: int
    api: str
    quic: str
    node_id: str


def _open_lock(home: Path) -> int:
    return os.open(home / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextlib.contextmanager
def claim(home: Path) -> Iterator[None]:
    """Be the one node of ``home`` until the block ends. Raises `CommandError`, `HomeError`."""
    make_home(home)
    try:
        lock = _open_lock(home)
    except OSError as error:
        raise HomeError(f"Cannot write in {home}: {error.strerror}. Choose another with --home.") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process, however that ends
        except OSError:
            message = f"A node already runs with {home}. Stop it, or give this one a home of its own with --home DIR."
            raise CommandError(message, exit_code=2) from None
        yield
        forget(home)
    finally:
        os.close(lock)


def announce(home: Path, running: Running) -> None:
    """Tell other commands where this node listens."""
    replace_secret(home / RUN_FILE, json.dumps(asdict(running)).encode() + b"\n")


def forget(home: Path) -> None:
    """Remove the announcement."""
    (home / RUN_FILE).unlink(missing_ok=True)


def find(home: Path) -> Running | None:
    """The node that runs with ``home``, or None. What a killed node left behind does not count."""
    if not (home / RUN_FILE).exists() or not _locked(home):
        return None
    try:
        found = json.loads(read_secret(home / RUN_FILE) or b"{}")
        return Running(**found)
    except (ValueError, TypeError):
        return None


def _locked(home: Path) -> bool:
    try:
        lock = _open_lock(home)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False
