"""What a person sees while the set-up works: one changing line on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO

__all__ = ["Display"]

# Seconds between two plain lines about the same stage, for a log that is watched now and read later.
PLAIN_INTERVAL = 15.0
_PREFIX = "mycellm: "


class Display:
    """Shows the current stage, what it waits for, and for how long, on stderr."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._live = self._stream.isatty()
        self._stage = ""
        self._detail = ""
        self._began = self._spoke = clock()

    def stage(self, text: str) -> None:
        """Begin a stage, named by what it does (``installing 60 packages``)."""
        self._finish()
        self._stage, self._detail = text, ""
        self._began = self._spoke = self._clock()
        if self._live:
            self.tick()
        else:
            self._line(text)

    def detail(self, text: str) -> None:
        """Say what the stage waits for at present; an empty text takes that back."""
        self._detail = text
        self.tick()

    def tick(self) -> None:
        """Bring the elapsed time up to date; to be called a few times a second."""
        now = self._clock()
        text = f"{self._stage} … {now - self._began:.0f} s{' · ' if self._detail else ''}{self._detail}"
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\x1b[K{(_PREFIX + text)[:width]}")
            self._stream.flush()
        elif now - self._spoke >= PLAIN_INTERVAL:
            self._spoke = now
            self._line(text)

    def note(self, text: str) -> None:
        """Print a line that stays."""
        self._finish()
        self._line(text)

    def close(self) -> None:
        """End the last stage, so that what follows starts on a line of its own."""
        self._finish()

    def _finish(self) -> None:
        if self._stage and self._live:
            self._stream.write("\r\x1b[K")
            self._line(f"{self._stage}: {self._clock() - self._began:.1f} s")
        self._stage = ""

    def _line(self, text: str) -> None:
        self._stream.write(f"{_PREFIX}{text}\n")
        self._stream.flush()
