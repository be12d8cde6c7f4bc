"""Mutants in brief: by the requirement that one does not enforce, or by the parts in which it differs."""

from __future__ import annotations

from typing import Any

from .mutant import Mutant, skipping


def skips(family: str, requirement: str, slug: str, page: str, *cases: str, row: int | None = None) -> Mutant:
    """A peer that does not enforce ``requirement``, before cases of one family."""
    return does(family, slug, page, requirement, *cases, row=row, node=skipping(requirement.partition("~")[0]))


def does(family: str, slug: str, page: str, breaks: str, *cases: str, row: int | None = None, **parts: Any) -> Mutant:
    """A peer with other ``parts`` (fields of `Mutant`); ``breaks`` are ids, those without a revision in their first."""
    return Mutant(
        slug=slug,
        page=page,
        breaks=tuple(each if "~" in each else f"{each}~1" for each in breaks.split()),
        kills=tuple(f"{family}/{each}" for each in cases),
        row=row,
        **parts,
    )
