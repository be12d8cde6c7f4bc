"""Families of bytes: encoding, writing, accumulated, framing, frames."""

from __future__ import annotations

import hashlib
from typing import Any

from mycellm_proto import limits
from mycellm_proto.codec import EncodingError, Value, decode, encode
from mycellm_proto.frames import LIMITS, TYPES, FrameType, HelloFrame, decode_frame
from mycellm_proto.frames import encode as encode_whole
from mycellm_proto.framing import FrameReader, RawFrame, encode_frame

from .notation import Inputs, Outcome, accept, noted, octets, outcome_of, valued


def encoding(inputs: Inputs) -> Outcome:
    """Deterministic CBOR or not, and the value."""
    try:
        return accept(value=noted(decode(octets(inputs["hex"]))))
    except EncodingError as error:
        return {"verdict": "reject", "code": error.code.name, "reason": error.reason.slug}


def writing(inputs: Inputs) -> Outcome:
    """The encoding of a value, or the frame around it."""
    try:
        item = encode(valued(inputs["value"]))
    except ValueError:
        return {"verdict": "reject"}
    return accept(hex=(encode_frame(valued(inputs["type"]), item) if "type" in inputs else item).hex())


def framing(inputs: Inputs) -> Outcome:
    """The frames of a stream, whose bytes come one by one."""

    def derive() -> Outcome:
        reader = FrameReader(LIMITS, limits.MAX_SMALL)
        data = octets(inputs["hex"])
        frames = [frame for number in range(len(data)) for frame in reader.feed(data[number : number + 1])]
        shown = [{"type": noted(frame.type), "body": frame.body.hex()} for frame in frames]
        return accept(frames=shown, pending=reader.buffered)

    return outcome_of(derive)


def frames(inputs: Inputs) -> Outcome:
    """The body of one frame: what was read of it is written again, without what is ignored."""

    def derive() -> Outcome:
        body = octets(inputs["hex"])
        frame = decode_frame(RawFrame(type=FrameType[inputs["type"]], body=body, size=len(body)))
        if isinstance(frame, HelloFrame):
            return accept(fields=noted(frame.hello.to_value()))
        (again,) = FrameReader(LIMITS, limits.MAX_SMALL).feed(encode_whole(frame))
        assert again.type == TYPES[type(frame)]
        return accept(fields=noted(decode(again.body)))

    return outcome_of(derive)


def accumulated(inputs: Inputs) -> Outcome:
    """Many frames in one digest."""
    source = _Source(inputs["seed"])
    stream = bytearray()
    for _ in range(inputs["count"]):
        kind = source.unsigned() % (1 << 62)
        stream += encode_frame(kind, encode(source.value(4)))
    return accept(bytes=len(stream), sha256=hashlib.sha256(stream).hexdigest())


class _Source:
    """The generator that the notes of the family accumulated describe."""

    def __init__(self, seed: str) -> None:
        self._bytes = hashlib.shake_256(seed.encode()).digest(1 << 20)
        self._position = 0

    def take(self, size: int) -> bytes:
        self._position += size
        return self._bytes[self._position - size : self._position]

    def below(self, most: int) -> int:
        return self.take(1)[0] % most

    def unsigned(self) -> int:
        return int.from_bytes(self.take(self.below(9)), "big")

    def value(self, depth: int) -> Value:
        kind = self.below(7 if depth else 5)
        if kind < 2:
            return self.unsigned() if kind == 0 else -1 - self.unsigned()
        if kind == 2:
            return self.take(self.below(40))
        if kind == 3:
            return "".join(self._character() for _ in range(self.below(20)))
        if kind == 4:
            return (False, True, None)[self.below(3)]
        if kind == 5:
            return [self.value(depth - 1) for _ in range(self.below(6))]
        entries: dict[int, Any] = {}
        for _ in range(self.below(6)):
            key = self.unsigned()
            entries[key] = self.value(depth - 1)
        return entries

    def _character(self) -> str:
        point = int.from_bytes(self.take(3), "big") % 0x110000
        return "\ufffd" if 0xD800 <= point <= 0xDFFF else chr(point)
