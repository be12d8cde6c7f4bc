"""Peers that break what the cases of ``quotes`` show."""

from __future__ import annotations

from .mutant import Mutant

MUTANTS: tuple[Mutant, ...] = ()
