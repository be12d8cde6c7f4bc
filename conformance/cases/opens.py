"""What a consumer authorises, and what its provider refuses: SPEC.md, "Receipts"."""

from __future__ import annotations

from .registry import Family

FAMILY = Family("opens")
