"""The smallest instance of a JSON Schema: what the scripted engine fills arguments and structured answers with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

MAX_DEPTH = 24
"""Levels of a schema that are followed, references included: a recursive one ends with null."""

MAX_FILLED = 64
"""Elements or characters that a minimum can ask for."""

FORMATS: Mapping[str, str] = {
    "date": "2026-01-02",
    "date-time": "2026-01-02T03:04:05Z",
    "time": "03:04:05Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.com",
}

Json: TypeAlias = Any
Schema: TypeAlias = Any
"""What a JSON text holds: nobody has checked that it is a schema."""


def instance_text(schema: str | None, text: str) -> str:
    """JSON that fits the schema (JSON too), with ``text`` where any text fits. No schema, or none that can be read, is
    that of an object without properties.
    """
    try:
        parsed = json.loads(schema) if schema else {}
    except (ValueError, RecursionError):
        parsed = {}
    made = instance(parsed, text)
    return json.dumps({} if made is None and not parsed else made, ensure_ascii=False)


def instance(schema: Schema, text: str) -> Json:
    """The instance itself. Follows ``$ref`` inside the schema, const, enum, anyOf, oneOf, allOf, type and minima; a
    pattern is not obeyed.
    """
    return _Maker(schema, text).make(schema, 0)


class _Maker:
    def __init__(self, root: Schema, text: str) -> None:
        self._root, self._text = root, text

    def make(self, schema: Schema, depth: int) -> Json:
        if depth > MAX_DEPTH or not isinstance(schema, dict):
            return None
        if isinstance(reference := schema.get("$ref"), str):
            return self.make(self._resolve(reference), depth + 1)
        if fixed := [schema["const"]] if "const" in schema else schema.get("enum"):
            return fixed[0] if isinstance(fixed, list) else None
        if isinstance(schema.get("allOf"), list) and schema["allOf"]:
            return self._all_of(schema["allOf"], depth)
        for word in ("anyOf", "oneOf"):
            if isinstance(schema.get(word), list) and schema[word]:
                return self.make(schema[word][0], depth + 1)
        return self._typed(schema, depth)

    def _typed(self, schema: Mapping[str, Schema], depth: int) -> Json:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((each for each in kind if each != "null"), "null")
        if kind == "object" or (kind is None and "properties" in schema):
            return self._object(schema, depth)
        if kind == "array":
            return [self.make(schema.get("items"), depth + 1) for _ in range(_least(schema, "minItems"))]
        if kind == "integer":
            return int(_number(schema, 7))
        if kind == "number":
            return float(_number(schema, 7.5))
        if kind == "boolean":
            return True
        return self._string(schema) if kind == "string" or (kind is None and schema) else None

    def _object(self, schema: Mapping[str, Schema], depth: int) -> dict[str, Json]:
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        required = schema.get("required", list(properties))
        wanted = required if isinstance(required, list) else []
        return {name: self.make(part, depth + 1) for name, part in properties.items() if name in wanted}

    def _all_of(self, parts: list[Schema], depth: int) -> Json:
        made = [self.make(part, depth + 1) for part in parts]
        if all(isinstance(each, dict) for each in made):
            return {name: value for each in made for name, value in each.items()}
        return made[0]

    def _string(self, schema: Mapping[str, Schema]) -> str:
        text = FORMATS.get(str(schema.get("format")), self._text)
        text += "." * (_least(schema, "minLength") - len(text))
        most = schema.get("maxLength")
        return text[:most] if isinstance(most, int) and most >= 0 else text

    def _resolve(self, reference: str) -> Schema:
        found = self._root
        for step in reference.lstrip("#/").split("/") if reference.strip("#/") else ():
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
        return found


def _least(schema: Mapping[str, Schema], word: str) -> int:
    value = schema.get(word)
    return min(value, MAX_FILLED) if isinstance(value, int) and value > 0 else 0


def _number(schema: Mapping[str, Schema], default: float) -> float:
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    if isinstance(above, int | float) and not isinstance(above, bool):
        return above + 1
    if isinstance(low, int | float) and not isinstance(low, bool):
        return low
    high = schema.get("maximum")
    return min(default, high) if isinstance(high, int | float) and not isinstance(high, bool) else default
