"""Credit and streams: SPEC.md, "Flow control"."""

from __future__ import annotations

from .registry import Family

FAMILY = Family("flow")
