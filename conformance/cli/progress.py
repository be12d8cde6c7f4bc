"""What is seen of a run while it lasts: what did not pass, as it happens, and on a terminal one line that moves."""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator

from conformance.case import Case
from conformance.data import requirements
from conformance.judge.finding import Verdict
from conformance.judge.judge import Judgement

from .text import judgement_lines


class Progress:
    """Follows a run. What it says goes to standard output, the line that moves to standard error."""

    def __init__(self, total: int, *, quiet: bool, excused: frozenset[str]) -> None:
        self._total = total
        self._excused = excused
        self._quiet = quiet
        self._done = 0
        self._failed = 0
        self._running: dict[str, float] = {}
        self._began = time.monotonic()
        self._moves = sys.stderr.isatty()
        self._said: dict[str, Verdict] = {}
        self._quoted: set[str] = set()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._began

    def so_far(self) -> str:
        """What there is to say before the end."""
        counts = Counter(self._said.values())
        listed = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
        return f"{self._done} of {self._total} cases are over" + (f" ({listed})" if listed else "")

    def began(self, case: Case) -> None:
        """A case runs."""
        self._running[case.id] = time.monotonic()
        self._move()

    def ended(self, judgement: Judgement) -> None:
        """A case is over."""
        self._running.pop(judgement.case.id, None)
        self._done += 1
        self._failed += judgement.verdict is Verdict.FAIL and judgement.case.id not in self._excused
        self.say(judgement)
        self._move()

    def say(self, judgement: Judgement) -> None:
        """Print what did not pass, unless it was said already."""
        said = self._said.get(judgement.case.id, Verdict.PASS)
        self._said[judgement.case.id] = judgement.verdict
        if not self._quiet and judgement.verdict is not said:
            self._clear()
            first, *rest = judgement_lines(judgement)
            known = " (known)" if judgement.case.id in self._excused else ""
            print("\n".join([first + known, *rest, *self._quotes(judgement)]), flush=True)

    def _quotes(self, judgement: Judgement) -> Iterator[str]:
        """The sentences of the requirements that its first finding breaks, unless they were said already."""
        broken = [each for each in judgement.findings if each.verdict in (Verdict.FAIL, Verdict.WARN)]
        for each in broken[0].requirements if broken else ():
            if each not in self._quoted:
                self._quoted.add(each)
                yield f"    {each}: {requirements()[each].sentence}"

    def _clear(self) -> None:
        if self._moves:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _move(self) -> None:
        if not self._moves:
            return
        failed = f", {self._failed} failed" if self._failed else ""
        longest = min(self._running, key=lambda each: self._running[each], default="")
        others = f" and {len(self._running) - 1} more" if len(self._running) > 1 else ""
        line = f"{self._done}/{self._total}{failed}, {self.seconds():.0f} s: {longest}{others}"
        sys.stderr.write(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}")
        sys.stderr.flush()
