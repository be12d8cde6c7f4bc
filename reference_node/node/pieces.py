"""What a generator says, cut into CHUNK frames that hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mycellm_proto import limits
from mycellm_proto.answer import Chunk, Part
from mycellm_proto.provider import CHUNK_OVERHEAD, logprob_bytes, most_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mycellm_proto.answer import Logprob

    from ..generation import Delta

CHARACTERS = 4000
"""Characters of one CHUNK at most: at four bytes each they fit `limits.MAX_CHUNK`."""
ROOM = limits.MAX_CHUNK - CHUNK_OVERHEAD
"""Bytes for all else in a CHUNK."""


def chunks_of(delta: Delta) -> Iterator[Chunk]:
    """At least one CHUNK; all tokens are in the first, and each log-probability is in it or comes after it."""
    if delta.vector:
        yield Chunk(text="", tokens=delta.tokens, part=Part.VECTOR, vector=delta.vector[:ROOM])
        for start in range(ROOM, len(delta.vector), ROOM):
            yield Chunk(text="", tokens=0, part=Part.VALUES, vector=delta.vector[start : start + ROOM])
        return
    part = delta.part if delta.text else Part.ANSWER  # what has no text counts tokens, and is of no part
    first = Chunk(text=delta.text[:CHARACTERS], tokens=delta.tokens, part=part, logprobs=delta.logprobs)
    fits = not delta.logprobs or most_bytes(first) <= limits.MAX_CHUNK
    yield first if fits else Chunk(text=first.text, tokens=first.tokens, part=part)
    for start in range(CHARACTERS, len(delta.text), CHARACTERS):
        yield Chunk(text=delta.text[start : start + CHARACTERS], tokens=0, part=part)
    if not fits:
        yield from _alone(delta.logprobs)


def _alone(logprobs: tuple[Logprob, ...]) -> Iterator[Chunk]:
    """As many entries a CHUNK as fit."""
    group: list[Logprob] = []
    size = 0
    for each in logprobs:
        if group and size + logprob_bytes(each) > ROOM:
            yield Chunk(text="", tokens=0, logprobs=tuple(group))
            group, size = [], 0
        group.append(each)
        size += logprob_bytes(each)
    yield Chunk(text="", tokens=0, logprobs=tuple(group))
