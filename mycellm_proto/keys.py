"""Ed25519 as this protocol uses it: SPEC.md section "Signatures".

Verification follows RFC 8032 section 5.1.7 without the cofactor, with S below the group order, A and R canonical, and
neither of small order. libsodium has that rule; `self_test` proves it on points of mixed order before a key is used.
"""

from __future__ import annotations

from functools import cache

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import CryptoError

from .errors import ErrorCode, RemoteProtocolError

KEY_SIZE = 32
SIGNATURE_SIZE = 64


class SigningKey:
    """An Ed25519 private key. ``seed`` is 32 random bytes (RFC 8032 section 5.1.5)."""

    __slots__ = ("_key", "public")

    def __init__(self, seed: bytes) -> None:
        self_test()
        if len(seed) != KEY_SIZE:
            raise ValueError(f"a seed has {KEY_SIZE} bytes, not {len(seed)}")
        self.public, self._key = crypto_sign_seed_keypair(seed)

    def sign(self, preimage: bytes) -> bytes:
        """The 64-byte signature of ``preimage``, the same at every call."""
        return crypto_sign(preimage, self._key)[:SIGNATURE_SIZE]


def is_valid(public: bytes, signature: bytes, preimage: bytes) -> bool:
    """Whether ``signature`` over ``preimage`` is valid under ``public`` by the rule of KEY-002."""
    if len(public) != KEY_SIZE or len(signature) != SIGNATURE_SIZE:
        return False
    try:
        crypto_sign_open(signature + preimage, public)
    except CryptoError:
        return False
    return True


def verify(public: bytes, signature: bytes, preimage: bytes, *, code: ErrorCode, requirement: str) -> None:
    """Raises `RemoteProtocolError` with ``code`` unless `is_valid`."""
    self_test()
    if not is_valid(public, signature, preimage):
        raise RemoteProtocolError("signature is not valid", code=code, requirement=requirement)


# Message, public key, signature, verdict. In the first four, A or R or both have a component of order 8: the rule with
# the cofactor accepts all four, the rule of KEY-002 only those whose components cancel. The fifth has A of order 1.
_SELF_TEST = (
    (
        b"mycellm/self-test/4",
        "b502ff3d92e31d8190b4aa4ea0414005167fad089c4de9dac8a2fc850fed4f58",
        "df48e90d71fe52148024b53d67caab0cbb5091b92ef81556a8cdead2269d9842"
        "993ff43bc643208c844a4b62e4e64cfe15ec4dcc06f835ab8b671751b9f0920b",
        True,
    ),
    (
        b"mycellm/self-test/0",
        "b502ff3d92e31d8190b4aa4ea0414005167fad089c4de9dac8a2fc850fed4f58",
        "62244e218f4deae680de9a6832ab808cbda6da6451c5caae6be7eca4d466b5d9"
        "bf17712c5a7a77365d4e043027bfbda4a1303d4249f74eddb7283c6dfd2ec20b",
        False,
    ),
    (
        b"mycellm/self-test/1",
        "b502ff3d92e31d8190b4aa4ea0414005167fad089c4de9dac8a2fc850fed4f58",
        "e53193c2580a5dd8f7ff537d8d2b58b43125d2ebbfc4393652eb26f4375603df"
        "106db61ac07e1b2c3206f577a1d44053524f002d9c194b39c9c955b09574af01",
        True,
    ),
    (
        b"mycellm/self-test/0",
        "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8",
        "5218bec9ac0aeea7b1c34491b415b50d6dd4344d044058f7176e9d3b44d9071f"
        "612bc8c5f034ed1c19c62a48e1c1339c9b890aaf20e0401c3ed8cd4768ddb608",
        False,
    ),
    (b"mycellm/self-test/0", "01" + "00" * 31, "01" + "00" * 63, False),
)


class VerifierDriftError(RuntimeError):
    """The installed library verifies by another rule than KEY-002: two honest nodes could disagree on a receipt."""


@cache
def self_test() -> None:
    """KEY-004: refuse to run on a verifier whose rule has drifted. Raises `VerifierDriftError`."""
    for message, public, signature, verdict in _SELF_TEST:
        if is_valid(bytes.fromhex(public), bytes.fromhex(signature), message) is not verdict:
            raise VerifierDriftError("this Ed25519 library does not verify by the rule of SPEC.md, KEY-002")
