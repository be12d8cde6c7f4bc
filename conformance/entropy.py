"""Randomness that can be had again: every draw of a case follows from the run's seed and the case's id."""

from __future__ import annotations

import hashlib

RESERVED = range(65, 65 + 62 * 256, 62)
"""The values of SPEC.md, "Versioning and extension", that mean nothing and never will."""


class Entropy:
    """A stream of bytes from a seed (SHAKE-256)."""

    def __init__(self, seed: bytes, label: str) -> None:
        self._state = hashlib.shake_256(seed + b"\0" + label.encode())
        self._used = 0

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        self._used += 1
        state = self._state.copy()
        state.update(self._used.to_bytes(8, "big"))
        return state.digest(size)

    def below(self, bound: int) -> int:
        """A number from 0 to ``bound`` - 1; the bias of 64 bits is of no matter here."""
        return int.from_bytes(self.take(8), "big") % bound

    def reserved(self) -> int:
        """One of the reserved values."""
        return RESERVED[self.below(len(RESERVED))]
