"""Initiators that break TLS, the handshake or the control stream."""

from __future__ import annotations

from . import handshake, tls

MUTANTS = (*handshake.MUTANTS, *tls.MUTANTS)
