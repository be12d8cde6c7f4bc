"""Written node ids: SPEC.md, "Identity" (BIP-350). Reading is writing again and comparing."""

from __future__ import annotations

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_PREFIX = "myc"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def write(key: bytes) -> str:
    """The written form of the 32 bytes of a node id."""
    bits = "".join(f"{byte:08b}" for byte in key) + "0000"
    values = [int(bits[i : i + 5], 2) for i in range(0, 260, 5)]
    return f"{_PREFIX}1" + "".join(_ALPHABET[value] for value in values + _checksum(values))


def read(text: str) -> bytes | None:
    """The 32 bytes of a written node id; None for any other text."""
    body = text[len(_PREFIX) + 1 :]
    if len(body) != 58 or any(c not in _ALPHABET for c in body):
        return None
    number = int("".join(f"{_ALPHABET.index(c):05b}" for c in body[:52]), 2)
    key = (number >> 4).to_bytes(32, "big")
    return key if write(key) == text else None


def _checksum(values: list[int]) -> list[int]:
    expanded = [ord(c) >> 5 for c in _PREFIX] + [0] + [ord(c) & 31 for c in _PREFIX]
    state = 1
    for value in [*expanded, *values, 0, 0, 0, 0, 0, 0]:
        top, state = state >> 25, (state & 0x1FFFFFF) << 5 ^ value
        for i, generator in enumerate(_GENERATORS):
            state ^= generator * (top >> i & 1)
    state ^= 0x2BC830A3
    return [state >> shift & 31 for shift in (25, 20, 15, 10, 5, 0)]
