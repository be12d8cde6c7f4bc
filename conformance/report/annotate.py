"""Bytes of a frame, explained a line each, as in the first section of SPEC.md; whatever they are, none is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from conformance import framing
from conformance.data import error_name, is_registered
from conformance.printable import shortened

from .names import Shape, keys

_MAJORS = ("unsigned", "negative", "bytes", "text", "array", "map", "tag", "simple")
_SIMPLE = {20: "false", 21: "true", 22: "null"}
_MOST_LINES = 300
_MOST_DEPTH = 24
_TEXT = 72
_ROW = 16
_FIRST_ROWS = 4
_DULL = re.compile(r" bytes\b|: (?:a map|an array|a signed object)\b")
"""Notes that say no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Bytes from ``start`` to ``end``, and what they are."""

    start: int
    end: int
    depth: int
    note: str


class _UnreadableError(Exception):
    """The bytes are no CBOR that this reader follows, or too much of it. ``reason`` is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def frame_lines(data: bytes, kind: int, body: int, *, by_initiator: bool) -> list[Line]:
    """The lines of one whole frame of type ``kind`` whose body begins at ``body``."""
    name = "a type that nobody knows" if framing.is_unknown(kind) else framing.NAMES[kind // 2]
    head = len(framing.write_varint(kind))
    lines = [
        Line(start=0, end=body - head, depth=0, note=f"length: {len(data) - body:,}"),
        Line(start=body - head, end=body, depth=0, note=f"type: {kind}, {name}"),
    ]
    if framing.is_unknown(kind):
        return [*lines, *raw_lines(data, body, "the body of an unknown type")]
    return [*lines, *_Reader(data).lines(body, _frame_shape(name, by_initiator=by_initiator))]


def raw_lines(data: bytes, start: int, note: str) -> list[Line]:
    """The rest of ``data`` as it is."""
    return [Line(start=start, end=len(data), depth=0, note=note)] if start < len(data) else []


def _frame_shape(name: str, *, by_initiator: bool) -> Shape:
    if name == "HELLO":
        return Shape(rule="hello-initiator" if by_initiator else "hello-responder", inside="signed")
    return Shape(rule=name.lower())


class _Reader:
    """Walks over CBOR, leniently: what is forbidden is still shown."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._lines: list[Line] = []

    def lines(self, position: int, shape: Shape) -> list[Line]:
        """The lines of the item at ``position``, and of whatever follows it."""
        try:
            end = self._item(position, position, len(self._data), 0, shape)
            return [*self._lines, *raw_lines(self._data, end, "bytes behind the item")]
        except _UnreadableError as error:
            read = max([position, *(line.end for line in self._lines)])
            return [*self._lines, *raw_lines(self._data, read, error.reason)]

    def _say(self, start: int, end: int, depth: int, note: str) -> None:
        if len(self._lines) == _MOST_LINES or depth > _MOST_DEPTH:
            raise _UnreadableError("more of the same")
        self._lines.append(Line(start=start, end=end, depth=depth, note=note))

    def _item(self, start: int, position: int, stop: int, depth: int, shape: Shape) -> int:
        """One item at ``position``, whose line begins at ``start`` (with its key); where it ends."""
        major, argument, end = self._head(position, stop)
        label = f"{shape.name}: " if shape.name else ""
        if major in (2, 3):
            if argument > stop - end:
                raise _UnreadableError(f"{label}a string of {argument:,} bytes, which are not all there")
            self._string(Line(start=start, end=end + argument, depth=depth, note=label), end, shape, text=major == 3)
            return end + argument
        if major == 4:
            self._say(start, end, depth, f"{label}{_array(argument, shape)}")
            return self._array(end, argument, stop, depth + 1, shape)
        if major == 5:
            self._say(start, end, depth, f"{label}a map of {argument:,}")
            return self._map(end, argument, stop, depth + 1, shape)
        self._say(start, end, depth, label + _scalar(major, argument, shape))
        return end

    def _string(self, line: Line, begin: int, shape: Shape, *, text: bool) -> None:
        """A string whose content begins at ``begin``; one that holds an item is read on."""
        content = self._data[begin : line.end]
        if text:
            said = shortened(content.decode("utf-8", "replace"), _TEXT)
            self._say(line.start, line.end, line.depth, f"{line.note}“{said}”")
        elif shape.inside == "content" and content:
            self._say(line.start, begin, line.depth, f"{line.note}{len(content):,} bytes that hold an item")
            inner = self._item(begin, begin, line.end, line.depth + 1, Shape(rule=shape.rule))
            if inner < line.end:
                self._say(inner, line.end, line.depth + 1, "bytes behind the item")
        else:
            self._say(line.start, line.end, line.depth, f"{line.note}{len(content):,} bytes")

    def _array(self, position: int, count: int, stop: int, depth: int, shape: Shape) -> int:
        shapes = [Shape(name="body", rule=shape.rule, inside="content"), Shape(name="signature")]
        for index in range(count):
            if shape.inside == "signed" and count == 2 and self._major(position) == 2:
                each = shapes[index]
            else:
                each = Shape(rule=shape.rule, inside=shape.inside)
            position = self._item(position, position, stop, depth, each)
        return position

    def _map(self, position: int, count: int, stop: int, depth: int, shape: Shape) -> int:
        known = keys(shape.rule) if shape.rule else {}
        for _ in range(count):
            start = position
            major, key, position = self._head(position, stop)
            if major > 1:
                raise _UnreadableError(f"a key of the type {_MAJORS[major]}")
            each = known.get(key, Shape(name=f"key {key}")) if major == 0 else Shape(name=f"key {-1 - key}")
            if shape.rule == "error" and each.name == "code":
                each = Shape(name="code", inside="error")
            position = self._item(start, position, stop, depth, each)
        return position

    def _major(self, position: int) -> int:
        return self._data[position] >> 5 if position < len(self._data) else -1

    def _head(self, position: int, stop: int) -> tuple[int, int, int]:
        if position >= stop:
            raise _UnreadableError("here the bytes end inside the item")
        major, info = divmod(self._data[position], 32)
        if info > 27:
            raise _UnreadableError("an indefinite length or a reserved head")
        size = 0 if info < 24 else 1 << (info - 24)
        if position + 1 + size > stop:
            raise _UnreadableError("here the bytes end inside a head")
        argument = info if not size else int.from_bytes(self._data[position + 1 : position + 1 + size], "big")
        return major, argument, position + 1 + size


def _array(count: int, shape: Shape) -> str:
    return "a signed object" if shape.inside == "signed" and count == 2 else f"an array of {count:,}"


def _scalar(major: int, argument: int, shape: Shape) -> str:
    if shape.inside == "error" and major == 0:
        return f"{argument}, {error_name(argument) if is_registered(argument) else 'which is not registered'}"
    if major == 7:
        return _SIMPLE.get(argument, f"simple value or float {argument:,}")
    if major == 6:
        return f"tag {argument:,} of what follows"
    return f"{argument:,}" if major == 0 else f"{-1 - argument:,}"


def notes(lines: list[Line], most: int) -> str:
    """What a frame says, in one line: the values in it that are no mere bytes."""
    said = [each.note for each in lines[2:] if ": " in each.note and not _DULL.search(each.note)]
    return shortened(", ".join(said), most)


def groups(line: Line, marks: frozenset[int]) -> Iterator[tuple[list[int], int]]:
    """The bytes of a line in rows of 16, as offsets, each with how many bytes were left out before it.

    Long lines keep their first rows, the last one, and those around a mark.
    """
    count = -(-(line.end - line.start) // _ROW)
    marked = {(mark - line.start) // _ROW + step for mark in marks for step in (-1, 0, 1)}
    shown = sorted(number for number in {*range(_FIRST_ROWS), count - 1, *marked} if 0 <= number < count)
    before = 0
    for number in shown:
        start = line.start + number * _ROW
        yield list(range(start, min(start + _ROW, line.end))), (number - before) * _ROW
        before = number + 1
