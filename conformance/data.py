"""Where the data of the specification lies: in a checkout beside this package, in a wheel within it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent
DEFAULT_SET = "responder"
_PLACES = (_HERE / "spec", _HERE.parent / "spec")


class DataError(RuntimeError):
    """The data of the specification is not where it belongs."""


def specification() -> Path:
    """The folder ``spec``. Raises `DataError`."""
    for place in _PLACES:
        if (place / "vectors" / "v1").is_dir():
            return place
    raise DataError(f"no vectors in {' or '.join(str(place) for place in _PLACES)}")


def family(name: str) -> list[dict[str, Any]]:
    """The cases of one family of vectors. Raises `DataError`."""
    cases: list[dict[str, Any]] = _document(name)["cases"]
    return cases


def version() -> str:
    """The version of SPEC.md that the vectors are of. Raises `DataError`."""
    return str(_document("encoding")["spec"])


def _document(name: str) -> dict[str, Any]:
    path = specification() / "vectors" / "v1" / f"{name}.json"
    if not path.is_file():
        raise DataError(f"no vectors of the family {name} in {path.parent}")
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One line of spec/requirements.lock."""

    id: str
    """With its revision: FRM-005~1."""
    keyword: str
    actor: str
    seen: str
    """vector, wire, adapter, differential, model, audit or none."""
    section: str
    """The section of SPEC.md that it stands in."""
    sentence: str

    @property
    def is_must(self) -> bool:
        """Whether breaking it is a failure rather than a warning."""
        return self.keyword.startswith("MUST")


@cache
def requirements() -> Mapping[str, Requirement]:
    """Every requirement in force, by its id with revision."""
    lines = (specification() / "requirements.lock").read_text(encoding="utf-8").splitlines()
    words = [line.split() for line in lines if line and not line.startswith("#")]
    said = json.loads((specification() / "sentences.json").read_text(encoding="utf-8"))
    found = [
        Requirement(
            id=each[0],
            keyword=each[1].replace("-", " "),
            actor=each[2],
            seen=each[3],
            section=said[each[0]]["section"],
            sentence=said[each[0]]["sentence"],
        )
        for each in words
        if len(each) == 5
    ]
    return {each.id: each for each in found}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementSet:
    """A frozen selection of requirements: what one verdict is about (spec/sets)."""

    name: str
    title: str
    roles: frozenset[str]
    """Parts that the target plays in the cases of the set: responder, initiator."""
    adapter: bool
    """Whether it takes an adapter."""
    requirements: tuple[str, ...]


@cache
def sets() -> Mapping[str, RequirementSet]:
    """Every set by its name; the default comes first. Raises `DataError`."""
    found = [_set(path) for path in sorted((specification() / "sets").glob("*.toml"))]
    if DEFAULT_SET not in {each.name for each in found}:
        raise DataError(f"no set {DEFAULT_SET} in {specification() / 'sets'}")
    return {each.name: each for each in sorted(found, key=lambda each: each.name != DEFAULT_SET)}


def _set(path: Path) -> RequirementSet:
    value = tomllib.loads(path.read_text(encoding="utf-8"))
    return RequirementSet(
        name=path.stem,
        title=value["title"],
        roles=frozenset(value["roles"]),
        adapter=value["adapter"],
        requirements=tuple(value["requirements"]),
    )


@cache
def registry(name: str) -> list[dict[str, Any]]:
    """The entries of one registry. Raises `DataError`."""
    path = specification() / "registries" / f"{name}.toml"
    if not path.is_file():
        raise DataError(f"no registry {name} in {path.parent}")
    entries: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["entry"]
    return entries


@cache
def _limits() -> Mapping[str, int]:
    return {entry["name"]: entry["value"] for entry in registry("limits")}


def limit(name: str) -> int:
    """The value of a limit. Raises `KeyError`."""
    return _limits()[name]


@cache
def _error_codes() -> Mapping[int, str]:
    return {entry["value"]: entry["name"] for entry in registry("errors")}


def error_name(code: int) -> str:
    """The name of a registered error code; INTERNAL for any other (ERR-005)."""
    return _error_codes().get(code, "INTERNAL")


def is_registered(code: int) -> bool:
    """Whether ``code`` is that of a registered error."""
    return code in _error_codes()


@cache
def error_code(name: str) -> int:
    """The number of a registered error. Raises `KeyError`."""
    return {name: value for value, name in _error_codes().items()}[name]
