"""Families of bytes: encoding, writing, accumulated, framing, frames."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from conformance import shapes
from conformance.dcbor import Item, NotDeterministicError
from conformance.framing import FrameError

from .outcome import Case, Outcome, accept, joined, noted, reject, valued
from .rules import Rules


class Bytes(Rules):
    """SPEC.md, "Encoding" and "Framing"."""

    def encoding(self, case: Case) -> Outcome:
        """Deterministic CBOR or not, and the value."""
        try:
            return accept(value=noted(self.decode(joined(case["hex"]))))
        except NotDeterministicError as error:
            return reject(code="ENCODING", reason=error.reason)

    def writing(self, case: Case) -> Outcome:
        """The encoding of a value, or the frame around it."""
        try:
            item = self.encode(valued(case["value"]))
        except NotDeterministicError:
            return reject()
        return accept(hex=(self.write_frame(valued(case["type"]), item) if "type" in case else item).hex())

    def accumulated(self, case: Case) -> Outcome:
        """Many frames in one digest."""
        source = _Source(case["seed"])
        stream = b""
        for _ in range(case["count"]):
            kind = source.unsigned() % 2**62
            stream += self.write_frame(kind, self.encode(source.value(4)))
        return accept(bytes=len(stream), sha256=hashlib.sha256(stream).hexdigest())

    def framing(self, case: Case) -> Outcome:
        """The frames of a stream."""
        try:
            frames, pending = self.read_frames(joined(case["hex"]))
        except FrameError as error:
            return reject(code=error.code)
        return accept(frames=[{"type": noted(kind), "body": body.hex()} for kind, body in frames], pending=pending)

    def frames(self, case: Case) -> Outcome:
        """The body of one frame."""
        failed = reject(code="ENCODING")
        try:
            value = self.decode(joined(case["hex"]))
        except NotDeterministicError:
            return failed
        if case["type"] == "HELLO":
            return accept(fields=noted(value)) if self.is_signed(value) else failed
        rule = case["type"].lower()
        if self.broken(rule, value) is not None:
            return failed
        return accept(fields=noted(shapes.known(rule, value)))


class _Source:
    """The derivation that the notes of the family accumulated describe."""

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
