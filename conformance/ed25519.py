"""Ed25519 by the rule of SPEC.md, "Signatures": OpenSSL's equation behind the checks that OpenSSL does not make.

mycellm_proto has its rule from libsodium, so that two libraries stand behind every verdict on which both agree.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_EIGHTH = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
"""The y of two of the four points of order 8; the others have its negative."""
_SMALL_Y = frozenset({0, 1, _P - 1, _EIGHTH, _P - _EIGHTH})
"""The y of every point whose order divides 8."""


def is_valid(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the four points of *Verification* hold."""
    if len(public) != 32 or len(signature) != 64:
        return False
    if not (_is_sound(public) and _is_sound(signature[:32])):
        return False
    if int.from_bytes(signature[32:], "little") >= _ORDER:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _is_sound(point: bytes) -> bool:
    """Whether the encoding is canonical and not of a small point; whether it is of a point at all comes later."""
    y = int.from_bytes(point, "little") & ((1 << 255) - 1)
    return y < _P and y not in _SMALL_Y
