"""QUIC and TLS, against a responder: SPEC.md, "Transport"."""

from __future__ import annotations

from .registry import Family

FAMILY = Family("transport")
