"""The channel binding: SPEC.md, "Transport" (RFC 8446 section 7.5)."""

from __future__ import annotations

import hashlib
import hmac

_LABEL = b"EXPORTER-mycellm-channel-binding"


def binding(algorithm: str, exporter_master_secret: bytes) -> bytes:
    """The 32 bytes of a connection whose cipher suite hashes with ``algorithm`` (a name of hashlib)."""
    empty = hashlib.new(algorithm).digest()
    secret = _expand_label(algorithm, exporter_master_secret, _LABEL, empty, len(empty))
    return _expand_label(algorithm, secret, b"exporter", empty, 32)


def _expand_label(algorithm: str, secret: bytes, label: bytes, context: bytes, size: int) -> bytes:
    """HKDF-Expand-Label of RFC 8446, section 7.1; one block of RFC 5869 is always enough here."""
    label = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes((len(label),)) + label + bytes((len(context),)) + context
    return hmac.new(secret, info + b"\x01", algorithm).digest()[:size]
