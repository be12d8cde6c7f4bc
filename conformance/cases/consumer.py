"""The target asks: requests, payments and agreements of a consumer."""

from __future__ import annotations

from .registry import Family

FAMILY = Family("consumer")
