"""Ticks, windows and ceilings while the answer flows: SPEC.md, "Receipts"."""

from __future__ import annotations

from .registry import Family

FAMILY = Family("payment")
