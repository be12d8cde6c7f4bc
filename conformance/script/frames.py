"""Bytes that break a rule of encoding or shape: what each `Fault` of an item makes of an honest encoding.

Every damage is done to an encoding whose outermost head has one byte: that of any map or array of this protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from conformance import dcbor, framing
from conformance.data import registry
from conformance.entropy import RESERVED, Entropy

from .faults import Fault

Damage: TypeAlias = Callable[[bytes, int], bytes]
"""From an honest encoding, and the bytes that its place has room for, to what is sent instead."""

MAP, ARRAY = 5, 4
_NULL = b"\xf6"
_KEY = dcbor.encode(RESERVED[-1])
"""A key that every reader of an unsigned map ignores, and above all others."""


def with_extra(encoded: bytes, value: bytes, key: bytes = _KEY) -> bytes:
    """One entry more, or one element."""
    extra = key + value if encoded[0] >> 5 == MAP else value
    return bytes((encoded[0] + 1,)) + encoded[1:] + extra


def _key_order(encoded: bytes, _: int) -> bytes:
    """The first entry comes a second time, behind all others: a careless reader sees nothing new."""
    if encoded[0] >> 5 == ARRAY:
        return with_extra(encoded, b"\xa2\x00\xf6\x00\xf6")
    key, value = next(iter(dcbor.decode(encoded).items()))
    return with_extra(encoded, dcbor.encode(value), dcbor.encode(key))


def _key_type(encoded: bytes, _: int) -> bytes:
    return with_extra(encoded, b"\xa1\x20\xf6" if encoded[0] >> 5 == ARRAY else _NULL, b"\x20")


def _too_many(encoded: bytes, room: int) -> bytes:
    """As many elements as an item may have, beside what is there already; where there is no room, their count alone."""
    count = dcbor.MAX_ITEMS
    whole = with_extra(encoded, b"\x9a" + count.to_bytes(4, "big") + _NULL * count)
    return whole if len(whole) <= room else with_extra(encoded, b"\x9a" + count.to_bytes(4, "big"))


ITEMS: Mapping[Fault, Damage] = {
    Fault.ITEM_TRUNCATED: lambda encoded, _: encoded[:-1],
    Fault.ITEM_TRAILING_BYTES: lambda encoded, _: encoded + _NULL,
    Fault.ITEM_NOT_SHORTEST: lambda encoded, _: bytes((encoded[0] & 0xE0 | 24, encoded[0] & 31)) + encoded[1:],
    Fault.ITEM_KEY_ORDER: _key_order,
    Fault.ITEM_KEY_TYPE: _key_type,
    Fault.ITEM_FORBIDDEN_TYPE: lambda encoded, _: with_extra(encoded, b"\xf9\x7e\x00"),
    Fault.ITEM_INDEFINITE: lambda encoded, _: bytes((encoded[0] | 31,)) + encoded[1:] + b"\xff",
    Fault.ITEM_BAD_UTF8: lambda encoded, _: with_extra(encoded, b"\x62\xc3\x28"),
    Fault.ITEM_TOO_DEEP: lambda encoded, _: with_extra(encoded, b"\x81" * dcbor.MAX_DEPTH + _NULL),
    Fault.ITEM_TOO_MANY_ITEMS: _too_many,
}
"""One for each registered reason (`REASONS`), and nothing else is wrong with the item."""

REASONS: Mapping[Fault, str] = {
    Fault[f"ITEM_{each['name'].replace('-', '_').upper()}"]: each["name"] for each in registry("encoding-reasons")
}
"""The registered reason of each."""

SHAPES: Mapping[Fault, Damage] = {
    Fault.SHAPE_NO_MAP: lambda _encoded, _room: _NULL,
    Fault.SHAPE_MISSING_KEY: lambda encoded, _: _without_last(encoded),
    Fault.SHAPE_OTHER_TYPE: lambda encoded, _: dcbor.encode(dcbor.decode(encoded) | {0: False}),
    Fault.SHAPE_UNKNOWN_EVEN_KEY: lambda encoded, _: with_extra(encoded, _NULL, dcbor.encode(RESERVED[-1] + 1)),
    Fault.SHAPE_UNKNOWN_ODD_KEY: lambda encoded, _: with_extra(encoded, _NULL),
}
"""Items that are not what a map's rule says; an unknown odd key is wrong in a signed map alone."""


def _without_last(encoded: bytes) -> bytes:
    return dcbor.encode(dict(list(dcbor.decode(encoded).items())[:-1]))


def drawn(entropy: Entropy) -> Damage:
    """A damage of a few random strokes, of which no item is left. The same entropy gives the same bytes."""

    def damage(encoded: bytes, room: int) -> bytes:
        while True:
            broken = encoded
            for _ in range(1 + entropy.below(3)):
                broken = _stroke(entropy, broken)
            if len(broken) <= room and not dcbor.is_item(broken):
                return broken

    return damage


def _stroke(entropy: Entropy, data: bytes) -> bytes:
    """One random change: a bit, a byte, a byte more or less, or a piece that comes twice."""
    at = entropy.below(len(data) + 1)
    kind = entropy.below(6)
    if kind == 0 and at < len(data):
        return data[:at] + bytes((data[at] ^ 1 << entropy.below(8),)) + data[at + 1 :]
    if kind == 1:
        return data[:at] + entropy.take(1) + data[at + 1 :]
    if kind == 2:
        return data[:at] + entropy.take(1) + data[at:]
    if kind == 3:
        return data[:at] + data[at + 1 :]
    if kind == 4:
        return data[:at] + data[max(at - entropy.below(8), 0) : at] + data[at:]
    return data[:at]


# Heads of frames


def head(kind: int, length: int) -> bytes:
    """The head of a frame whose body is left out."""
    return framing.write_varint(length) + framing.write_varint(kind)


def longer_varint(number: int) -> bytes:
    """A varint of twice as many bytes as ``number`` needs."""
    shortest = framing.write_varint(number)
    exponent = len(shortest).bit_length()
    return (number | exponent << (16 * len(shortest) - 2)).to_bytes(2 * len(shortest), "big")


HEADS: Mapping[Fault, Callable[[int, bytes], bytes]] = {
    Fault.LENGTH_NOT_SHORTEST: lambda kind, body: longer_varint(len(body)) + framing.write_varint(kind) + body,
    Fault.TYPE_NOT_SHORTEST: lambda kind, body: framing.write_varint(len(body)) + longer_varint(kind) + body,
    Fault.LENGTH_ENORMOUS: lambda kind, _: head(kind, 2**62 - 1),
}
"""Whole frames whose head is not as it has to be; of the last one there is nothing but the head."""
