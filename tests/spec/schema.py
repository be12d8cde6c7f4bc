"""As much of JSON Schema as the schemas of the vectors use; any other keyword is an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
IGNORED = frozenset({"$schema", "title"})


def problem(value: Any, schema: Mapping[str, Any], where: str = "$") -> str | None:
    """What is wrong with ``value``, or None."""
    for keyword, wanted in schema.items():
        if keyword in IGNORED:
            continue
        found = KEYWORDS[keyword](value, wanted, schema, where)
        if found is not None:
            return found
    return None


def _type(value: Any, wanted: str, _: Any, where: str) -> str | None:
    right = isinstance(value, TYPES[wanted]) and not (isinstance(value, bool) and wanted == "integer")
    return None if right else f"{where} is no {wanted}"


def _const(value: Any, wanted: Any, _: Any, where: str) -> str | None:
    return None if value == wanted else f"{where} is not {wanted!r}"


def _enum(value: Any, wanted: list[Any], _: Any, where: str) -> str | None:
    return None if value in wanted else f"{where} is none of {wanted}"


def _pattern(value: Any, wanted: str, _: Any, where: str) -> str | None:
    return None if not isinstance(value, str) or re.search(wanted, value) else f"{where} does not match {wanted}"


def _minimum(value: Any, wanted: int, _: Any, where: str) -> str | None:
    return None if value >= wanted else f"{where} is below {wanted}"


def _min_items(value: Any, wanted: int, _: Any, where: str) -> str | None:
    return None if len(value) >= wanted else f"{where} has fewer than {wanted} elements"


def _items(value: Any, wanted: Mapping[str, Any], _: Any, where: str) -> str | None:
    found = (problem(each, wanted, f"{where}[{number}]") for number, each in enumerate(value))
    return next((each for each in found if each), None)


def _properties(value: Any, wanted: Mapping[str, Any], _: Any, where: str) -> str | None:
    found = (problem(value[name], each, f"{where}.{name}") for name, each in wanted.items() if name in value)
    return next((each for each in found if each), None)


def _required(value: Any, wanted: list[str], _: Any, where: str) -> str | None:
    missing = [name for name in wanted if name not in value]
    return f"{where} has no {missing[0]}" if missing else None


def _additional(value: Any, wanted: bool, schema: Any, where: str) -> str | None:
    unknown = sorted(set(value) - set(schema["properties"]))
    return f"{where} has {unknown[0]}, which no schema knows" if unknown and not wanted else None


def _any_of(value: Any, wanted: list[Any], _: Any, where: str) -> str | None:
    found = [problem(value, each, where) for each in wanted]
    return None if None in found else " or ".join(map(str, found))


KEYWORDS: Mapping[str, Callable[[Any, Any, Any, str], str | None]] = {
    "type": _type,
    "const": _const,
    "enum": _enum,
    "pattern": _pattern,
    "minimum": _minimum,
    "minItems": _min_items,
    "items": _items,
    "properties": _properties,
    "required": _required,
    "additionalProperties": _additional,
    "anyOf": _any_of,
}
