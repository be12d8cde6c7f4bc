"""Rooted networks: who shows what to whom, and who is served by whom: SPEC.md, "Networks"."""

from . import calling, consumer, provider, showing
from .common import FAMILY

__all__ = ["FAMILY", "calling", "consumer", "provider", "showing"]
