"""Deterministic CBOR with cbor2: the library decodes and encodes, a scanner of its own finds what it lets pass."""

from __future__ import annotations

from typing import Any, TypeAlias

import cbor2

Item: TypeAlias = Any
"""A decoded value. What it is, shapes.py finds out."""

MAX_DEPTH = 16
MAX_ITEMS = 65_536


class NotDeterministicError(ValueError):
    """Bytes that are no item of SPEC.md, "Encoding". ``reason`` is the registered name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def decode(data: bytes) -> Item:
    """The value of one item that fills ``data``. Raises `NotDeterministicError`."""
    scan(data)
    value = cbor2.loads(data)
    if encode(value) != data:
        raise AssertionError(f"the scanner accepts what cbor2 encodes otherwise: {data.hex()}")
    return value


def encode(value: Item) -> bytes:
    """The encoding of ``value``."""
    return cbor2.dumps(value, canonical=True)


def is_item(data: bytes) -> bool:
    """Whether ``data`` is one item."""
    try:
        scan(data)
    except NotDeterministicError:
        return False
    return True


class _Level:
    """A container that is being read: how many items are left, and the last key if it is a map."""

    __slots__ = ("is_map", "key", "left")

    def __init__(self, left: int, *, is_map: bool) -> None:
        self.left = left
        self.is_map = is_map
        self.key = -1


def scan(data: bytes) -> None:
    """Walk over the heads, without recursion. Raises `NotDeterministicError` at the first violation."""
    stack: list[_Level] = []
    position = count = 0
    while True:
        while stack and stack[-1].left == 0:
            stack.pop()
        if position and not stack:
            break
        if stack:
            stack[-1].left -= 1
            if stack[-1].is_map:
                position = _key(data, position, stack[-1])
        major, argument, position = head(data, position)
        if major in (2, 3):
            position = _string(data, position, argument, text=major == 3)
        elif major in (4, 5):
            if len(stack) == MAX_DEPTH:
                raise NotDeterministicError("too-deep")
            count += argument
            if count > MAX_ITEMS:
                raise NotDeterministicError("too-many-items")
            if argument > len(data) - position:
                raise NotDeterministicError("truncated")
            stack.append(_Level(argument, is_map=major == 5))
    if position != len(data):
        raise NotDeterministicError("trailing-bytes")


def _key(data: bytes, position: int, level: _Level) -> int:
    """Read a map's key; the position after it."""
    if position < len(data) and data[position] >> 5 != 0:
        raise NotDeterministicError("key-type")
    _, key, position = head(data, position)
    if key <= level.key:
        raise NotDeterministicError("key-order")
    level.key = key
    return position


def head(data: bytes, position: int) -> tuple[int, int, int]:
    """Major type, argument and the position after the head. False, true and null have no argument.

    Raises `NotDeterministicError`.
    """
    if position >= len(data):
        raise NotDeterministicError("truncated")
    major, info = divmod(data[position], 32)
    if major == 7:
        if info not in (20, 21, 22):
            raise NotDeterministicError("forbidden-type")
        return 7, 0, position + 1
    position += 1
    if info < 24:
        argument = info
    elif info > 27:
        raise NotDeterministicError("indefinite")
    else:
        size = 1 << (info - 24)
        if position + size > len(data):
            raise NotDeterministicError("truncated")
        argument = int.from_bytes(data[position : position + size], "big")
        position += size
        if argument < (24 if size == 1 else 1 << (4 * size)):
            raise NotDeterministicError("not-shortest")
    if major == 6:
        raise NotDeterministicError("forbidden-type")
    return major, argument, position


def _string(data: bytes, position: int, length: int, *, text: bool) -> int:
    end = position + length
    if end > len(data):
        raise NotDeterministicError("truncated")
    if text:
        try:
            data[position:end].decode("utf-8")
        except UnicodeDecodeError:
            raise NotDeterministicError("bad-utf8") from None
    return end
