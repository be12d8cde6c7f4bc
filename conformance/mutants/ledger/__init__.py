"""Nodes that forget, claim too much, count a debt twice, or give credit on no ground."""

from __future__ import annotations

from . import claiming, crediting, keeping

MUTANTS = (*keeping.MUTANTS, *claiming.MUTANTS, *crediting.MUTANTS)
