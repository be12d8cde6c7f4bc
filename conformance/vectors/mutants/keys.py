"""Mutants of SPEC.md, "Transport", "Signatures", "Identity", "Handshake" and "Versioning and extension"."""

from __future__ import annotations

import hashlib
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from conformance.dcbor import Item
from conformance.vectors.implementation import Implementation
from conformance.vectors.outcome import Case, Outcome

from .cofactor import Cofactored
from .mutant import Careless, Without, mutant

_ORDER = 2**252 + 27742317777372353535851937790883648493


class _OneHash(Implementation):
    """Derives the channel binding with SHA-256, whatever the cipher suite."""

    def exporter(self, case: Case) -> Outcome:
        """The binding that another cipher suite would have."""
        return super().exporter({**case, "hash": "sha256"})


class _PrehashesLongMessages(Implementation):
    """Signs the hash of what is longer than a block of it, as other schemes do."""

    def sign(self, seed: bytes, message: bytes) -> bytes:
        """A signature that RFC 8032 section 5.1.6 does not make."""
        return super().sign(seed, hashlib.sha512(message).digest() if len(message) > 64 else message)


class _OpenSsl(Implementation):
    """Verifies as OpenSSL does: any encoding, any order of the points."""

    def is_valid(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the equation holds."""
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class _LooksForSmallBytes(_OpenSsl):
    """Looks for points of small order by their bytes, of which they have several kinds."""

    def is_valid(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the equation holds, or the rule for a key whose bytes are those of a list."""
        if int.from_bytes(public, "little") & ((1 << 255) - 1) < 2**255 - 19:
            return Implementation().is_valid(public, message, signature)
        return super().is_valid(public, message, signature)


class _ReducesTheScalar(Implementation):
    """Takes S modulo the order of the group, so that every signature has a second form."""

    def is_valid(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the signature is valid in its other form."""
        scalar = int.from_bytes(signature[32:], "little") % _ORDER
        return super().is_valid(public, message, signature[:32] + scalar.to_bytes(32, "little"))


class _OnlyTheFirst64(Implementation):
    """Reads a signature from a longer string."""

    def is_valid(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the string begins with a valid signature."""
        return super().is_valid(public, message, signature[:64])


class _BareBody(Implementation):
    """Signs and hashes context and body, one after the other, and not as an array."""

    def preimage(self, context: str, *encoded: bytes) -> bytes:
        """A pre-image without the head of the array."""
        return super().preimage(context, *encoded)[1:]


class _NamesTheBody(Implementation):
    """Names an object by the hash of its body alone."""

    def name(self, context: str, *encoded: bytes) -> bytes:
        """A name that leaves the context out, where there is nothing but a body."""
        return hashlib.sha256(encoded[0]).digest() if len(encoded) == 1 else super().name(context, *encoded)


class _WritesInUpperCase(Implementation):
    """Writes node ids as QR codes like them."""

    def write_id(self, key: bytes) -> str:
        """The id in upper case."""
        return super().write_id(key).upper()


class _ReadsAnyCase(Implementation):
    """Reads node ids in whatever case, and between blanks."""

    def read_id(self, text: str) -> bytes | None:
        """The id in a text that was tidied up."""
        return super().read_id(text.strip().lower())


class _ChecksNoSum(Implementation):
    """Reads node ids without looking at what protects them."""

    def read_id(self, text: str) -> bytes | None:
        """The id in the first 52 characters, where they are of the alphabet."""
        body = text.removeprefix("myc1")
        if len(body) != 58 or text == body:
            return None
        digits = ["qpzry9x8gf2tvdw0s3jn54khce6mua7l".find(character) for character in body[:52]]
        if min(digits) < 0:
            return None
        number = int("".join(f"{digit:05b}" for digit in digits), 2)
        return (number >> 4).to_bytes(32, "big")


class _OwnVersion(Implementation):
    """Uses the newest version that it knows, whatever the peer does."""

    def version(self, peer: Item, offer: dict[str, Any]) -> int:
        """The version of one side."""
        return int(offer["version_max"])


class _AllCapabilities(Implementation):
    """Uses what either side offers."""

    def capabilities(self, peer: Item, offer: dict[str, Any]) -> list[int]:
        """The capabilities of both sides together."""
        return sorted({*peer[5], *offer["capabilities"]})


class _OwnCapabilities(Implementation):
    """Uses what it offers itself."""

    def capabilities(self, peer: Item, offer: dict[str, Any]) -> list[int]:
        """The capabilities of one side."""
        return list(offer["capabilities"])


MUTANTS = (
    mutant(
        "binds-with-one-hash",
        "HSK-001~1",
        "exporter: sha384-zero sha384-ones sha384-counting sha384-random",
        _OneHash(),
    ),
    mutant(
        "prehashes-long-messages",
        "KEY-001~1",
        "signing: hello-of-the-responder quote open close countersignature",
        _PrehashesLongMessages(),
    ),
    mutant("verifies-with-the-cofactor", "KEY-002~1", "signatures: reject-mixed-order-key", Cofactored()),
    mutant(
        "verifies-as-openssl", "KEY-002~1", "signatures: reject-all-identity reject-key-of-small-order-1", _OpenSsl()
    ),
    mutant(
        "looks-for-small-bytes",
        "KEY-002~1",
        "signatures: reject-key-small-and-not-canonical",
        _LooksForSmallBytes(),
    ),
    mutant("reduces-the-scalar", "KEY-002~1", "signatures: reject-scalar-plus-order", _ReducesTheScalar()),
    mutant("cuts-long-signatures", "KEY-002~1", "signatures: reject-signature-of-65-bytes", _OnlyTheFirst64()),
    mutant(
        "signs-no-array", "SIG-002~1", "signing: hello-of-the-responder quote open close countersignature", _BareBody()
    ),
    mutant("names-the-body", "SIG-003~1", "signing: hello-of-the-initiator quote open close", _NamesTheBody()),
    mutant("writes-ids-in-upper-case", "KEY-005~1", "nodeid: write-alice write-bob write-ones", _WritesInUpperCase()),
    mutant(
        "tidies-ids-up",
        "KEY-006~1",
        "nodeid: reject-upper-case reject-mixed-case reject-space-before reject-newline-after",
        _ReadsAnyCase(),
    ),
    mutant(
        "checks-no-sum",
        "KEY-006~1",
        "nodeid: reject-one-character-changed reject-two-characters-swapped reject-bech32-checksum"
        " reject-padding-not-zero",
        _ChecksNoSum(),
    ),
    mutant(
        "takes-hellos-of-any-shape",
        "HSK-005~1",
        "hello: reject-responder-with-65-capabilities reject-responder-version-65536 reject-responder-role-true"
        " reject-responder-capability-text",
        Careless("hello-responder"),
    ),
    mutant(
        "takes-a-number-for-pinned",
        "HSK-005~1",
        "hello: reject-initiator-pinned-number",
        Careless("hello-initiator", 8),
    ),
    mutant(
        "verifies-no-hello",
        "HSK-006~1",
        "hello: reject-responder-signed-by-another reject-initiator-signed-by-another"
        " reject-initiator-flipped-signature reject-responder-wrong-context",
        Without("HSK-006"),
    ),
    mutant(
        "takes-hellos-of-other-connections",
        "HSK-007~1",
        "hello: reject-responder-other-binding reject-initiator-other-binding"
        " reject-initiator-relayed-from-another-connection reject-responder-claims-initiator",
        Without("HSK-007"),
    ),
    mutant(
        "takes-capabilities-in-any-order",
        "HSK-008~1",
        "hello: reject-responder-capabilities-descending reject-responder-capability-twice",
        Without("HSK-008"),
    ),
    mutant("does-not-know-whom-it-dialed", "HSK-009~1", "hello: reject-responder-other-node", Without("HSK-009")),
    mutant("talks-to-itself", "HSK-010~1", "hello: reject-responder-is-itself", Without("HSK-010")),
    mutant(
        "takes-hellos-for-others",
        "HSK-011~1",
        "hello: reject-initiator-for-another-node reject-initiator-is-responder-itself",
        Without("HSK-011"),
    ),
    mutant(
        "does-not-look-at-what-was-answered",
        "HSK-012~1",
        "hello: reject-initiator-saw-another-hello",
        Without("HSK-012"),
    ),
    mutant(
        "uses-its-own-version",
        "VER-001~1",
        "hello: accept-responder-newest-of-two-ranges",
        _OwnVersion(),
    ),
    mutant(
        "takes-any-version",
        "VER-002~1",
        "hello: reject-responder-of-newer-versions-only reject-responder-of-older-versions-only"
        " reject-responder-empty-version-range",
        Without("VER-002"),
    ),
    mutant(
        "uses-all-capabilities",
        "VER-003~1",
        "hello: accept-responder-without-capabilities accept-responder-with-reserved-capability",
        _AllCapabilities(),
    ),
    mutant(
        "uses-its-own-capabilities",
        "VER-003~1",
        "hello: accept-responder-without-capabilities accept-initiator-shared-capabilities",
        _OwnCapabilities(),
    ),
)
