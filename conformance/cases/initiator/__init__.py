"""The target dials: handshake and control stream of an initiator."""

from __future__ import annotations

from . import control, dialing, greetings
from .common import FAMILY

__all__ = ["FAMILY", "control", "dialing", "greetings"]
