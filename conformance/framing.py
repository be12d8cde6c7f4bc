"""Frames: SPEC.md, "Framing"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from . import dcbor
from .dcbor import Item

HELLO, MODELS, ERROR, REQUEST, ACCEPT, CHUNK, TICK, CREDIT, CANCEL, END, COUNTERSIGN, CALL, RESULT = range(0, 26, 2)
NAMES = (
    "HELLO", "MODELS", "ERROR", "REQUEST", "ACCEPT", "CHUNK", "TICK", "CREDIT", "CANCEL", "END", "COUNTERSIGN",
    "CALL", "RESULT",
)  # fmt: skip
"""By half of the type."""


def is_unknown(kind: int) -> bool:
    """Whether ``kind`` is no registered frame type."""
    return kind % 2 == 1 or kind > RESULT


_SMALL = 1024
_LIMITS = {MODELS: 65_536, REQUEST: 1_048_576, CHUNK: 16_384, END: 4096, CALL: 66_560, RESULT: 66_560}


class FrameError(ValueError):
    """A stream that is no sequence of frames. ``code`` is the name of the registered code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def write_varint(number: int) -> bytes:
    """The shortest varint of ``number``."""
    for exponent, bits in enumerate((6, 14, 30, 62)):
        if number < 1 << bits:
            size = 1 << exponent
            return (number | exponent << (8 * size - 2)).to_bytes(size, "big")
    raise ValueError("a varint has 62 bits")


def write_frame(kind: int, body: bytes) -> bytes:
    """One frame."""
    return write_varint(len(body)) + write_varint(kind) + body


def frame(kind: int, body: Item) -> bytes:
    """One frame with this item as its body."""
    return write_frame(kind, dcbor.encode(body))


def size(kind: int, body: Item) -> int:
    """Bytes of the frame with this body."""
    return len(frame(kind, body))


def _varint(data: bytes, position: int) -> tuple[int, int] | None:
    """The number at ``position`` and where it ends; None if it is not all there. Raises `FrameError`."""
    if position == len(data):
        return None
    exponent = data[position] >> 6
    end = position + (1 << exponent)
    if end > len(data):
        return None
    number = int.from_bytes(data[position:end], "big") - (exponent << (8 * (end - position) - 2))
    if len(write_varint(number)) != end - position:
        raise FrameError("ENCODING")
    return number, end


def walk(data: bytes, limits: Mapping[int, int] | None = None) -> Iterator[tuple[int, bytes, int]]:
    """All whole frames of ``data``: type, body, and size with head. Raises `FrameError` behind the last good one."""
    position = 0
    while (length := _varint(data, position)) and (kind := _varint(data, length[1])):
        if length[0] > (_LIMITS if limits is None else limits).get(kind[0], _SMALL):
            raise FrameError("FRAME_TOO_LARGE")
        end = kind[1] + length[0]
        if end > len(data):
            return
        yield kind[0], data[kind[1] : end], end - position
        position = end


def begun(data: bytes) -> int | None:
    """The type of the frame with which ``data`` begins, once its head is there. Raises `FrameError`."""
    length = _varint(data, 0)
    kind = None if length is None else _varint(data, length[1])
    return None if kind is None else kind[0]


def read_frames(data: bytes, limits: Mapping[int, int] | None = None) -> tuple[list[tuple[int, bytes]], int]:
    """All whole frames of ``data``, type and body, and the number of bytes left. Raises `FrameError`."""
    frames = list(walk(data, limits))
    return [(kind, body) for kind, body, _ in frames], len(data) - sum(size for _, _, size in frames)
