"""Arithmetic on edwards25519 (RFC 8032 section 5.1), slow and plain: it makes signatures that no library would make."""

from __future__ import annotations

import hashlib
from functools import cache

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)

Point = tuple[int, int]
IDENTITY: Point = (0, 1)


def add(left: Point, right: Point) -> Point:
    """The sum of two points in affine coordinates."""
    (x1, y1), (x2, y2) = left, right
    product = D * x1 * x2 * y1 * y2
    x3 = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P)
    y3 = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P)
    return x3 % P, y3 % P


@cache
def multiply(scalar: int, point: Point) -> Point:
    """``scalar`` times ``point``."""
    result = IDENTITY
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def recover_x(y: int, sign: int) -> int | None:
    """The x of the given sign for ``y``, or None where ``y`` is on no point."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_M1 % P
    if (x * x - square) % P:
        return None
    return P - x if x & 1 != sign else x


def compress(point: Point) -> bytes:
    """The 32-byte encoding of ``point``."""
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def _torsion() -> Point:
    """A point of order 8."""
    for y in range(2, 100):
        x = recover_x(y, 0)
        if x is not None:
            candidate = multiply(L, (x, y))
            if multiply(4, candidate) != IDENTITY:
                return candidate
    raise AssertionError("unreachable: one point in two has such a component")


_BASE_Y = 4 * pow(5, -1, P) % P
_BASE_X = recover_x(_BASE_Y, 0)
assert _BASE_X is not None
BASE: Point = (_BASE_X, _BASE_Y)
TORSION = _torsion()


def challenge(r: bytes, public: bytes, message: bytes) -> int:
    """The scalar h of RFC 8032 section 5.1.7."""
    return int.from_bytes(hashlib.sha512(r + public + message).digest(), "little") % L


def secret_scalar(seed: bytes) -> int:
    """The scalar of a private key (RFC 8032 section 5.1.5)."""
    number = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little")
    return (number & ((1 << 254) - 8)) | 1 << 254


def forge(seed: bytes, message: bytes, *, key_torsion: int, nonce_torsion: int, nonce: int) -> tuple[bytes, bytes]:
    """A public key and a signature whose A and R carry that many times the torsion point."""
    scalar = secret_scalar(seed)
    public = compress(add(multiply(scalar, BASE), multiply(key_torsion, TORSION)))
    r = compress(add(multiply(nonce, BASE), multiply(nonce_torsion, TORSION)))
    s = (nonce + challenge(r, public, message) * scalar) % L
    return public, r + s.to_bytes(32, "little")


def torsion_balance(public: bytes, signature: bytes, message: bytes, *, key_torsion: int, nonce_torsion: int) -> int:
    """What remains of the torsion in ``S B - R - h A``, modulo 8; zero where the cofactorless equation holds."""
    return (nonce_torsion + challenge(signature[:32], public, message) * key_torsion) % 8
