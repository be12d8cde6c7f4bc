"""Frames on a stream: SPEC.md section "Framing".

A frame is a length, a type and a body of that length; length and type are QUIC variable-length integers (RFC 9000
section 16) in their shortest form. `FrameReader` is fed any slices of a stream and yields whole frames; it checks the
limit of a frame's type as soon as its head is there, before it keeps a byte of the body.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .errors import ErrorCode, RemoteProtocolError

MAX_VARINT = (1 << 62) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFrame:
    """A frame before its body is decoded. ``size`` is its length on the wire in bytes, head included."""

    type: int
    body: bytes
    size: int


def encode_varint(value: int) -> bytes:
    """A QUIC variable-length integer of 1, 2, 4 or 8 bytes, the shortest that holds ``value``."""
    if value < 1 << 6:
        return bytes((value,))
    if value < 1 << 14:
        return (value | 1 << 14).to_bytes(2, "big")
    if value < 1 << 30:
        return (value | 2 << 30).to_bytes(4, "big")
    if value <= MAX_VARINT:
        return (value | 3 << 62).to_bytes(8, "big")
    raise ValueError("a variable-length integer has 62 bits at most")


def encode_frame(frame_type: int, body: bytes) -> bytes:
    """The bytes of one frame."""
    return encode_varint(len(body)) + encode_varint(frame_type) + body


def _read_varint(buffer: bytearray, position: int) -> tuple[int, int] | None:
    """The integer at ``position`` and the position after it; None while bytes are missing."""
    if position >= len(buffer):
        return None
    first = buffer[position]
    if first < 1 << 6:
        return first, position + 1
    size = 1 << (first >> 6)
    end = position + size
    if end > len(buffer):
        return None
    value = int.from_bytes(buffer[position:end], "big") & ((1 << (8 * size - 2)) - 1)
    if value < 1 << (4 * size - 2):
        raise RemoteProtocolError("integer not in its shortest form", code=ErrorCode.ENCODING, requirement="FRM-003")
    return value, end


class FrameReader:
    """The incremental reader of one stream.

    ``limits`` gives the largest body per frame type in bytes, ``other`` that of a type it does not name;
    ``requirement`` is the rule that they come from.
    """

    __slots__ = ("_buffer", "_limits", "_other", "_requirement")

    def __init__(self, limits: Mapping[int, int], other: int, requirement: str = "FRM-005") -> None:
        self._buffer = bytearray()
        self._limits = limits
        self._other = other
        self._requirement = requirement

    def relimit(self, limits: Mapping[int, int]) -> None:
        """Go by other ``limits`` from the next frame on: those of FRM-005."""
        self._limits = limits
        self._requirement = "FRM-005"

    @property
    def buffered(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._buffer)

    @property
    def pending(self) -> int | None:
        """The type of the frame that is not whole yet; None where its head is not, or nothing is."""
        length = _read_varint(self._buffer, 0)
        kind = None if length is None else _read_varint(self._buffer, length[1])
        return None if kind is None else kind[0]

    def feed(self, data: bytes) -> Iterator[RawFrame]:
        """Whole frames, in order. Raises `RemoteProtocolError` at the first head that breaks a rule."""
        self._buffer += data
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> RawFrame | None:
        buffer = self._buffer
        if (head := _read_varint(buffer, 0)) is None:
            return None
        length, position = head
        if (head := _read_varint(buffer, position)) is None:
            return None
        kind, position = head
        limit = self._limits.get(kind, self._other)
        if length > limit:  # FRM-005: before anything is kept for it
            message = f"frame type {kind} has {length} bytes, at most {limit}"
            raise RemoteProtocolError(message, code=ErrorCode.FRAME_TOO_LARGE, requirement=self._requirement)
        end = position + length
        if end > len(buffer):
            return None
        frame = RawFrame(type=kind, body=bytes(buffer[position:end]), size=end)
        del buffer[:end]
        return frame
