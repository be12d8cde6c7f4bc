"""Signed objects: SPEC.md section "Signatures".

A signed object is the array of a body, as the bytes that were signed, and a signature. `preimage` is the one place
that builds what is signed: the deterministic CBOR of ``[context, body]``. The received bytes are spliced in, never
encoded again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from . import codec
from .errors import ErrorCode, RemoteProtocolError
from .keys import SIGNATURE_SIZE, SigningKey, verify

HASH_SIZE = 32


class Context(StrEnum):
    """Registered labels of signatures and hashes (registry: spec/registries/contexts.toml)."""

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
    NODE_CERTIFICATE = "mycellm/node-certificate/v1"
    ROLL = "mycellm/roll/v1"
    ACCOUNT_EPOCH = "mycellm/account-epoch/v1"
    INVITE = "mycellm/invite/v1"
    BLIND = "mycellm/blind/v1"
    RECORD = "mycellm/record/v1"


_LABELS = {context: codec.encode(context.value) for context in Context}


def preimage(context: Context, *encoded: bytes) -> bytes:
    """The deterministic CBOR of an array: the label of ``context``, then items that are ``encoded`` already."""
    return b"".join((codec.head(4, 1 + len(encoded)), _LABELS[context], *encoded))


def digest(context: Context, *encoded: bytes) -> bytes:
    """SHA-256 of `preimage`: the hash that names an object, whatever its signature."""
    return hashlib.sha256(preimage(context, *encoded)).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A body, as the bytes that were signed, and its signature (64 bytes)."""

    body: bytes
    signature: bytes

    @classmethod
    def make(cls, key: SigningKey, context: Context, body: codec.Value) -> Signed:
        """Encode and sign ``body``."""
        return cls.make_over(key, context, codec.encode(body))

    @classmethod
    def make_over(cls, key: SigningKey, context: Context, body: bytes) -> Signed:
        """Sign a ``body`` that is encoded already."""
        return cls(body=body, signature=key.sign(preimage(context, body)))

    @classmethod
    def from_value(cls, value: codec.Value) -> Signed:
        """Take apart the decoded array. Raises `RemoteProtocolError` (SIG-001) for any other shape."""
        match value:
            case [bytes(body), bytes(signature)] if len(signature) == SIGNATURE_SIZE:
                return cls(body=body, signature=signature)
        raise RemoteProtocolError("not a signed object", code=ErrorCode.ENCODING, requirement="SIG-001")

    def to_value(self) -> codec.Value:
        """The array that travels."""
        return [self.body, self.signature]

    def verify(self, public: bytes, context: Context, *, code: ErrorCode, requirement: str) -> None:
        """Raises `RemoteProtocolError` unless ``public`` signed these bytes in this context."""
        verify(public, self.signature, preimage(context, self.body), code=code, requirement=requirement)

    def digest(self, context: Context) -> bytes:
        """The hash that names this object (32 bytes)."""
        return digest(context, self.body)
