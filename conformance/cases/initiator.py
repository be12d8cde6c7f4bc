"""The target dials: handshake and control streams of an initiator."""

from __future__ import annotations

from .registry import Family

FAMILY = Family("initiator")
