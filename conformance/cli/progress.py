"""What a person sees while a run goes on: one line on stderr, where that is a terminal."""

from __future__ import annotations

import sys
import time

from conformance.case import Case
from conformance.judge.judge import Judgement


class Progress:
    """Counts the cases of a run."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._running: dict[str, float] = {}
        self._began = time.monotonic()
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")

    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._began

    def began(self, case: Case) -> None:
        """A case runs."""
        self._running[case.id] = time.monotonic()
        self._show()

    def ended(self, judgement: Judgement) -> None:
        """A case is over."""
        self._running.pop(judgement.case.id, None)
        self._done += 1
        self._show()

    def _show(self) -> None:
        if self._shown:
            running = ", ".join(list(self._running)[-2:])
            sys.stderr.write(f"\r\x1b[K{self._done}/{self._total} {running}"[:100])
            sys.stderr.flush()
