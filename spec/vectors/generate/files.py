"""Which files the generators make: of each family its cases, their schema and its README, and a list of all."""

from __future__ import annotations

from pathlib import Path

from .families import FAMILIES
from .family import document, schema_document
from .readme import family_readme, listed

VECTORS = Path(__file__).resolve().parent.parent


def produced(only: str | None = None) -> dict[Path, str]:
    """The files of all families, or of one, by path."""
    made = {}
    for name, family in FAMILIES.items():
        if only in (None, name):
            made[VECTORS / "v1" / f"{name}.json"] = document(family)
            made[VECTORS / "schema" / f"{name}.json"] = schema_document(family)
            made[VECTORS / "v1" / f"{name}.md"] = family_readme(family)
    if only is None:
        readme = VECTORS / "README.md"
        made[readme] = listed(readme.read_text(encoding="utf-8"), FAMILIES.values())
    return made
