"""Brings the process into the environment of a profile, which is made first where it is missing or out of date."""

from __future__ import annotations

import fcntl
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from bootstrap import accelerator
from bootstrap.display import Display
from bootstrap.environments import ENVIRONMENTS, PROFILES, ROOT, Environment
from bootstrap.installer import Installer
from bootstrap.problems import SetupError

__all__ = ["enter", "prepare"]

# 0 says that the caller's own environment has everything (packagers, images).
SWITCH = "MYCELLM_BOOTSTRAP"
# Holds the id of the process that entered an environment: exec keeps the id, so a second entry shows.
_ENTERED = "MYCELLM_BOOTSTRAP_ENTERED"
# Seconds to wait for another set-up: a GPU set-up downloads 1.6 GB, which takes this long at 1 MB/s.
LOCK_TIMEOUT = 1800.0
# Seconds between two tries for the lock.
LOCK_INTERVAL = 0.2


def enter(profile: str) -> None:
    """Return if this process runs in an environment with ``profile``; otherwise start it again in one."""
    if os.environ.get(SWITCH) == "0":
        return
    try:
        environment = prepare(profile)
        if environment.is_active():
            os.environ.pop(_ENTERED, None)
            return
        if os.environ.get(_ENTERED) == str(os.getpid()):
            raise SetupError(f"{environment.python} does not run in its environment", f"delete {ENVIRONMENTS}")
    except SetupError as problem:
        _leave(str(problem), status=2)
    except KeyboardInterrupt:
        _leave("interrupted; the same command goes on from here", status=130)
    os.environ[_ENTERED] = str(os.getpid())
    os.environ["VIRTUAL_ENV"] = str(environment.folder)
    os.environ["PATH"] = os.pathsep.join([str(environment.folder / "bin"), os.environ.get("PATH", os.defpath)])
    os.execv(environment.python, [str(environment.python), *sys.orig_argv[1:]])


def prepare(profile: str) -> Environment:
    """Return the complete environment of ``profile``, making it first if need be.

    Raises:
        SetupError: it cannot be made here.
    """
    _check_machine()
    environment = _environment(profile)
    if environment.is_ready():
        return environment
    display = Display()
    try:
        with _alone(display):
            if not environment.is_ready():
                _make(environment, display)
    finally:
        display.close()
    return environment


def _check_machine() -> None:
    if sys.implementation.name != "cpython":
        raise SetupError(f"this is {sys.implementation.name}", "type the command again with CPython")
    if sys.platform == "darwin" and platform.machine() != "arm64":
        raise SetupError("the pinned packages have no wheels for Intel Macs", "use a Mac with Apple silicon, or Linux")


def _environment(profile: str) -> Environment:
    """Choose the environment: the tests' has everything, so whatever starts inside it stays there."""
    inside = Path(sys.prefix).resolve()
    if inside.parent == ENVIRONMENTS and inside.name.startswith("tests-"):
        profile = "tests"
    has_engine = any("{accel}" in lock for lock in PROFILES[profile])
    return Environment(profile, accelerator.choose(os.environ) if has_engine else "")


def _make(environment: Environment, display: Display) -> None:
    began = time.monotonic()
    display.note(f"setting up {environment.folder.relative_to(ROOT)} (the first time, and when its lock changes)")
    Installer(display).make(environment)
    display.note(f"ready in {time.monotonic() - began:.1f} s")


@contextmanager
def _alone(display: Display) -> Iterator[None]:
    """Hold this checkout's lock, so that two set-ups do not work on one folder; the kernel frees it if we die."""
    try:
        ENVIRONMENTS.mkdir(exist_ok=True)
        file = (ENVIRONMENTS / "lock").open("w", encoding="ascii")
    except OSError as error:
        raise SetupError(
            f"{ROOT} cannot be written to ({error.strerror})", "copy the checkout to a folder of yours and start there"
        ) from error
    with file:
        _acquire(file.fileno(), display)
        yield


def _acquire(descriptor: int, display: Display) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT
    waiting = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise SetupError("another set-up of this checkout does not end", "stop it and try again") from None
            if not waiting:
                display.stage("waiting for another set-up of this checkout")
                waiting = True
            display.tick()
            time.sleep(LOCK_INTERVAL)
        else:
            return


def _leave(sentence: str, *, status: int) -> NoReturn:
    print(f"mycellm: {sentence}", file=sys.stderr)
    raise SystemExit(status)
