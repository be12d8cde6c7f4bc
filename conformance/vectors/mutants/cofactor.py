"""Verification with the cofactor, as batches do it: RFC 8032 section 5.1.7 before its last sentence."""

from __future__ import annotations

import hashlib
from typing import TypeAlias

from conformance.vectors.implementation import Implementation

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P

_Point: TypeAlias = tuple[int, int, int, int]
"""Extended coordinates X, Y, Z, T, with x = X/Z, y = Y/Z, x y = T/Z (RFC 8032 section 5.1.4)."""


def _add(left: _Point, right: _Point) -> _Point:
    (x1, y1, z1, t1), (x2, y2, z2, t2) = left, right
    a, b = (y1 - x1) * (y2 - x2), (y1 + x1) * (y2 + x2)
    c, d = 2 * _D * t1 * t2, 2 * z1 * z2
    e, f, g, h = (b - a) % _P, (d - c) % _P, (d + c) % _P, (b + a) % _P
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(scalar: int, point: _Point) -> _Point:
    product: _Point = (0, 1, 1, 0)
    for digit in f"{scalar:b}":
        product = _add(product, product)
        product = _add(product, point) if digit == "1" else product
    return product


def _decoded(data: bytes) -> _Point:
    """The point of an encoding that is canonical. Raises `ValueError` where there is none."""
    number = int.from_bytes(data, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if (x * x - square) % _P:
        raise ValueError("no point")
    x = x if x & 1 == sign else _P - x
    return x, y, 1, x * y % _P


_BASE = _decoded(bytes((0x58,)) + bytes((0x66,)) * 31)


class Cofactored(Implementation):
    """Multiplies both sides of the equation with 8, so that components of small order do not matter."""

    def is_valid(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the equation holds, or holds eightfold for what is otherwise a signature."""
        if super().is_valid(public, message, signature):
            return True
        scalar = int.from_bytes(signature[32:], "little")
        if (len(public), len(signature)) != (32, 64) or scalar >= _ORDER:
            return False
        try:
            key, nonce = _decoded(public), _decoded(signature[:32])
        except ValueError:
            return False
        hashed = hashlib.sha512(signature[:32] + public + message).digest()
        challenge = int.from_bytes(hashed, "little") % _ORDER
        x1, y1, z1, _ = _times(8 * scalar, _BASE)
        x2, y2, z2, _ = _times(8, _add(nonce, _times(challenge, key)))
        return (x1 * z2 - x2 * z1) % _P == 0 == (y1 * z2 - y2 * z1) % _P
