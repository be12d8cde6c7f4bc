"""Deterministic CBOR: SPEC.md section "Encoding".

One value has one encoding, and nothing else decodes: for every byte string ``b`` that `decode` accepts,
``encode(decode(b)) == b``. The profile has 64-bit integers, byte strings, text strings, arrays, maps with unsigned
keys, true, false and null. It has no floats, tags, undefined, indefinite lengths or bignums (RFC 8949 section 4.2).
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import TypeAlias

from .errors import ErrorCode, RemoteProtocolError

Value: TypeAlias = "int | bytes | str | bool | list[Value] | tuple[Value, ...] | dict[int, Value] | None"

MAX_DEPTH = 16
"""Containers within containers. The deepest item of this version uses four; recursion stays far below any stack."""

MAX_ITEMS = 65_536
"""Array elements and map entries in one item, all levels together: bounds memory to about 100 times the input."""

_OCTETS = tuple(bytes((octet,)) for octet in range(256))
_SIMPLE = {False: b"\xf4", True: b"\xf5", None: b"\xf6"}
_U16 = struct.Struct(">H").unpack_from
_U32 = struct.Struct(">I").unpack_from
_U64 = struct.Struct(">Q").unpack_from


class Reason(Enum):
    """Why bytes are not deterministic CBOR, with the requirement (registry: spec/registries/encoding-reasons.toml)."""

    TRUNCATED = ("truncated", "ENC-010")
    TRAILING_BYTES = ("trailing-bytes", "ENC-011")
    NOT_SHORTEST = ("not-shortest", "ENC-012")
    KEY_ORDER = ("key-order", "ENC-013")
    KEY_TYPE = ("key-type", "ENC-014")
    FORBIDDEN_TYPE = ("forbidden-type", "ENC-015")
    INDEFINITE = ("indefinite", "ENC-016")
    BAD_UTF8 = ("bad-utf8", "ENC-017")
    TOO_DEEP = ("too-deep", "ENC-018")
    TOO_MANY_ITEMS = ("too-many-items", "ENC-019")

    @property
    def slug(self) -> str:
        """The name that the vectors use."""
        return self.value[0]

    @property
    def requirement(self) -> str:
        """The id of the broken requirement in SPEC.md."""
        return self.value[1]


class EncodingError(RemoteProtocolError):
    """Received bytes that are not deterministic CBOR."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.slug, code=ErrorCode.ENCODING, requirement=reason.requirement)
        self.reason = reason


def decode(data: bytes) -> Value:
    """Decode exactly one item that fills ``data``. Raises `EncodingError`, and nothing else."""
    try:
        value, position, _ = _item(data, 0, MAX_DEPTH, MAX_ITEMS)
    except (IndexError, struct.error):
        raise EncodingError(Reason.TRUNCATED) from None
    except UnicodeDecodeError:
        raise EncodingError(Reason.BAD_UTF8) from None
    if position != len(data):
        raise EncodingError(Reason.TRAILING_BYTES)
    return value


def _item(data: bytes, position: int, depth: int, budget: int) -> tuple[Value, int, int]:
    """One item at ``position``: its value, the position after it, and the items that may still follow."""
    initial = data[position]
    position += 1
    if initial < 24:  # an unsigned integer in one byte: nothing else to look at
        return initial, position, budget
    major = initial >> 5
    if major == 7:
        return _simple(initial), position, budget
    argument = initial & 31
    if argument > 23:
        argument, position = _argument(data, argument, position)
    end = position + argument
    if 1 < major < 4:
        if end > len(data):
            raise EncodingError(Reason.TRUNCATED)
        octets = data[position:end]
        return (octets if major == 2 else octets.decode()), end, budget
    if major < 2:
        return (argument if major == 0 else -1 - argument), position, budget
    if major == 6:
        raise EncodingError(Reason.FORBIDDEN_TYPE)  # ENC-015: tags
    if depth == 0:
        raise EncodingError(Reason.TOO_DEEP)
    if argument > budget:
        raise EncodingError(Reason.TOO_MANY_ITEMS)
    if end > len(data):  # every element takes a byte or more: nothing is allocated for a lie
        raise EncodingError(Reason.TRUNCATED)
    read = _array if major == 4 else _map
    return read(data, position, argument, depth - 1, budget - argument)


def _argument(data: bytes, info: int, position: int) -> tuple[int, int]:
    """The argument that follows a head whose additional information is 24 or more (RFC 8949 section 3)."""
    if info == 24:
        if (argument := data[position]) < 24:
            raise EncodingError(Reason.NOT_SHORTEST)
        return argument, position + 1
    if info == 25:
        argument, size, least = _U16(data, position)[0], 2, 1 << 8
    elif info == 26:
        argument, size, least = _U32(data, position)[0], 4, 1 << 16
    elif info == 27:
        argument, size, least = _U64(data, position)[0], 8, 1 << 32
    else:
        raise EncodingError(Reason.INDEFINITE)
    if argument < least:
        raise EncodingError(Reason.NOT_SHORTEST)
    return argument, position + size


def _simple(initial: int) -> bool | None:
    if initial == 0xF4:
        return False
    if initial == 0xF5:
        return True
    if initial == 0xF6:
        return None
    raise EncodingError(Reason.FORBIDDEN_TYPE)  # ENC-015: floats, undefined, other simple values, break


def _array(data: bytes, position: int, count: int, depth: int, budget: int) -> tuple[Value, int, int]:
    items: list[Value] = []
    for _ in range(count):
        value, position, budget = _item(data, position, depth, budget)
        items.append(value)
    return items, position, budget


def _map(data: bytes, position: int, count: int, depth: int, budget: int) -> tuple[Value, int, int]:
    entries: dict[int, Value] = {}
    last = -1
    for _ in range(count):
        initial = data[position]
        if initial < 24:  # every registered key: no call
            key, position = initial, position + 1
        elif initial >> 5:
            raise EncodingError(Reason.KEY_TYPE)
        else:
            key, position = _argument(data, initial, position + 1)  # major type 0: the initial byte is the information
        if key <= last:
            raise EncodingError(Reason.KEY_ORDER)
        last = key
        entries[key], position, budget = _item(data, position, depth, budget)
    return entries, position, budget


def encode(value: Value) -> bytes:
    """Encode ``value``. Raises `TypeError` or `ValueError` for what the profile does not have."""
    parts: list[bytes] = []
    items = _encode(value, parts, MAX_DEPTH)
    if items > MAX_ITEMS:
        raise ValueError(f"{items} items; at most {MAX_ITEMS} fit one encoded item")
    return b"".join(parts)


def _encode(value: Value, parts: list[bytes], depth: int) -> int:
    """Append the encoding of ``value``; the number of array elements and map entries in it."""
    if isinstance(value, bytes):
        parts += (head(2, len(value)), value)
    elif isinstance(value, str):
        text = value.encode()
        parts += (head(3, len(text)), text)
    elif value is True or value is False or value is None:
        parts.append(_SIMPLE[value])
    elif isinstance(value, int):
        parts.append(head(0, value) if value >= 0 else head(1, -1 - value))
    elif depth == 0:
        raise ValueError("nested too deep, or not a value")
    elif isinstance(value, dict):
        return _encode_map(value, parts, depth - 1)
    elif isinstance(value, list | tuple):
        parts.append(head(4, len(value)))
        return len(value) + sum([_encode(element, parts, depth - 1) for element in value])
    else:
        raise TypeError(f"{type(value).__name__} has no encoding")
    return 0


def _encode_map(value: dict[int, Value], parts: list[bytes], depth: int) -> int:
    parts.append(head(5, len(value)))
    items = len(value)
    for key in sorted(value):
        if type(key) is not int or key < 0:
            raise TypeError("a map key is an unsigned integer")
        parts.append(_OCTETS[key] if key < 24 else head(0, key))
        items += _encode(value[key], parts, depth)
    return items


def head(major: int, argument: int) -> bytes:
    """The head of an item: ``major`` type 0 to 7 and an unsigned 64-bit ``argument``, shortest form."""
    major <<= 5
    if argument < 24:
        return _OCTETS[major | argument]
    if argument < 1 << 8:
        return bytes((major | 24, argument))
    if argument < 1 << 16:
        return struct.pack(">BH", major | 25, argument)
    if argument < 1 << 32:
        return struct.pack(">BI", major | 26, argument)
    if argument < 1 << 64:
        return struct.pack(">BQ", major | 27, argument)
    raise ValueError("an integer has 64 bits at most")
