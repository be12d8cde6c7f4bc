"""What is asked and how it is answered: SPEC.md, "Inference exchange"."""

from __future__ import annotations

from .registry import Family

FAMILY = Family("inference")
