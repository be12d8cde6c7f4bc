"""What the programs share: checks that run in order and report one JSON line each. Standard library alone."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import os
import time
from collections.abc import Callable
from typing import Any

EXPECTED = os.environ.get("CHECK_EXPECTED", "")
"""What every answer holds; empty where a real model answers."""

CHECKS: dict[str, Callable[[], Any]] = {}

CITY_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def check(function: Callable[[], Any]) -> Callable[[], Any]:
    """Register a check under its function's name."""
    CHECKS[function.__name__] = function
    return function


def answered(text: str | None) -> None:
    """Fail unless this is an answer of the model."""
    if not text or EXPECTED not in text:
        raise AssertionError(f"not the expected answer: {text!r:.200}")


def calling(tool: str, arguments: dict[str, object]) -> str:
    """A message that makes the scripted engine call a tool."""
    return f"CALL_TOOL_B64 {tool} {base64.b64encode(json.dumps(arguments).encode()).decode()}"


def refused(expected: type[Exception], ask: Callable[[], object]) -> Any:
    """The exception that asking raises. Fails where it raises none."""
    try:
        ask()
    except expected as error:
        return error
    raise AssertionError(f"no {expected.__name__}")


def main() -> None:
    """Run all checks, or those that ``CHECK_ONLY`` names; leave at once, whatever a client left open."""
    only = set(filter(None, os.environ.get("CHECK_ONLY", "").split(",")))
    failed = 0
    for name, function in CHECKS.items():
        if only and name not in only:
            continue
        began = time.monotonic()
        detail = _problem(function)
        failed += bool(detail)
        line = {"check": name, "passed": not detail, "detail": detail, "seconds": round(time.monotonic() - began, 2)}
        print(json.dumps(line), flush=True)
    os._exit(1 if failed else 0)


def _problem(function: Callable[[], Any]) -> str:
    try:
        result = function()
        if inspect.iscoroutine(result):
            asyncio.run(result)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is reported
        return f"{type(error).__name__}: {error}".replace("\n", " ")[:400]
    return ""
