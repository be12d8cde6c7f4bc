"""Logs on stderr: lines for people on a terminal, JSON lines elsewhere; never content.

A record is an event with named fields. What a log never holds is prompts, answers and keys, so exceptions are logged
as their type and the lines that they passed, without their message (a message quotes what it failed on), and the
level applies to this project's loggers only: what other packages would say below a warning is not ours to vouch for.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

Field = str | int | float | bool | None

PACKAGES = ("reference_node", "mycellm_proto")
LEVELS = ("debug", "info", "warning", "error")

MAX_FIELD_CHARS = 4000
"""A field longer than this is cut: a log line is read by people and shipped by line-oriented tools."""

_FIELDS = "mycellm_fields"


def event(logger: logging.Logger, level: int, name: str, /, **fields: Field) -> None:
    """Log that ``name`` happened, with ``fields``: identifiers, counts and durations, never content."""
    logger.log(level, name, extra={_FIELDS: fields})


def failure(logger: logging.Logger, name: str, error: BaseException, /, **fields: Field) -> None:
    """Log an unexpected exception: its type and the lines it passed."""
    logger.error(name, extra={_FIELDS: fields}, exc_info=error)


def trace(error: BaseException) -> str:
    """The type of an exception and the lines that it passed, without any message."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    cause = error.__cause__ or error.__context__
    head = [trace(cause)] if cause is not None else []
    errno = f" errno {error.errno}" if isinstance(error, OSError) and error.errno else ""
    return " <- ".join([f"{type(error).__name__}{errno}", *reversed(lines), *head])


def _record_fields(record: logging.LogRecord) -> dict[str, Field]:
    fields: dict[str, Field] = dict(getattr(record, _FIELDS, {}))
    if record.exc_info and record.exc_info[1] is not None:
        fields["trace"] = trace(record.exc_info[1])
    return fields


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, event, fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{stamp}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        for name, value in _record_fields(record).items():
            line.setdefault(name, value[:MAX_FIELD_CHARS] if isinstance(value, str) else value)
        return json.dumps(line)


def one_line(text: str, limit: int = MAX_FIELD_CHARS) -> str:
    """``text`` without what moves a terminal's cursor or forges a line."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text[:limit])


class HumanFormatter(logging.Formatter):
    """One line for people: local time, level, event, fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        stamp = time.strftime("%H:%M:%S", time.localtime(record.created))
        fields = "".join(f"  {name}={one_line(str(value))}" for name, value in _record_fields(record).items())
        return f"{stamp} {record.levelname.lower():7} {one_line(record.getMessage())}{fields}"


def setup(level: str, stream: TextIO | None = None) -> logging.Handler:
    """Send all logs to ``stream`` (stderr): this project's from ``level``, other packages' from warning."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(HumanFormatter() if stream.isatty() else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in PACKAGES:
        logging.getLogger(name).setLevel(level.upper())
    return handler


def loop_exception_handler(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """For ``loop.set_exception_handler``: asyncio's own quotes the exception, and with it content."""
    logger = logging.getLogger(__name__)
    error = context.get("exception")
    if isinstance(error, BaseException):
        failure(logger, "task.failed", error)
    else:
        event(logger, logging.ERROR, "loop.error", message=str(context.get("message")))


def exception_hook(kind: type[BaseException], error: BaseException, _tb: TracebackType | None) -> None:
    """For ``sys.excepthook``: as `failure`, after which the process ends with 1."""
    if issubclass(kind, KeyboardInterrupt):
        return
    failure(logging.getLogger(__name__), "crashed", error)
