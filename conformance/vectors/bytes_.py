"""Families of bytes: encoding, accumulated, framing, frames."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from conformance import dcbor, shapes
from conformance.dcbor import Item
from conformance.framing import FrameError, read_frames, write_frame

from .outcome import Case, Outcome, accept, joined, noted, reject, same, valued


def encoding(case: Case) -> Outcome:
    """Deterministic CBOR or not, and the value."""
    data = joined(case["hex"])
    try:
        value = dcbor.decode(data)
    except dcbor.NotDeterministicError as error:
        return reject(code="ENCODING", reason=error.reason)
    if "value" in case:
        same("the value", noted(value), case["value"])
        same("its encoding", dcbor.encode(valued(case["value"])), data)
    return accept()


class _Source:
    """The derivation that the family's notes describe."""

    def __init__(self, seed: str) -> None:
        self._bytes = iter(hashlib.shake_256(seed.encode()).digest(1 << 20))

    def take(self, size: int) -> bytes:
        return bytes(next(self._bytes) for _ in range(size))

    def below(self, most: int) -> int:
        return next(self._bytes) % most

    def unsigned(self) -> int:
        return int.from_bytes(self.take(self.below(9)), "big")

    def text(self) -> str:
        points = (int.from_bytes(self.take(3), "big") % 1_114_112 for _ in range(self.below(20)))
        return "".join("\ufffd" if 0xD800 <= point < 0xE000 else chr(point) for point in points)

    def value(self, depth: int) -> Item:
        kinds: tuple[Callable[[], Item], ...] = (
            self.unsigned,
            lambda: -1 - self.unsigned(),
            lambda: self.take(self.below(40)),
            self.text,
            lambda: (False, True, None)[self.below(3)],
            lambda: [self.value(depth - 1) for _ in range(self.below(6))],
            lambda: {self.unsigned(): self.value(depth - 1) for _ in range(self.below(6))},
        )
        return kinds[self.below(7 if depth else 5)]()


def accumulated(case: Case) -> Outcome:
    """Many frames in one digest."""
    source = _Source(case["seed"])
    stream = b""
    for _ in range(case["count"]):
        kind = source.unsigned() % 2**62
        stream += write_frame(kind, dcbor.encode(source.value(4)))
    return accept(bytes=len(stream), sha256=hashlib.sha256(stream).hexdigest())


def framing(case: Case) -> Outcome:
    """The frames of a stream."""
    data = joined(case["hex"])
    try:
        frames, pending = read_frames(data)
    except FrameError as error:
        return reject(code=error.code)
    same("the stream", b"".join(write_frame(*frame) for frame in frames), data[: len(data) - pending])
    return accept(frames=[{"type": kind, "body": body.hex()} for kind, body in frames], pending=pending)


def frames(case: Case) -> Outcome:
    """The body of one frame."""
    failed = reject(code="ENCODING")
    try:
        value = dcbor.decode(joined(case["hex"]))
    except dcbor.NotDeterministicError:
        return failed
    if case["type"] == "HELLO":
        return accept(fields=noted(value)) if shapes.is_signed(value) else failed
    rule = case["type"].lower()
    if shapes.broken(rule, value) is not None:
        return failed
    return accept(fields=noted(shapes.known(rule, value)))
