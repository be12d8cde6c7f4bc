"""Log-probabilities of tokens: those of the model itself, at temperature 1, before penalties, bias and form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mycellm_proto.answer import Candidate, Logprob
from mycellm_proto.content import MILLION
from mycellm_proto.limits import MAX_LOGPROB, MAX_TOKEN_BYTES

BytesOf = Callable[[int], bytes]
"""A token's own bytes."""


def measure(logits: NDArray[np.float32], token: int, top: int, bytes_of: BytesOf) -> Logprob:
    """What was drawn from logits [vocabulary], and the ``top`` likeliest tokens, lowest id first among equals."""
    shifted = logits.astype(np.float64) - float(logits.max())
    total = float(np.log(np.exp(shifted).sum()))

    def candidate(index: int) -> Candidate:
        below = min(max(0.0, total - float(shifted[index])) * MILLION, float(MAX_LOGPROB))
        return Candidate(text=bytes_of(index)[:MAX_TOKEN_BYTES], below=round(below))

    return Logprob(token=candidate(token), top=tuple(candidate(index) for index in _likeliest(shifted, top)))


def _likeliest(values: NDArray[np.float64], count: int) -> list[int]:
    if not count:
        return []
    floor = np.partition(values, len(values) - count)[len(values) - count]
    ids = np.flatnonzero(values >= floor)
    return [int(index) for index in ids[np.argsort(-values[ids], kind="stable")][:count]]
