"""Watched in every case: quotes, payment windows and closes of the target as provider."""

from __future__ import annotations

from collections.abc import Sequence

from .observer import Observer

OBSERVERS: Sequence[Observer] = ()
