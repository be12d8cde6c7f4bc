"""For models whose template knows no tools. They are told to write Hermes' form; small ones often leave the tags out,
so an answer that is nothing but the object, or its array, counts as well.
"""

from __future__ import annotations

from collections.abc import Collection

from reference_node.engine.calls.format import Found, json_length, read_calls
from reference_node.engine.calls.hermes import OPEN, Hermes

FENCE, CLOSE = "```json", "```"


class Generic(Hermes):
    """See `reference_node.engine.calls.format.CallFormat`."""

    name = "generic"
    first_openers: tuple[str, ...] = ("{", "[", FENCE)

    def read(self, text: str, names: Collection[str], *, whole: bool) -> Found | None:
        """Reads a tagged call, or JSON at the beginning of the answer."""
        if text.startswith(OPEN):
            return super().read(text, names, whole=whole)
        mark = FENCE if text.startswith(FENCE) else ""
        body = text[len(mark) :].lstrip()
        start = len(text) - len(body)
        if not body:
            return Found(length=len(text)) if whole else None
        end = json_length(text, start) if body[0] in "{[" else len(mark)
        if end is None:
            return Found(length=1) if whole else None
        calls = read_calls(text[start:end], names)
        if not mark or not calls:
            return Found(length=end, calls=calls)
        close = text.find(CLOSE, end)
        if close >= 0:
            return Found(length=close + len(CLOSE), calls=calls)
        return Found(length=len(text), calls=calls) if whole else None


GENERIC = Generic()
