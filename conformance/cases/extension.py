"""Versions, capabilities, and what a reader does not know: SPEC.md, "Versioning and extension"."""

from __future__ import annotations

from .registry import Family

FAMILY = Family("extension")
