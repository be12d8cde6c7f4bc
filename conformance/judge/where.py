"""Where something lies in the body of a frame, so that a finding can point at the byte."""

from __future__ import annotations

from conformance import dcbor


def violation(body: bytes) -> int:
    """The offset of the byte at which ``body`` stops to be an item; of its last byte where more had to come.

    A reader goes from the first byte to the last, so every prefix that ends before the violation is merely truncated.
    """
    low, high = 0, len(body)
    while low < high:
        middle = (low + high) // 2
        if _reason(body[:middle]) == "truncated":
            low = middle + 1
        else:
            high = middle
    ends_there = low < len(body) and not _reason(body[:low])
    return low if ends_there else max(low - 1, 0)


def value(body: bytes, *path: int) -> int:
    """The offset of a value of an item: each step is a key of a map or an index of an array.

    Byte strings that hold an item are gone into. Of a string it is the first byte of the content; of what is not
    there, the head of the map that has to have it.
    """
    position = 0
    for step in path:
        major, count, inner = dcbor.head(body, position)
        if major == 2:
            position = inner
            major, count, inner = dcbor.head(body, position)
        found = _entry(body, inner, count, step) if major == 5 else _element(body, inner, count, step)
        if found is None:
            return position
        position = found
    major, _, inner = dcbor.head(body, position)
    return inner if major in (2, 3) else position


def key_in(broken: str) -> tuple[int, ...]:
    """The path to what `shapes.broken` complains of: the key that it names, or the whole."""
    last = broken.rpartition(" ")[2]
    return (int(last),) if last.isdecimal() else ()


def _entry(body: bytes, position: int, count: int, wanted: int) -> int | None:
    for _ in range(count):
        _, key, position = dcbor.head(body, position)
        if key == wanted:
            return position
        position = _behind(body, position)
    return None


def _element(body: bytes, position: int, count: int, wanted: int) -> int | None:
    if wanted >= count:
        return None
    for _ in range(wanted):
        position = _behind(body, position)
    return position


def _behind(body: bytes, position: int) -> int:
    """Where the item at ``position`` ends."""
    left = 1
    while left:
        major, argument, position = dcbor.head(body, position)
        left += {4: argument, 5: 2 * argument}.get(major, 0) - 1
        position += argument if major in (2, 3) else 0
    return position


def _reason(body: bytes) -> str:
    try:
        dcbor.scan(body)
    except dcbor.NotDeterministicError as error:
        return error.reason
    return ""
