"""The target asks: requests, payments and agreements of a consumer."""

from __future__ import annotations

from . import answers, cancelling, closes, failures, frames, overruns, parts, terms
from .common import FAMILY

__all__ = ["FAMILY", "answers", "cancelling", "closes", "failures", "frames", "overruns", "parts", "terms"]
