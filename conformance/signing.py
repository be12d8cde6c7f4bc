"""Pre-images, names and signatures: SPEC.md, "Signatures"."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from . import dcbor, ed25519
from .dcbor import Item

HELLO = "mycellm/hello/v1"
QUOTE = "mycellm/quote/v1"
OPEN = "mycellm/open/v1"
CLOSE = "mycellm/close/v1"
COUNTERSIGN = "mycellm/countersign/v1"
REQUEST = "mycellm/request/v1"
RESPONSE = "mycellm/response/v1"
TICK = "mycellm/tick/v1"
NETWORK = "mycellm/network/v1"
DESCRIPTOR = "mycellm/descriptor/v1"
MEMBERSHIP = "mycellm/membership/v1"
CERTIFICATE = "mycellm/node-certificate/v1"
ROLL = "mycellm/roll/v1"
INVITE = "mycellm/invite/v1"
EPOCH = "mycellm/account-epoch/v1"
RECORD = "mycellm/record/v1"
BLIND = "mycellm/blind/v1"


def preimage(context: str, *encoded: bytes) -> bytes:
    """What is signed or hashed: the array of a context and of items that are encoded already."""
    return bytes((0x81 + len(encoded),)) + dcbor.encode(context) + b"".join(encoded)


def name(context: str, *encoded: bytes) -> bytes:
    """SHA-256 of the pre-image."""
    return hashlib.sha256(preimage(context, *encoded)).digest()


def is_signed_by(public: bytes, context: str, body: bytes, signature: bytes) -> bool:
    """Whether ``signature`` over ``body``, encoded already, is valid under ``public`` in ``context`` (KEY-002)."""
    return ed25519.is_valid(public, preimage(context, body), signature)


DIRECT = name(NETWORK, dcbor.encode({0: "direct"}))
"""Id of the direct network."""


def rooted(root: bytes) -> bytes:
    """Id of the network of a root key."""
    return name(NETWORK, dcbor.encode({0: "rooted", 1: root}))


def blind(network: bytes, binding: bytes, caller: bytes) -> bytes:
    """What ``caller`` names ``network`` by in PROVE and FIND, on the connection with this binding."""
    return name(BLIND, *map(dcbor.encode, (binding, caller, network)))


class Key:
    """A node key: 32 bytes of seed, and what they sign."""

    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._private.public_key().public_bytes_raw()

    def sign(self, context: str, body: bytes) -> bytes:
        """The signature of ``body``, encoded already, in ``context``."""
        return self._private.sign(preimage(context, body))

    def signed(self, context: str, body: Item) -> list[bytes]:
        """The signed object of ``body``."""
        encoded = dcbor.encode(body)
        return [encoded, self.sign(context, encoded)]
