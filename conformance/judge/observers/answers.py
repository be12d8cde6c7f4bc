"""Watched in every case: answers of the target as provider: states, chunks, credit, stop sequences, deadlines."""

from __future__ import annotations

from collections.abc import Sequence

from .observer import Observer

OBSERVERS: Sequence[Observer] = ()
