"""Items that are not deterministic, in every place where the target reads one: SPEC.md, "Encoding"."""

from __future__ import annotations

from .registry import Family

FAMILY = Family("encoding")
