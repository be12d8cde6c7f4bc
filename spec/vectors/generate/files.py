"""Which files the generators make."""

from __future__ import annotations

from pathlib import Path

from .families import FAMILIES
from .family import document, schema_document

VECTORS = Path(__file__).resolve().parent.parent


def produced(only: str | None = None) -> dict[Path, str]:
    """The files of all families, or of one: vectors and their schemas, by path."""
    made = {}
    for name, family in FAMILIES.items():
        if only in (None, name):
            made[VECTORS / "v1" / f"{name}.json"] = document(family)
            made[VECTORS / "schema" / f"{name}.json"] = schema_document(family)
    return made
