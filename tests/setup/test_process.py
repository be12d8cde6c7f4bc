"""The set-up's commands: their lines, their failures and the sentences that these become."""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from bootstrap.display import Display
from bootstrap.problems import CommandError
from bootstrap.process import KEPT_LINES, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], list[str]]:
    """Run a few lines of Python as a command of the set-up and return the lines that were seen."""

    def execute(code: str) -> list[str]:
        seen: list[str] = []
        display = Display(io.StringIO())
        log = tmp_path / "log"
        run([sys.executable, "-c", code], environment=os.environ, display=display, log=log, watch=seen.append)
        return seen

    return execute


def test_lines_of_both_streams_are_seen(script: Callable[[str], list[str]]) -> None:
    assert script("import os; os.write(1, b'one\\ntw'); os.write(2, b'o\\nend')") == ["one", "two", "end"]


def test_the_log_keeps_the_last_lines(script: Callable[[str], list[str]], tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"ended with status 7: the reason is in .*log"):
        script(f"import sys; [print(n) for n in range({KEPT_LINES} + 5)]; sys.exit(7)")
    assert (tmp_path / "log").read_text(encoding="utf-8").splitlines()[1:] == [
        str(number) for number in range(5, KEPT_LINES + 5)
    ]


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        ("  cause: dns error\n  cause: failed to lookup address information", "cannot be reached"),
        ("NewConnectionError(...)\nERROR: No matching distribution found for uv", "cannot be reached"),
        ("error: Hash mismatch for `numpy==2.4.6`", "not the one that was pinned"),
        ("invalid peer certificate: UnknownIssuer", "not trusted"),
        ("error sending request\ninvalid peer certificate: UnknownIssuer", "not trusted"),
        ("hint: Wheels are required for `numpy`", "no wheel for this machine"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
    ],
)
def test_a_failure_becomes_a_sentence(script: Callable[[str], list[str]], printed: str, reason: str) -> None:
    with pytest.raises(CommandError, match=reason) as caught:
        script(f"import sys; print({printed!r}); sys.exit(1)")
    assert "\n" not in str(caught.value)


def test_ctrl_c_ends_the_command_too(tmp_path: Path) -> None:
    started: list[int] = []

    def interrupt(line: str) -> None:
        started.append(int(line))
        raise KeyboardInterrupt

    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with pytest.raises(KeyboardInterrupt):
        run(
            [sys.executable, "-c", code],
            environment=os.environ,
            display=Display(io.StringIO()),
            log=tmp_path / "log",
            watch=interrupt,
        )
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], signal.SIGTERM)
