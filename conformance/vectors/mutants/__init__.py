"""Implementations of the vectors with one fault each, and whether the cases that name the fault notice it."""

from __future__ import annotations

from .matrix import MUTANTS, MutantResult, matrix
from .mutant import VectorMutant

__all__ = ["MUTANTS", "MutantResult", "VectorMutant", "matrix"]
