"""Vectors without a model: each word has directions of its own, so that texts with common words lie near each other."""

from __future__ import annotations

import hashlib
import re

import numpy as np
from numpy.typing import NDArray

from mycellm_proto.content import Prompt

DIMENSIONS = 384
"""As many as small embedding models give; a request may want any other number."""

_WORDS = re.compile(r"\w+|[^\w\s]")


def vector(prompt: Prompt, dimensions: int) -> bytes:
    """A vector of length 1, as little-endian floats of four bytes."""
    words = _WORDS.findall(prompt.lower()) if isinstance(prompt, str) else [f"#{token}" for token in prompt]
    return (
        _normalised(np.sum([_direction(word, dimensions) for word in words or [""]], axis=0, dtype=np.float64))
        .astype("<f4")
        .tobytes()
    )


def _direction(word: str, dimensions: int) -> NDArray[np.float64]:
    """1 or -1 in every dimension."""
    bits = hashlib.shake_128(word.encode()).digest((dimensions + 7) // 8)
    return np.unpackbits(np.frombuffer(bits, np.uint8))[:dimensions].astype(np.float64) * 2 - 1


def _normalised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.linalg.norm(values))
    if length:
        scaled: NDArray[np.float64] = values / length
        return scaled
    first: NDArray[np.float64] = np.eye(1, len(values))[0]  # words that cancel each other out
    return first
