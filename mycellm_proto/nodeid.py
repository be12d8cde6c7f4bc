"""Node ids for people: SPEC.md section "Identity".

A node id is the node's Ed25519 public key of 32 bytes. People read and type it in bech32m (BIP-350) under the
human-readable part ``myc``: 62 characters whose checksum finds every typing error of up to four characters. Reading
is strict, so that one node has one written form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .keys import KEY_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable

HUMAN_READABLE_PART = "myc"
MAX_BECH32M_LENGTH = 90
"""BIP-173: the checksum's guarantee holds up to this length in characters."""

_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_CHECKSUM_SIZE = 6
_BECH32M = 0x2BC830A3
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def _polymod(values: Iterable[int]) -> int:
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATOR):
            if top >> bit & 1:
                checksum ^= generator
    return checksum


def _expand(human: str) -> list[int]:
    return [ord(c) >> 5 for c in human] + [0] + [ord(c) & 31 for c in human]


def encode_bech32m(human: str, values: Iterable[int]) -> str:
    """The bech32m string of 5-bit ``values`` under the lower-case human-readable part ``human``."""
    data = list(values)
    remainder = _polymod(_expand(human) + data + [0] * _CHECKSUM_SIZE) ^ _BECH32M
    checksum = [remainder >> 5 * (5 - i) & 31 for i in range(_CHECKSUM_SIZE)]
    return human + "1" + "".join(_CHARSET[value] for value in data + checksum)


def decode_bech32m(text: str) -> tuple[str, list[int]]:
    """The human-readable part and the 5-bit values of ``text``. Raises `ValueError` with what is wrong."""
    if len(text) > MAX_BECH32M_LENGTH:
        raise ValueError(f"it has {len(text)} characters, at most {MAX_BECH32M_LENGTH} are possible")
    if any(not 33 <= ord(c) <= 126 for c in text):
        raise ValueError("it holds a character that no id has")
    if text.lower() != text and text.upper() != text:
        raise ValueError("it mixes upper and lower case")
    human, separator, body = text.lower().rpartition("1")
    if not separator or not human or len(body) < _CHECKSUM_SIZE:
        raise ValueError("it is too short, or the 1 after its prefix is missing")
    if wrong := [c for c in body if c not in _CHARSET]:
        raise ValueError(f"no id holds the character {wrong[0]!r} after its prefix")
    values = [_CHARSET.index(c) for c in body]
    if _polymod(_expand(human) + values) != _BECH32M:
        raise ValueError("its checksum is wrong, so a character is wrong or missing")
    return human, values[:-_CHECKSUM_SIZE]


def _regroup(values: Iterable[int], width: int, new_width: int) -> tuple[list[int], int, int]:
    """Whole groups of ``new_width`` bits, then the bits left over and how many they are."""
    accumulator, bits = 0, 0
    groups = []
    for value in values:
        accumulator, bits = accumulator << width | value, bits + width
        while bits >= new_width:
            bits -= new_width
            groups.append(accumulator >> bits)
            accumulator &= (1 << bits) - 1
    return groups, accumulator, bits


def encode_key(human: str, key: bytes) -> str:
    """32 bytes in bech32m under ``human``."""
    if len(key) != KEY_SIZE:
        raise ValueError(f"a key has {KEY_SIZE} bytes, this one has {len(key)}")
    groups, rest, bits = _regroup(key, 8, 5)
    return encode_bech32m(human, [*groups, rest << (5 - bits)])


def decode_key(human: str, text: str) -> bytes:
    """The 32 bytes of ``text``, in lower case and under ``human`` only. Raises `ValueError` with what is wrong."""
    if text != text.lower():
        raise ValueError("it is not in lower case")
    found, values = decode_bech32m(text)
    if found != human:
        raise ValueError(f"it begins with {found}1 and not with {human}1")
    groups, rest, bits = _regroup(values, 5, 8)
    if len(groups) != KEY_SIZE or bits >= 5:
        raise ValueError(f"it does not hold exactly {KEY_SIZE} bytes")
    if rest:
        raise ValueError("its last character has bits that must be zero")
    return bytes(groups)


def encode_node_id(public: bytes) -> str:
    """The written form of a node id of 32 bytes."""
    return encode_key(HUMAN_READABLE_PART, public)


def decode_node_id(text: str) -> bytes:
    """The 32 bytes of a written node id. Raises `ValueError` with a sentence for people."""
    try:
        return decode_key(HUMAN_READABLE_PART, text)
    except ValueError as error:
        raise ValueError(f"{text[:MAX_BECH32M_LENGTH]!r} is not a node id: {error}") from None
