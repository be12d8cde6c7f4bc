"""Hermes and Qwen: ``<tool_call>{"name": …, "arguments": {…}}</tool_call>``, once for each call."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from reference_node.engine.calls.format import Call, Found, call_rule, parse_json, read_calls
from reference_node.engine.lark import quoted

OPEN, CLOSE = "<tool_call>", "</tool_call>"


class Hermes:
    """See `reference_node.engine.calls.format.CallFormat`."""

    name = "hermes"
    openers: tuple[str, ...] = (OPEN,)
    first_openers: tuple[str, ...] = ()
    tail = "}\n" + CLOSE
    markers: tuple[str, ...] = (OPEN, CLOSE)

    def read(self, text: str, names: Collection[str], *, whole: bool) -> Found | None:
        """Reads up to the closing tag, which models leave out at an answer's end."""
        end = text.find(CLOSE)
        if end < 0:
            return None if not whole else Found(length=len(text), calls=read_calls(text[len(OPEN) :], names))
        return Found(length=end + len(CLOSE), calls=read_calls(text[len(OPEN) : end], names))

    def write(self, calls: Collection[Call]) -> str:
        """One element for each call."""
        return "\n".join(f"{OPEN}\n{_object(call)}\n{CLOSE}" for call in calls)

    def grammar(self, schemas: Mapping[str, str]) -> tuple[str, str]:
        """A line with the object."""
        return OPEN, f"{quoted(chr(10))} {call_rule(schemas, 'arguments')} {quoted(chr(10) + CLOSE)}"


def _object(call: Call) -> str:
    arguments = parse_json(call.arguments)
    return json.dumps({"name": call.name, "arguments": {} if arguments is None else arguments}, ensure_ascii=False)


HERMES = Hermes()
