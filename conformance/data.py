"""Where the data of the specification lies: in a checkout beside this package, in a wheel within it."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent
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


@cache
def _error_codes() -> dict[int, str]:
    text = (specification() / "registries" / "errors.toml").read_text(encoding="utf-8")
    return {entry["value"]: entry["name"] for entry in tomllib.loads(text)["entry"]}


def error_name(code: int) -> str:
    """The name of a registered error code; INTERNAL for any other (ERR-005)."""
    return _error_codes().get(code, "INTERNAL")
