"""What a person sees during the set-up."""

from __future__ import annotations

import io
from dataclasses import dataclass

from bootstrap.display import PLAIN_INTERVAL, Display


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_plain_lines_now_and_then() -> None:
    stream, clock = io.StringIO(), Clock()
    display = Display(stream, clock)
    display.stage("installing 3 packages")
    display.detail("waiting for numpy 16MiB")
    clock.now = PLAIN_INTERVAL
    display.tick()
    display.tick()
    display.note("ready")
    assert stream.getvalue().splitlines() == [
        "mycellm: installing 3 packages",
        "mycellm: installing 3 packages … 15 s · waiting for numpy 16MiB",
        "mycellm: ready",
    ]


def test_a_terminal_gets_one_line_that_changes() -> None:
    stream, clock = Terminal(), Clock()
    display = Display(stream, clock)
    display.stage("installing")
    clock.now = 2.0
    display.detail("waiting for numpy")
    display.close()
    before, last = stream.getvalue().rsplit("\r", 1)
    assert "\n" not in before
    assert "installing … 2 s · waiting for numpy" in before
    assert last == "\x1b[Kmycellm: installing: 2.0 s\n"
