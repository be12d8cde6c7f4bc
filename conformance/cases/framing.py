"""Heads and bodies of frames: SPEC.md, "Framing"."""

from __future__ import annotations

from .registry import Family

FAMILY = Family("framing")
