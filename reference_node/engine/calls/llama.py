"""Llama 3: an answer that is ``{"name": …, "parameters": {…}}``, behind ``<|python_tag|>`` or not, several with ``;``
between them; or ``<function=NAME>{…}</function>``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from reference_node.engine.calls.format import Call, Found, call_rule, json_length, parse_json, read_call

TAG, FUNCTION, CLOSE = "<|python_tag|>", "<function=", "</function>"


class Llama:
    """See `reference_node.engine.calls.format.CallFormat`."""

    name = "llama3"
    openers: tuple[str, ...] = (TAG, FUNCTION)
    first_openers: tuple[str, ...] = ("{",)
    tail = "}"
    markers: tuple[str, ...] = (TAG,)

    def read(self, text: str, names: Collection[str], *, whole: bool) -> Found | None:
        """Reads one function element, or as many objects as follow each other."""
        if text.startswith(FUNCTION):
            return _read_function(text, names, whole=whole)
        calls: list[Call] = []
        end = start = len(TAG) if text.startswith(TAG) else 0
        while True:
            start += len(text[start:]) - len(text[start:].lstrip(" \n;"))
            if not text[start:]:
                break
            if text[start] != "{":
                whole = True  # what is not an object ends the row of calls
                break
            stop = json_length(text, start)
            if stop is None:
                return Found(length=end, calls=tuple(calls)) if whole and calls else _none(text, whole=whole)
            call = read_call(parse_json(text[start:stop]), names)
            if call is None:
                whole = True
                break
            calls.append(call)
            start = end = stop
        if not whole:
            return None
        return Found(length=end, calls=tuple(calls)) if calls else Found(length=max(end, 1))

    def write(self, calls: Collection[Call]) -> str:
        """One object for each call."""
        return "; ".join(
            json.dumps({"name": call.name, "parameters": parse_json(call.arguments) or {}}, ensure_ascii=False)
            for call in calls
        )

    def grammar(self, schemas: Mapping[str, str]) -> tuple[str, str]:
        """The bare object."""
        return "", call_rule(schemas, "parameters")


def _read_function(text: str, names: Collection[str], *, whole: bool) -> Found | None:
    end = text.find(CLOSE)
    if end < 0:
        return _none(text, whole=whole)
    name, _, body = text[len(FUNCTION) : end].partition(">")
    call = read_call({"name": name, "arguments": parse_json(body)}, names)
    return Found(length=end + len(CLOSE), calls=() if call is None else (call,))


def _none(text: str, *, whole: bool) -> Found | None:
    return Found(length=len(text)) if whole else None


LLAMA = Llama()
