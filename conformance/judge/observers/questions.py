"""Watched in every case: requests, payments and agreements of the target as consumer."""

from __future__ import annotations

from collections.abc import Sequence

from .observer import Observer

OBSERVERS: Sequence[Observer] = ()
