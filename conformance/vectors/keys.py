"""Families of keys: exporter, signatures, signing, nodeid, hello."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from conformance import bech32m
from conformance.dcbor import Item, NotDeterministicError

from .outcome import Case, Outcome, accept, reject, valued
from .rules import Check, Rules

_HELLO = "mycellm/hello/v1"
_COUNTERSIGN = "mycellm/countersign/v1"


def public_of(seed: bytes) -> bytes:
    """The public key of a private one (RFC 8032 section 5.1.5)."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


class Keys(Rules):
    """SPEC.md, "Transport", "Signatures", "Identity" and "Handshake"."""

    exporter_label = b"EXPORTER-mycellm-channel-binding"

    def exporter(self, case: Case) -> Outcome:
        """The channel binding of an exporter master secret."""
        algorithm = case["hash"]
        empty = hashlib.new(algorithm).digest()
        master = bytes.fromhex(case["exporter_master_secret"])
        secret = _expand_label(algorithm, master, self.exporter_label, empty, len(empty))
        return accept(binding=_expand_label(algorithm, secret, b"exporter", empty, 32).hex())

    def signatures(self, case: Case) -> Outcome:
        """Ed25519, valid or not."""
        public, message, signature = (bytes.fromhex(case[key]) for key in ("public", "message", "signature"))
        return accept() if self.is_valid(public, message, signature) else reject()

    def signing(self, case: Case) -> Outcome:
        """A message or an object, signed."""
        seed = bytes.fromhex(case["seed"])
        public = public_of(seed).hex()
        if "message" in case:
            return accept(public=public, signature=self.sign(seed, bytes.fromhex(case["message"])).hex())
        context, body = case["context"], self.encode(valued(case["body"]))
        preimage = self.preimage(context, body)
        named = {} if context == _COUNTERSIGN else {"hash": self.name(context, body).hex()}
        return accept(public=public, preimage=preimage.hex(), signature=self.sign(seed, preimage).hex(), **named)

    def nodeid(self, case: Case) -> Outcome:
        """A written node id: read, or written."""
        if "public" in case:
            return accept(text=self.write_id(bytes.fromhex(case["public"])))
        key = self.read_id(case["text"])
        return reject() if key is None else accept(public=key.hex())

    def write_id(self, key: bytes) -> str:
        """A node id as people write it (KEY-005)."""
        return bech32m.write(key)

    def read_id(self, text: str) -> bytes | None:
        """The node id that is written so; None where none is (KEY-006)."""
        return bech32m.read(text)

    def hello(self, case: Case) -> Outcome:
        """The handshake as one side sees it: checks a to j of SPEC.md, "Handshake"."""
        return self.judge_hello(
            *self.decode(bytes.fromhex(case["hello"])),
            verifier=case["verifier"],
            binding=bytes.fromhex(case["binding"]),
            own_key=bytes.fromhex(case["own_key"]),
            expected_peer=bytes.fromhex(case["expected_peer"]) if case["expected_peer"] else None,
            own_hello=bytes.fromhex(case["own_hello"] or ""),
            offer=case["own_offer"],
        )

    def judge_hello(
        self,
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
            peer = self.decode(body)
        except NotDeterministicError:
            return reject(code="ENCODING")
        if self.broken("hello-responder" if initiates else "hello-initiator", peer) is not None:
            return reject(code="HANDSHAKE_FAILED")
        version = self.version(peer, offer)
        code = self.refusal(
            Check("HSK-006", self.is_signed_by(peer[1], _HELLO, body, signature), "HANDSHAKE_FAILED"),
            Check("HSK-007", peer[0] == int(initiates) and peer[2] == binding, "HANDSHAKE_FAILED"),
            Check("HSK-008", peer[5] == sorted(set(peer[5])), "HANDSHAKE_FAILED"),
            Check("HSK-009", not initiates or expected_peer in (None, peer[1]), "WRONG_PEER"),
            Check("HSK-010", not initiates or peer[1] != own_key, "WRONG_PEER"),
            Check("HSK-011", initiates or (peer[1] != own_key and peer[6] == own_key), "WRONG_PEER"),
            Check("HSK-012", initiates or peer[7] == own_hello, "HANDSHAKE_FAILED"),
            Check("VER-002", version >= max(peer[3], offer["version_min"]), "VERSION_UNSUPPORTED"),
        )
        if code is not None:
            return reject(code=code)
        return accept(
            peer=peer[1].hex(),
            pinned=expected_peer is not None if initiates else peer[8],
            version=version,
            capabilities=self.capabilities(peer, offer),
        )

    def version(self, peer: Item, offer: dict[str, Any]) -> int:
        """The version that both sides use, if both can (VER-001)."""
        return int(min(peer[4], offer["version_max"]))

    def capabilities(self, peer: Item, offer: dict[str, Any]) -> list[int]:
        """The capabilities that both sides have (VER-003)."""
        return sorted(set(peer[5]) & set(offer["capabilities"]))


def _expand_label(algorithm: str, secret: bytes, label: bytes, context: bytes, size: int) -> bytes:
    """HKDF-Expand-Label of RFC 8446, section 7.1; one block of RFC 5869 is always enough here."""
    label = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes((len(label),)) + label + bytes((len(context),)) + context
    return hmac.new(secret, info + b"\x01", algorithm).digest()[:size]
