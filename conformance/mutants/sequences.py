"""Peers that break what the cases of ``sequences`` show."""

from __future__ import annotations

from .mutant import Mutant

MUTANTS: tuple[Mutant, ...] = ()
