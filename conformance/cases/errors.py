"""How the target refuses: SPEC.md, "Errors" and "States"."""

from __future__ import annotations

from .registry import Family

FAMILY = Family("errors")
