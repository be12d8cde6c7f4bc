"""What is too large, too many or too fast: SPEC.md, "Limits"."""

from __future__ import annotations

from .registry import Family

FAMILY = Family("limits")
