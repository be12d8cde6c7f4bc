"""Vectors from the answer of an embeddings API."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from mycellm_proto import limits
from mycellm_proto.answer import FLOAT_SIZE, Part
from mycellm_proto.content import EmbeddingRequest, FinishReason
from reference_node.backend.faults import BackendFault, Trouble
from reference_node.backend.values import Usage
from reference_node.generation import Delta, Event, Finished, Started


def read_vectors(value: object, request: EmbeddingRequest) -> Iterator[Event]:
    """The events of a whole answer. Raises `BackendFault` before the first where it is not one to ``request``."""
    if not isinstance(value, dict):
        raise BackendFault(Trouble.GARBLED)
    usage = Usage.of(value)
    if usage is None:
        raise BackendFault(Trouble.UNCOUNTED)
    vectors = _vectors(value, request)
    yield Started(input_tokens=usage.input)
    for vector in vectors:
        yield Delta(text="", tokens=0, part=Part.VECTOR, vector=vector)
    yield Finished(reason=FinishReason.STOP, input_tokens=usage.input, output_tokens=0)


def _vectors(value: Mapping[str, Any], request: EmbeddingRequest) -> list[bytes]:
    data = value.get("data")
    if not isinstance(data, list) or len(data) != len(request.inputs):
        raise BackendFault(Trouble.GARBLED)
    try:
        by_index = {entry["index"]: _packed(entry["embedding"]) for entry in data}
        vectors = [by_index[index] for index in range(len(data))]
    except (TypeError, KeyError, ValueError, OverflowError, struct.error):
        raise BackendFault(Trouble.GARBLED) from None
    size = len(vectors[0])
    wanted = request.dimensions if request.dimensions is not None else size // FLOAT_SIZE
    if not 1 <= wanted <= limits.MAX_DIMENSIONS or any(len(each) != wanted * FLOAT_SIZE for each in vectors):
        raise BackendFault(Trouble.GARBLED)
    return vectors


def _packed(numbers: list[float]) -> bytes:
    if any(isinstance(each, bool) or each - each != 0 for each in numbers):  # no number has another difference
        raise ValueError("not finite")
    return struct.pack(f"<{len(numbers)}f", *numbers)
