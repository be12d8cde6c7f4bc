"""Nodes that forget, claim too much, count a debt twice, or give credit to keys."""

from __future__ import annotations

from . import claiming, keeping

MUTANTS = (*keeping.MUTANTS, *claiming.MUTANTS)
