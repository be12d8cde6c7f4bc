"""The channel binding: SPEC.md section "Handshake".

Both HELLOs sign this value, so that neither can be used on any other TLS connection. It is the keying material exporter
of TLS 1.3 (RFC 8446 section 7.5) under a label of this protocol, with an empty context:

    TLS-Exporter(label, "", 32) =
        HKDF-Expand-Label(Derive-Secret(exporter_master_secret, label, ""), "exporter", Hash(""), 32)

This module only derives; where the exporter master secret comes from is the transport's business.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

EXPORTER_LABEL = b"EXPORTER-mycellm-channel-binding"
"""Registered nowhere else, so that no other exporter of the same connection can yield these bytes."""
BINDING_SIZE = 32
"""Bytes of a channel binding."""


def hkdf_expand_label(
    algorithm: hashes.HashAlgorithm, secret: bytes, label: bytes, context: bytes, length: int
) -> bytes:
    """HKDF-Expand-Label of RFC 8446 section 7.1: ``length`` bytes of ``secret`` for ``label`` without its prefix.

    Raises `ValueError` where ``label`` (with its prefix) or ``context`` is longer than 255 bytes.
    """
    full_label = b"tls13 " + label
    # struct HkdfLabel { uint16 length; opaque label<7..255>; opaque context<0..255>; }
    info = b"".join((length.to_bytes(2, "big"), bytes((len(full_label),)), full_label, bytes((len(context),)), context))
    return HKDFExpand(algorithm, length, info).derive(secret)


def channel_binding(algorithm: hashes.HashAlgorithm, exporter_master_secret: bytes) -> bytes:
    """The 32-byte binding of one TLS connection (RFC 8446 section 7.5).

    ``algorithm`` is the hash of the connection's cipher suite; ``exporter_master_secret`` is as long as its digest and
    covers the transcript from ClientHello to the responder's Finished (RFC 8446 section 7.1, label "exp master").
    """
    empty = hashes.Hash(algorithm).finalize()
    secret = hkdf_expand_label(algorithm, exporter_master_secret, EXPORTER_LABEL, empty, algorithm.digest_size)
    return hkdf_expand_label(algorithm, secret, b"exporter", empty, BINDING_SIZE)
