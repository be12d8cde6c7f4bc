"""The generated parts of SPEC.md, between their markers."""

from __future__ import annotations

import json
import re
from typing import Any, TypeAlias

from .annotate import annotated
from .files import ROOT
from .registries import table
from .states import shown

_MARKER = re.compile(r"<!-- (?P<kind>include|registry|states|vector|exchange)(?:: (?P<name>\S+))? -->\n")


class MarkerError(ValueError):
    """A marker of SPEC.md names nothing, or is not closed."""


def fill(text: str) -> str:
    """``text`` with every generated part made anew. Raises `MarkerError`."""
    filled, position = [], 0
    while (marker := _MARKER.search(text, position)) is not None:
        end = text.find(f"<!-- /{marker['kind']} -->", marker.end())
        if end < 0:
            raise MarkerError(f"{marker[0].strip()} is never closed")
        filled += [text[position : marker.end()], _made(marker["kind"], marker["name"] or ""), "\n"]
        position = end
    return "".join(filled) + text[position:]


def without_generated(text: str) -> str:
    """``text`` as people wrote it: the generated parts emptied."""
    kept, position = [], 0
    while (marker := _MARKER.search(text, position)) is not None:
        kept.append(text[position : marker.end()])
        position = max(text.find(f"<!-- /{marker['kind']} -->", marker.end()), marker.end())
    return "".join(kept) + text[position:]


def _made(kind: str, name: str) -> str:
    try:
        if kind == "include":
            return f"```cddl\n{(ROOT / name).read_text(encoding='utf-8')}```"
        if kind == "registry":
            return table(ROOT / name)
        if kind == "states":
            return shown(name)
        if kind == "vector":
            return _vector(name)
        return annotated(vector("exchange/complete"))
    except (KeyError, OSError, StopIteration) as error:
        raise MarkerError(f"<!-- {kind}: {name} --> names nothing: {error!r}") from None


def vector(name: str) -> dict[str, Any]:
    """The case ``FAMILY/ID`` of the vectors on disk."""
    family, _, slug = name.partition("/")
    text = (ROOT / "spec" / "vectors" / "v1" / f"{family}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = next(case for case in json.loads(text)["cases"] if case["id"] == slug)
    return found


def _vector(name: str) -> str:
    """A case as a block: a key a line, long byte strings in lines of their own."""
    lines = [f"spec/vectors/v1/{name.replace('/', '.json, case ')}"]
    for key, value in vector(name).items():
        if key not in ("id", "requirements"):
            lines += _entry(key, value, "")
    return "\n".join(["```", *lines, "```"])


Json: TypeAlias = Any
"""Anything that JSON has."""
_WIDE = 64
"""Hex digits in a line."""


def _entry(key: str, value: Json, indent: str) -> list[str]:
    if isinstance(value, dict):
        return [f"{indent}{key}:"] + [
            line for name, each in value.items() for line in _entry(name, each, indent + "  ")
        ]
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) <= _WIDE + 20:
        return [f"{indent}{key}: {text}"]
    pieces = [text[i : i + _WIDE] for i in range(0, len(text), _WIDE)]
    return [f"{indent}{key}:", *(f"{indent}  {piece}" for piece in pieces)]
