"""Closes, countersignatures and what is recorded: SPEC.md, "Receipts"."""

from __future__ import annotations

from .registry import Family

FAMILY = Family("receipts")
