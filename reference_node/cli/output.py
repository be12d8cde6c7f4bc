"""What commands print: results on stdout, as text or as JSON alone; everything else on stderr."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class CommandError(Exception):
    """A command could not do its work. The message is a sentence that says what to do."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def say(text: str = "") -> None:
    """A line for people, on stderr."""
    print(text, file=sys.stderr, flush=True)


def result(text: str) -> None:
    """A line of a result, on stdout."""
    print(text, flush=True)


def result_json(value: object) -> None:
    """A result as one line of JSON, on stdout."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def fail(message: str, *, code: int = 1, as_json: bool) -> int:
    """Say what went wrong; returns ``code``."""
    say(f"error: {message}")
    if as_json:
        result_json({"error": {"message": message, "exit_code": code}})
    return code


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Aligned columns on stdout."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        result("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def printable(text: str, keep: str = "") -> str:
    """``text`` without the characters that would command a terminal, except those in ``keep``."""
    return "".join(c if c.isprintable() or c in keep else "\N{REPLACEMENT CHARACTER}" for c in text)
