"""The target as a network's authority: whom it lets in, how often, and whom it puts out: SPEC.md, "Networks"."""

from . import joining, roll
from .common import FAMILY

__all__ = ["FAMILY", "joining", "roll"]
