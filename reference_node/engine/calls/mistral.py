"""Mistral: ``[TOOL_CALLS] [{"name": …, "arguments": {…}}, …]``, in newer models ``[TOOL_CALLS]NAME[ARGS]{…}`` each."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping

from reference_node.engine.calls.format import Call, Found, call_rule, json_length, parse_json, read_call, read_calls
from reference_node.engine.lark import quoted

OPEN, ARGS = "[TOOL_CALLS]", "[ARGS]"
MAX_NAME = 256
"""Characters before the arguments; `_NAMED` matches fewer."""

_NAMED = re.compile(r"\s{0,8}([\w.-]{1,128})(?:\[CALL_ID\]\w{1,64})?(?:\[ARGS\])?\s{0,8}(?=\{)")


class Mistral:
    """See `reference_node.engine.calls.format.CallFormat`."""

    name = "mistral"
    openers: tuple[str, ...] = (OPEN,)
    first_openers: tuple[str, ...] = ()
    tail = "}]"
    markers: tuple[str, ...] = (OPEN, ARGS, "[CALL_ID]")

    def read(self, text: str, names: Collection[str], *, whole: bool) -> Found | None:
        """Reads an array of calls, or one call with its name in front."""
        body = len(OPEN) + len(text[len(OPEN) :]) - len(text[len(OPEN) :].lstrip())
        named = _NAMED.match(text, len(OPEN))
        start = named.end() if named else body
        if text[start : start + 1] not in ("{", "["):
            undecided = not whole and "{" not in text[body:] and len(text) - body < MAX_NAME
            return None if undecided else Found(length=len(OPEN))
        end = json_length(text, start)
        if end is None:
            return None if not whole else Found(length=len(text))
        if named:
            call = read_call({"name": named[1], "arguments": parse_json(text[start:end])}, names)
            return Found(length=end, calls=() if call is None else (call,))
        return Found(length=end, calls=read_calls(text[start:end], names))

    def write(self, calls: Collection[Call]) -> str:
        """One array."""
        items = [{"name": call.name, "arguments": parse_json(call.arguments) or {}} for call in calls]
        return f"{OPEN} {json.dumps(items, ensure_ascii=False)}"

    def grammar(self, schemas: Mapping[str, str]) -> tuple[str, str]:
        """An array of one call."""
        return OPEN, f"{quoted(' [')} {call_rule(schemas, 'arguments')} {quoted(']')}"


MISTRAL = Mistral()
