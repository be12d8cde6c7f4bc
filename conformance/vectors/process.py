"""A program that answers lines with lines, and gets a deadline for each."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

MOST_LINE = 1 << 22
"""Bytes of an answer. The longest that a driver has to write has under 200,000."""
_GRACE = 2.0
"""Seconds for a program to exit at the end of its input."""


class ProcessError(Exception):
    """The program did not answer; the text says how."""


class Process:
    """A running program, in a process group of its own. ``command`` is a list of words, ``errors`` gets its stderr.

    Raises `OSError` where it cannot be started.
    """

    def __init__(self, command: Sequence[str], errors: IO[bytes]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, bufsize=0, start_new_session=True
        )
        assert self._process.stdin is not None  # a pipe
        assert self._process.stdout is not None  # another
        self._input, self._output = self._process.stdin, self._process.stdout
        os.set_blocking(self._input.fileno(), False)
        self._received = b""

    def ask(self, line: bytes, timeout: float) -> bytes:
        """Write ``line`` and read one, within so many seconds. Raises `ProcessError`."""
        deadline = time.monotonic() + timeout
        pending = line + b"\n"
        while b"\n" not in self._received:
            left = deadline - time.monotonic()
            if left <= 0:
                raise ProcessError(f"no answer within {timeout:g} s")
            writers = [self._input] if pending else []
            readable, writable, _ = select.select([self._output], writers, [], left)
            if writable:
                pending = self._write(pending)
            if readable:
                self._read()
        answer, _, self._received = self._received.partition(b"\n")
        return answer

    def _write(self, pending: bytes) -> bytes:
        """What is left to write; nothing once nobody reads, since then the output ends."""
        try:
            return pending[os.write(self._input.fileno(), pending) :]
        except BrokenPipeError:
            return b""

    def _read(self) -> None:
        piece = os.read(self._output.fileno(), 1 << 16)
        if not piece:
            raise ProcessError(f"it ended instead of answering ({self._ending()})")
        self._received += piece
        if len(self._received) > MOST_LINE:
            raise ProcessError(f"its line has more than {MOST_LINE} bytes")

    def _ending(self) -> str:
        try:
            status = self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            return "it closed its output and runs on"
        return f"signal {-status}" if status < 0 else f"exit status {status}"

    def close(self) -> None:
        """End its input, and it."""
        self._input.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)
        self.kill()

    def kill(self) -> None:
        """End it and what it started, at once."""
        with suppress(ProcessLookupError, PermissionError):  # all of it is gone already
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._input.close()
        self._output.close()
