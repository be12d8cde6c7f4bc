"""What the target records and books, seen through its adapter."""

from __future__ import annotations

from .registry import Family

FAMILY = Family("ledger")
