"""The target as a settlement node, and as a provider and a consumer where there is one: SPEC.md, "Settlement"."""

from . import claiming, providing, reserving
from .common import FAMILY

__all__ = ["FAMILY", "claiming", "providing", "reserving"]
