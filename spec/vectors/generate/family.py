"""What a family of vectors is, and how its two files are written: the cases and their JSON schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mycellm_proto import SPEC_VERSION
from mycellm_proto.errors import ErrorCode, RemoteProtocolError

Json: TypeAlias = "bool | int | str | Sequence[Json] | Mapping[str, Json] | None"

SPEC = SPEC_VERSION
"""The version of SPEC.md that the vectors are of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One file of vectors. ``notes`` say what the keys of a case mean, ``verification`` what a verifier does and what
    of it counts; ``schema`` is that of its own keys, of which a case may lack the ``optional`` ones.
    """

    name: str
    description: str
    notes: tuple[str, ...]
    verification: tuple[str, ...]
    schema: Mapping[str, Json]
    optional: frozenset[str] = frozenset()
    cases: Callable[[], list[dict[str, Json]]]


class DisagreementError(AssertionError):
    """The implementation does not reach the outcome that a case states."""


def case(slug: str, requirements: str | Sequence[str], **content: Json) -> dict[str, Json]:
    """A case: its ``slug``, unique in the family, the requirements that it shows (``ENC-012~1``), and its own keys."""
    cited = requirements.split() if isinstance(requirements, str) else list(requirements)
    return {"id": slug, "requirements": cited, **content}


def accept(**derived: Json) -> dict[str, Json]:
    """The outcome of a valid case, with what a verifier must derive from it."""
    return {"verdict": "accept", **derived}


def reject(act: Callable[[], object], code: ErrorCode, requirement: str, **more: Json) -> dict[str, Json]:
    """The outcome of an invalid case. Raises `DisagreementError` unless ``act`` is refused just so."""
    try:
        act()
    except RemoteProtocolError as error:
        if (error.code, error.requirement) != (code, requirement.partition("~")[0]):
            raise DisagreementError(f"expected {code.name} by {requirement}, not {error.code.name}: {error}") from error
        return {"verdict": "reject", "code": code.name, **more}
    raise DisagreementError(f"accepted, but {requirement} asks for {code.name}")


def document(family: Family) -> str:
    """The text of the family's file. Raises `ValueError` where two cases share an id."""
    cases = family.cases()
    slugs = [each["id"] for each in cases]
    if len(set(map(str, slugs))) != len(slugs):
        raise ValueError(f"{family.name}: a case id comes twice")
    return _text(
        {
            "spec": SPEC,
            "family": family.name,
            "description": family.description,
            "notes": family.notes,
            "verification": family.verification,
            "cases": cases,
        }
    )


def schema_document(family: Family) -> str:
    """The JSON schema of the family's file."""
    texts: Json = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    properties: dict[str, Json] = {
        "id": {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
        "requirements": {"type": "array", "items": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{3}~[1-9][0-9]*$"}},
        **family.schema,
    }
    needed = [name for name in properties if name not in family.optional]
    one_case: Json = {
        "type": "object",
        "properties": properties,
        "required": needed,
        "additionalProperties": False,
    }
    top: dict[str, Json] = {
        "spec": {"const": SPEC},
        "family": {"const": family.name},
        "description": {"type": "string"},
        "notes": texts,
        "verification": texts,
        "cases": {"type": "array", "items": one_case, "minItems": 1},
    }
    return _text(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"Vectors of the family {family.name}",
            "type": "object",
            "properties": top,
            "required": list(top),
            "additionalProperties": False,
        }
    )


def _text(value: Json) -> str:
    return json.dumps(value, indent=1, ensure_ascii=True) + "\n"


HEX: Json = {"type": "string", "pattern": "^([0-9a-f]{2})*$"}
HEX_PARTS: Json = {
    "anyOf": [
        HEX,
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"hex": HEX, "times": {"type": "integer", "minimum": 1}},
                "required": ["hex", "times"],
                "additionalProperties": False,
            },
        },
    ]
}
TEXT: Json = {"type": "string"}
NUMBER: Json = {"type": "integer"}
BOOLEAN: Json = {"type": "boolean"}
ANY: Json = {}
INTEGER: Json = {"anyOf": [NUMBER, {"type": "object", "properties": {"int": TEXT}, "required": ["int"]}]}
"""An integer that may be beyond what JSON readers keep: in the notation of README.md."""


def nullable(schema: Json) -> Json:
    """A value of ``schema``, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def record(
    properties: Mapping[str, Json] | None = None, *, optional: Sequence[str] = (), **named: Json
) -> dict[str, Json]:
    """An object with just these properties."""
    known = {**(properties or {}), **named}
    return {
        "type": "object",
        "properties": known,
        "required": [name for name in known if name not in optional],
        "additionalProperties": False,
    }


def outcomes(*, coded: bool = True, **derived: Json) -> list[Json]:
    """The schemas of an acceptance with what is ``derived``, and of a rejection."""
    rejection: dict[str, Json] = {"verdict": {"const": "reject"}}
    if coded:
        rejection["code"] = {"enum": [code.name for code in ErrorCode]}
    return [record(derived, verdict={"const": "accept"}), record(rejection)]


def outcome(*, coded: bool = True, **derived: Json) -> Json:
    """The schema of ``expect``: one of `outcomes`."""
    return {"anyOf": outcomes(coded=coded, **derived)}
