"""How nodes of a network find each other, while they run: SPEC.md section "Discovery"."""

from __future__ import annotations

from .book import Book, Lead
from .dialer import Pace
from .discovery import Discovery

__all__ = ["Book", "Discovery", "Lead", "Pace"]
