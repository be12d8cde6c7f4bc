"""One model of a backend as a `Generator`.

What is billed. The input tokens have to be known before the answer begins (INF-007), and only the backend knows them:
its template and its tokenizer decide. An engine that counts in every chunk (vLLM, SGLang) says them in the first. Any
other is asked for an answer of one token first, whose count is the backend's own for the very same input; its prefix
cache, where it has one, makes the second reading cheap. Output tokens are the backend's count too: where it tells it at
the end only, a chunk with text counts as one token until then, and the rest is counted with the end. If that ever was
too much, the answer fails and nothing is owed for it, and chunks of that model count for nothing from then on.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from mycellm_proto.content import ChatRequest, CompletionRequest, Content, EmbeddingRequest, FinishReason
from mycellm_proto.errors import ErrorCode
from mycellm_proto.keys import KEY_SIZE
from reference_node.backend.bodies import EMBEDDING_PATH, embedding_body, generation_body, path_of
from reference_node.backend.dialect import Dialect
from reference_node.backend.faults import BackendFault, Trouble, too_long
from reference_node.backend.reader import MiscountError, Reader
from reference_node.backend.transport import Transport
from reference_node.backend.values import Usage
from reference_node.backend.vectors import read_vectors
from reference_node.generation import Event, Finished, GenerationError, ModelInfo, Started

LOCAL_PATIENCE_S = 300.0
"""Seconds until the first word, for who asks this node itself: a backend may load the model first."""
PEER_PATIENCE_S = 30.0
"""The same for a peer, which is told to come back rather than left in silence (INF-028)."""
TEMPLATE_TOKENS = 512
"""Tokens that a chat template may add, a default system prompt included."""
BUSY_RETRY_S = 5.0
"""Seconds after which it may."""


@dataclass(slots=True, eq=False)
class Proxied:
    """A model as the backend lists it: ``name`` is its name there. ``active`` counts its requests."""

    info: ModelInfo
    name: str
    dialect: Dialect
    counting: bool = field(init=False)
    each_chunk: bool = True
    active: int = 0

    def __post_init__(self) -> None:
        self.counting = self.dialect.counting


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What all models of a backend share: ``admit`` takes one of the requests that may run there or raises
    `GenerationError`, ``release`` gives it back, ``troubled`` is told what went wrong.
    """

    transport: Transport
    secret: bytes
    admit: Callable[[Proxied], None]
    release: Callable[[Proxied], None]
    troubled: Callable[[BackendFault, Proxied], None]


class ProxiedModel:
    """A model for one owner, whose requests share no prefix cache with others' where the backend can do so."""

    def __init__(self, desk: Desk, model: Proxied, owner: bytes) -> None:
        self._desk, self._model = desk, model
        self._patience = PEER_PATIENCE_S if len(owner) == KEY_SIZE else LOCAL_PATIENCE_S
        self._salt = base64.b64encode(hmac.digest(desk.secret, owner, hashlib.sha256)).decode()

    @property
    def info(self) -> ModelInfo:
        """The model."""
        return self._model.info

    async def generate(self, request: Content) -> AsyncGenerator[Event, None]:
        """See `reference_node.generation`."""
        self._desk.admit(self._model)
        try:
            deadline = asyncio.get_running_loop().time() + request.deadline_ms / 1000
            if isinstance(request, EmbeddingRequest):
                events = self._embed(request, deadline)
            else:
                events = self._answer(request, deadline)
            async with aclosing(events):
                async for event in events:
                    yield event
        except BackendFault as fault:
            self._desk.troubled(fault, self._model)
            raise fault.error from None
        finally:
            self._desk.release(self._model)

    async def _embed(self, request: EmbeddingRequest, deadline: float) -> AsyncGenerator[Event, None]:
        body = embedding_body(request, self._model.name)
        try:
            value = await self._desk.transport.post(EMBEDDING_PATH, body, request, until=self._first_by(deadline))
        except TimeoutError:
            raise _too_late(deadline) from None
        for event in await asyncio.to_thread(list, read_vectors(value, request)):
            yield event

    async def _answer(self, request: ChatRequest | CompletionRequest, deadline: float) -> AsyncGenerator[Event, None]:
        model, count, reader = self._model, None, None
        body = self._body(request, request.max_tokens)
        first_by = self._first_by(deadline)
        try:
            if not (model.counting and self._fits(request, body)):
                count = await self._count(request, first_by)
                yield Started(input_tokens=count)
                first_by = deadline
                body = self._body(request, min(request.max_tokens, self.info.context_length - count))
            async with self._desk.transport.stream(path_of(request), body, request, until=first_by) as stream:
                chunk = await stream.next(until=first_by, silence=LOCAL_PATIENCE_S)
                if count is None:
                    count = await self._counted_first(chunk, request, first_by)
                    yield Started(input_tokens=count)
                reader = Reader(request, count, each_chunk=model.each_chunk)
                while chunk is not None and not reader.over:
                    for delta in reader.take(chunk):
                        yield delta
                    if not reader.over:
                        chunk = await stream.next(until=deadline)
            for event in reader.end():
                yield event
        except TimeoutError:
            if count is None:
                raise _too_late(deadline) from None
            output = 0 if reader is None else reader.counted
            yield Finished(reason=FinishReason.DEADLINE, input_tokens=count, output_tokens=output)
        except MiscountError:
            model.each_chunk = False
            raise BackendFault(Trouble.MISCOUNTED, GenerationError(ErrorCode.INTERNAL, owed=False)) from None

    async def _counted_first(
        self, chunk: Mapping[str, Any] | None, request: ChatRequest | CompletionRequest, until: float
    ) -> int:
        """What the first chunk says was read; from an engine that does not say it after all, as from any other."""
        usage = None if chunk is None else Usage.of(chunk)
        if usage is not None:
            return self._fitting(usage.input)
        self._model.counting = False
        return await self._count(request, until)

    async def _count(self, request: ChatRequest | CompletionRequest, until: float) -> int:
        """The backend's count of the input, from its shortest answer to it."""
        body, usage = self._body(request, 1), None
        async with self._desk.transport.stream(path_of(request), body, request, until=until) as stream:
            while (chunk := await stream.next(until=until, silence=LOCAL_PATIENCE_S)) is not None:
                usage = Usage.of(chunk) or usage
        if usage is None:
            raise BackendFault(Trouble.UNCOUNTED)
        return self._fitting(usage.input)

    def _body(self, request: ChatRequest | CompletionRequest, max_tokens: int) -> dict[str, Any]:
        return generation_body(
            request, self._model.name, self._model.dialect, salt=self._salt, max_tokens=max_tokens
        )  # fmt: skip

    def _fits(self, request: ChatRequest | CompletionRequest, body: dict[str, Any]) -> bool:
        """Whether the longest answer fits the context beside any prompt of that size: engines refuse what does not."""
        return len(json.dumps(body)) + TEMPLATE_TOKENS + request.max_tokens <= self.info.context_length

    def _fitting(self, count: int) -> int:
        """INF-008: it is the context that is offered here that counts."""
        if count >= self.info.context_length:
            raise too_long(self.info.context_length - 1, count)
        return count

    def _first_by(self, deadline: float) -> float:
        return min(deadline, asyncio.get_running_loop().time() + self._patience)


def _too_late(deadline: float) -> GenerationError:
    """The backend has not begun in time."""
    if asyncio.get_running_loop().time() >= deadline:
        return GenerationError(ErrorCode.DEADLINE_EXCEEDED)
    return GenerationError(ErrorCode.BUSY, retry_after=BUSY_RETRY_S)
