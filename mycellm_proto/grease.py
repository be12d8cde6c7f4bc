"""GREASE (RFC 8701): SPEC.md section "Versioning and extension".

Reserved values that mean nothing and never will. Who sends them keeps every reader honest about the extension rules.
All are odd, so that they may be ignored wherever an unknown odd key or type may be.
"""

from __future__ import annotations

import hashlib

RESERVED = tuple(65 + 62 * n for n in range(256))
"""Reserved keys, frame types and capabilities: 65, 127, 189, … 15875."""


class Grease:
    """A stream of reserved values drawn from ``seed``; an empty seed draws none."""

    __slots__ = ("_count", "_seed")

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._count = 0

    def draw(self) -> int | None:
        """The next reserved value, or None without a seed."""
        if not self._seed:
            return None
        self._count += 1
        return RESERVED[hashlib.sha256(self._seed + self._count.to_bytes(4, "big")).digest()[0]]

    def keys(self) -> dict[int, bool]:
        """One entry for an unsigned map, or none without a seed."""
        value = self.draw()
        return {} if value is None else {value: True}
