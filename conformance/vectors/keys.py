"""Families of keys: signatures, exporter, nodeid, hello."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from conformance import bech32m, dcbor, ed25519, shapes

from .outcome import Case, Outcome, accept, name, preimage, reject, same

_LABEL = b"EXPORTER-mycellm-channel-binding"
_HELLO = "mycellm/hello/v1"


def signatures(case: Case) -> Outcome:
    """Ed25519, valid or not."""
    public, message, signature = (bytes.fromhex(case[key]) for key in ("public", "message", "signature"))
    return accept() if ed25519.is_valid(public, message, signature) else reject()


def exporter(case: Case) -> Outcome:
    """The channel binding of an exporter master secret."""
    algorithm = case["hash"]
    empty = hashlib.new(algorithm).digest()
    secret = _expand_label(algorithm, bytes.fromhex(case["exporter_master_secret"]), _LABEL, empty, len(empty))
    return accept(binding=_expand_label(algorithm, secret, b"exporter", empty, 32).hex())


def _expand_label(algorithm: str, secret: bytes, label: bytes, context: bytes, size: int) -> bytes:
    """HKDF-Expand-Label of RFC 8446, section 7.1; one block of RFC 5869 is always enough here."""
    label = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes((len(label),)) + label + bytes((len(context),)) + context
    return hmac.new(secret, info + b"\x01", algorithm).digest()[:size]


def nodeid(case: Case) -> Outcome:
    """A written node id."""
    key = bech32m.read(case["text"])
    return reject() if key is None else accept(public=key.hex())


def hello(case: Case) -> Outcome:
    """The handshake as one side sees it: checks a to j of SPEC.md, "Handshake"."""
    signed = dcbor.decode(bytes.fromhex(case["hello"]))
    body, signature = signed
    same("the pre-image", preimage(_HELLO, body).hex(), case["preimage"])
    same("the name", name(_HELLO, body).hex(), case["hash"])
    return judge_hello(
        body,
        signature,
        verifier=case["verifier"],
        binding=bytes.fromhex(case["binding"]),
        own_key=bytes.fromhex(case["own_key"]),
        expected_peer=bytes.fromhex(case["expected_peer"]) if case["expected_peer"] else None,
        own_hello=bytes.fromhex(case["own_hello"] or ""),
        offer=case["own_offer"],
    )


def judge_hello(
    body: bytes,
    signature: bytes,
    *,
    verifier: str,
    binding: bytes,
    own_key: bytes,
    expected_peer: bytes | None,
    own_hello: bytes,
    offer: dict[str, Any],
) -> Outcome:
    """What the ``verifier`` (initiator or responder) makes of the peer's HELLO."""
    initiates = verifier == "initiator"
    try:
        peer = dcbor.decode(body)
    except dcbor.NotDeterministicError:
        return reject(code="ENCODING")
    if shapes.broken("hello-responder" if initiates else "hello-initiator", peer) is not None:
        return reject(code="HANDSHAKE_FAILED")
    proved = ed25519.is_valid(peer[1], preimage(_HELLO, body), signature)
    version = min(peer[4], offer["version_max"])
    checks = (
        (proved and peer[0] == int(initiates) and peer[2] == binding, "HANDSHAKE_FAILED"),
        (peer[5] == sorted(set(peer[5])), "HANDSHAKE_FAILED"),
        (peer[1] != own_key and expected_peer in (None, peer[1]), "WRONG_PEER"),
        (initiates or peer[6] == own_key, "WRONG_PEER"),
        (initiates or peer[7] == own_hello, "HANDSHAKE_FAILED"),
        (version >= max(peer[3], offer["version_min"]), "VERSION_UNSUPPORTED"),
    )
    code = next((code for holds, code in checks if not holds), None)
    if code is not None:
        return reject(code=code)
    return accept(
        peer=peer[1].hex(),
        pinned=expected_peer is not None if initiates else peer[8],
        version=version,
        capabilities=sorted(set(peer[5]) & set(offer["capabilities"])),
    )
