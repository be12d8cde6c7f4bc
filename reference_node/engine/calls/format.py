"""What a format of tool calls is."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from reference_node.engine.lark import json_term, quoted

NAME_KEY = "name"
ARGUMENT_KEYS = ("arguments", "parameters")
"""Where families put a call's arguments."""

_SIGNIFICANT = re.compile(r'"(?:[^"\\]++|\\.)*+"|["{}\[\]]', re.DOTALL)
"""A whole string, or what counts outside of one; a quote alone begins a string without an end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call: the tool's name, and its arguments as a JSON object's text."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What stands where a call may begin: the first ``length`` characters are ``calls``; no calls: they are text."""

    length: int
    calls: tuple[Call, ...] = ()


class CallFormat(Protocol):
    """One family's way to write calls."""

    name: str
    openers: tuple[str, ...]
    """Texts that may begin calls anywhere."""
    first_openers: tuple[str, ...]
    """Texts that may begin calls only where an answer begins."""
    tail: str
    """What stands behind the arguments of a call by its `grammar`."""
    markers: tuple[str, ...]
    """Special tokens of its tokenizer that are part of the format, and so have to be seen."""

    def read(self, text: str, names: Collection[str], *, whole: bool) -> Found | None:
        """Reads what begins with an opener. None: more of it has to come. ``whole``: nothing more comes."""

    def write(self, calls: Collection[Call]) -> str:
        """Calls as the model writes them, for the history of a template that knows none."""

    def grammar(self, schemas: Mapping[str, str]) -> tuple[str, str]:
        """The text that begins a call, and the Lark rule of what has to follow it. ``schemas``: of each tool's
        arguments, by name.
        """


def read_call(value: object, names: Collection[str]) -> Call | None:
    """A call in the form that most families share: an object with a name and an object of arguments."""
    if not isinstance(value, dict) or value.get(NAME_KEY) not in names:
        return None
    arguments: Any = next((value[key] for key in ARGUMENT_KEYS if key in value), {})
    if isinstance(arguments, str):
        arguments = parse_json(arguments)
    if not isinstance(arguments, dict):
        return None
    return Call(name=value[NAME_KEY], arguments=json.dumps(arguments, ensure_ascii=False))


def read_calls(text: str, names: Collection[str]) -> tuple[Call, ...]:
    """The calls in a JSON text: one, or an array of them; none if any of it is no call."""
    value = parse_json(text)
    items = value if isinstance(value, list) else [value]
    calls = [read_call(item, names) for item in items]
    return tuple(call for call in calls if call is not None) if None not in calls else ()


def parse_json(text: str) -> object:
    """The value of a JSON text; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def json_length(text: str, start: int = 0) -> int | None:
    """Where the array or object that begins at ``start`` ends: the index behind it. None: it has no end yet.

    Only brackets and strings are looked at; whether it is JSON says the parser.
    """
    depth = 0
    for found in _SIGNIFICANT.finditer(text, start):
        mark = found[0]
        if mark == '"':
            return None
        if mark in "{[":
            depth += 1
        elif mark in "}]":
            depth -= 1
            if depth <= 0:
                return found.end()
    return None


def call_rule(schemas: Mapping[str, str], key: str) -> str:
    """The Lark term of one call of any of these tools: an object with its name, and its arguments under ``key``."""
    calls = []
    for name, schema in schemas.items():
        begin = f"{json.dumps({NAME_KEY: name}, ensure_ascii=False)[:-1]}, {json.dumps(key)}: "
        calls.append(f"{quoted(begin)} {json_term(_arguments_schema(schema))}")
    return f"({' | '.join(calls)}) {quoted('}')}"


def _arguments_schema(schema: str) -> dict[str, Any]:
    """The schema of a tool's arguments; any object where it says nothing. Without leave of the schema, no properties
    but its own: small models invent some.
    """
    parsed = parse_json(schema)
    if not isinstance(parsed, dict) or not parsed:
        return {"type": "object"}
    closed = {"additionalProperties": False} if "properties" in parsed else {}
    return {"type": "object", **closed, **parsed}
