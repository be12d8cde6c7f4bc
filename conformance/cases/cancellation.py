"""CANCEL, RESET_STREAM, STOP_SENDING and FIN in the middle of an answer."""

from __future__ import annotations

from .registry import Family

FAMILY = Family("cancellation")
