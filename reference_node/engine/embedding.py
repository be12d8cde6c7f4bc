"""The engine of encoders: a text's vector is the mean of its tokens' hidden states, of length 1.

The weights are eight-bit but the arithmetic is not, so that a vector does not depend on what is computed beside it.
Requests take turns on one thread, a batch at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from mycellm_proto.answer import Part
from mycellm_proto.content import Content, EmbeddingRequest, FinishReason, Operation, Prompt
from mycellm_proto.errors import ErrorCode
from reference_node.engine.options import Device, Memory
from reference_node.engine.owners import InFlight, OwnedGenerator
from reference_node.generation import (
    Abilities,
    Delta,
    Event,
    Finished,
    GenerationError,
    ModelInfo,
    Started,
    check_abilities,
)

BATCH_TOKENS = 4096
"""Tokens of a batch, padding included: attention to 512 tokens takes 100 MB then."""

ABILITIES = Abilities(operations=frozenset((Operation.EMBED,)), parameters=frozenset(("dimensions",)))
"""Token ids are none of them: clients send those of other vocabularies, and would get vectors of other texts. The only
``dimensions`` are the model's own.
"""

RETRY_SECONDS = 1.0
"""What a caller is told whose request does not fit into the queue."""

Vectors = NDArray[np.float32]
Encode = Callable[[NDArray[np.int64], NDArray[np.int64]], Vectors]
"""From token ids and mask [batch, length] to hidden states [batch, length, dimensions]."""


class EmbeddingEngine:
    """Serves one encoder. ``queue_limit`` requests wait or run at the same time. End it with `aclose`."""

    def __init__(
        self, info: ModelInfo, tokenizer: Tokenizer, encode: Encode, *, dimensions: int, device: Device,
        queue_limit: int, clock: Callable[[], float] = time.monotonic, memory: Memory | None = None,
    ) -> None:  # fmt: skip
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.info, self.device = replace(info, abilities=ABILITIES), device
        self.memory = memory or Memory()
        self._tokenizer, self._hidden, self._dimensions, self._clock = tokenizer, encode, dimensions, clock
        self._queue_limit, self._pending = queue_limit, 0
        self._closing = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"engine-{info.id}")

    def owned_by(self, owner: bytes, in_flight: InFlight | None = None) -> OwnedGenerator:
        """The engine for the requests of one owner: nothing is kept of any."""
        return OwnedGenerator(self, owner, in_flight)

    def generate(self, request: Content) -> AsyncGenerator[Event, None]:
        """Answers a request; see `reference_node.generation`."""
        return self.answer(request, None)

    async def answer(self, request: Content, _owner: bytes | None) -> AsyncGenerator[Event, None]:
        """Answers one request. Raises `GenerationError` alone."""
        check_abilities(self.info, request)
        assert isinstance(request, EmbeddingRequest)  # the only one among the abilities
        if request.dimensions not in (None, self._dimensions):
            raise GenerationError(ErrorCode.UNSUPPORTED, limit=self._dimensions, parameter="dimensions")
        deadline = self._clock() + request.deadline_ms / 1000
        if self._closing.is_set():
            raise GenerationError(ErrorCode.SHUTTING_DOWN)
        if self._pending >= self._queue_limit:
            raise GenerationError(ErrorCode.BUSY, limit=self._queue_limit, retry_after=RETRY_SECONDS)
        self._pending += 1
        try:
            inputs = await asyncio.to_thread(self._tokens, request.inputs)
            count = sum(map(len, inputs))
            yield Started(input_tokens=count)
            reason = FinishReason.STOP
            for batch in batches(inputs):
                for vector in await self._run(batch):
                    yield Delta(text="", tokens=0, part=Part.VECTOR, vector=vector.astype("<f4").tobytes())
                if self._closing.is_set() or self._clock() >= deadline:
                    reason = FinishReason.SHUTDOWN if self._closing.is_set() else FinishReason.DEADLINE
                    break
            yield Finished(reason=reason, input_tokens=count, output_tokens=0)
        finally:
            self._pending -= 1

    def count_tokens(self, request: Content) -> int:
        """Tokens of a request's input, as `Started` would say. Raises `GenerationError`."""
        check_abilities(self.info, request)
        assert isinstance(request, EmbeddingRequest)
        return sum(map(len, self._tokens(request.inputs)))

    def encode(self, text: str) -> list[int]:
        """A text's tokens, without those that begin and end an input."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, as far as a vocabulary without case and spaces knows it."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    async def aclose(self) -> None:
        """Ends requests behind their batch with SHUTDOWN and frees the engine's thread."""
        self._closing.set()
        await asyncio.to_thread(self._thread.shutdown)

    async def _run(self, batch: list[list[int]]) -> Vectors:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._embed, batch)
        except RuntimeError:  # the thread has ended in between
            raise GenerationError(ErrorCode.SHUTTING_DOWN) from None

    def _tokens(self, inputs: Sequence[Prompt]) -> list[list[int]]:
        """Raises `GenerationError` (CONTEXT_TOO_LONG): nothing is cut off."""
        texts = [text for text in inputs if isinstance(text, str)]  # all of them, by the abilities
        found = [list(encoding.ids) for encoding in self._tokenizer.encode_batch(texts)]
        longest = max(map(len, found), default=0)
        if longest > self.info.context_length:
            raise GenerationError(ErrorCode.CONTEXT_TOO_LONG, limit=self.info.context_length, actual=longest)
        return found

    def _embed(self, batch: list[list[int]]) -> Vectors:
        ids = np.zeros((len(batch), max(map(len, batch))), np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, 1
        weights = mask[:, :, None].astype(np.float32)
        mean = (self._hidden(ids, mask) * weights).sum(1) / weights.sum(1)
        vectors: Vectors = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), np.float32(1e-12))
        return vectors


def batches(inputs: Sequence[list[int]]) -> Iterator[list[list[int]]]:
    """The inputs in their order, as many at a time as fit into `BATCH_TOKENS` with padding; always one."""
    batch: list[list[int]] = []
    width = 0
    for tokens in inputs:
        width = max(width, len(tokens))
        if batch and width * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch, width = [], len(tokens)
        batch.append(tokens)
    if batch:
        yield batch
