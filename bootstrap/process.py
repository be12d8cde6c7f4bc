"""Runs the set-up's commands, with their output kept for the display and for the log."""

from __future__ import annotations

import os
import selectors
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bootstrap.display import Display
from bootstrap.problems import CommandError

__all__ = ["run"]

# Lines of output kept for the log and for the choice of the sentence; uv's longest report has about 60.
KEPT_LINES = 400
# Seconds between two looks at the clock: the display's elapsed time should not stutter.
TICK = 0.2
# Seconds that a command gets to stop after Ctrl-C before it is killed.
GRACE = 5.0
# Bytes read at once: the size of a pipe's buffer on Linux.
CHUNK = 65_536


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    display: Display,
    log: Path,
    watch: Callable[[str], None] = lambda line: None,
) -> None:
    """Run ``command``, feeding each line it prints to ``watch``, with the display alive meanwhile.

    Raises:
        CommandError: it ended with another status than 0; ``log`` then holds its last lines.
    """
    kept: deque[str] = deque(maxlen=KEPT_LINES)
    with subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            for line in _lines(process, display):
                kept.append(line)
                watch(line)
        except BaseException:
            _stop(process)
            raise
    if process.returncode != 0:
        log.write_text("\n".join([f"$ {' '.join(command)}", *kept, ""]), encoding="utf-8")
        raise CommandError(command, process.returncode, kept, log)


def _lines(process: subprocess.Popen[bytes], display: Display) -> Iterator[str]:
    """Yield the lines that ``process`` prints, ticking the display while there are none."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        rest = b""
        while True:
            display.tick()
            if not selector.select(TICK):
                continue
            data = os.read(process.stdout.fileno(), CHUNK)
            if not data:
                break
            *whole, rest = (rest + data).split(b"\n")
            yield from (line.decode("utf-8", "replace").rstrip() for line in whole)
        if rest:
            yield rest.decode("utf-8", "replace")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
