"""Text in pieces that fit a CHUNK each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 4000
"""Characters of one CHUNK at most: at four bytes each they fit `limits.MAX_CHUNK`."""


def pieces(text: str) -> Iterator[str]:
    """``text`` in pieces, at least one."""
    yield text[:PIECE]
    for start in range(PIECE, len(text), PIECE):
        yield text[start : start + PIECE]
