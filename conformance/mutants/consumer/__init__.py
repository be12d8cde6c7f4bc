"""Consumers that pay wrongly, agree wrongly, or tell their users what is not so."""

from __future__ import annotations

from . import asking, closing, telling

MUTANTS = (*asking.MUTANTS, *closing.MUTANTS, *telling.MUTANTS)
