"""What every family rests on: encoding, shapes, signatures, names.

A mutant overrides one method of this or of a family. The checks of a family carry the requirement that they enforce,
so that a mutant can leave one of them out by its id.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from conformance import dcbor, ed25519, framing, shapes
from conformance.dcbor import Item


class Check(NamedTuple):
    """Something that has to hold: the requirement that says so, whether it does, and the code where it does not."""

    requirement: str
    holds: bool
    code: str


class Rules:
    """The rules that several families share."""

    def enforces(self, requirement: str) -> bool:
        """Whether checks of this requirement (``HSK-007``) are made at all: here, of every one."""
        return True

    def refusal(self, *checks: Check) -> str | None:
        """The code of the first check that fails; None where all hold."""
        failed = (check.code for check in checks if not check.holds and self.enforces(check.requirement))
        return next(failed, None)

    def decode(self, data: bytes) -> Item:
        """The value of one item. Raises `NotDeterministicError`."""
        return dcbor.decode(data)

    def encode(self, value: Item) -> bytes:
        """The encoding of ``value``. Raises `NotDeterministicError` for what no item may hold (ENC-004)."""
        data = dcbor.encode(value)
        dcbor.scan(data)
        return data

    def read_frames(self, data: bytes) -> tuple[list[tuple[int, bytes]], int]:
        """All whole frames of a stream, type and body, and the number of bytes left. Raises `FrameError`."""
        return framing.read_frames(data)

    def write_frame(self, kind: int, body: bytes) -> bytes:
        """One frame."""
        return framing.write_frame(kind, body)

    def broken(self, rule: str, value: Item) -> str | None:
        """What is wrong with ``value`` as the CDDL rule; None if nothing is."""
        return shapes.broken(rule, value)

    def is_signed(self, value: Item) -> bool:
        """Whether ``value`` has the form of a signed object (SIG-001)."""
        return shapes.is_signed(value)

    def is_valid(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Whether a signature is valid (KEY-002)."""
        return ed25519.is_valid(public, message, signature)

    def sign(self, seed: bytes, message: bytes) -> bytes:
        """The signature of ``message`` (KEY-001)."""
        return Ed25519PrivateKey.from_private_bytes(seed).sign(message)

    def preimage(self, context: str, *encoded: bytes) -> bytes:
        """What is signed or hashed: the array of a context and of items that are encoded already (SIG-002)."""
        return bytes((0x81 + len(encoded),)) + dcbor.encode(context) + b"".join(encoded)

    def name(self, context: str, *encoded: bytes) -> bytes:
        """SHA-256 of the pre-image (SIG-003)."""
        return hashlib.sha256(self.preimage(context, *encoded)).digest()

    def is_signed_by(self, public: bytes, context: str, body: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is that of a body in its context."""
        return self.is_valid(public, self.preimage(context, body), signature)
