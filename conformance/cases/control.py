"""Control streams and MODELS: SPEC.md, "Control streams"."""

from __future__ import annotations

from .registry import Family

FAMILY = Family("control")
