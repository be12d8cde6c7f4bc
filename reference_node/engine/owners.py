"""Who asks an engine: what may be reused of earlier requests, and whose turn it is, go by owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol, runtime_checkable

from mycellm_proto.content import Content
from reference_node.generation import Event, ModelInfo

LOCAL_OWNER = b"local"
"""The owner of what comes through this node's own HTTP API. Others are node ids, which have another length."""


@runtime_checkable
class Answering(Protocol):
    """What answers for owners: an engine."""

    @property
    def info(self) -> ModelInfo:
        """The model."""
        ...

    def answer(self, request: Content, owner: bytes | None) -> AsyncGenerator[Event, None]:
        """Answers one request of that owner; None is nobody in particular, whose requests share nothing."""
        ...

    def count_tokens(self, request: Content) -> int:
        """Tokens of a request's input."""
        ...

    def encode(self, text: str) -> list[int]:
        """A text's tokens."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens."""
        ...


class InFlight:
    """Counts requests under way, for who wants to end an engine when it is idle."""

    def __init__(self) -> None:
        self.count = 0
        self._ended = asyncio.Event()

    async def watch(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """The same events, counted as one request."""
        self.count += 1
        try:
            async with aclosing(events):
                async for event in events:
                    yield event
        finally:
            self.count -= 1
            self._ended.set()

    async def none(self) -> None:
        """Returns when there are none."""
        while self.count:
            self._ended.clear()
            await self._ended.wait()


class OwnedGenerator:
    """An engine as one owner sees it: a `Generator` whose requests may reuse what earlier ones of that owner left."""

    def __init__(self, engine: Answering, owner: bytes, in_flight: InFlight | None = None) -> None:
        self._engine, self._owner, self._in_flight = engine, owner, in_flight

    @property
    def info(self) -> ModelInfo:
        """The model."""
        return self._engine.info

    def generate(self, request: Content) -> AsyncGenerator[Event, None]:
        """See `reference_node.generation`."""
        events = self._engine.answer(request, self._owner)
        return events if self._in_flight is None else self._in_flight.watch(events)

    def count_tokens(self, request: Content) -> int:
        """Tokens of a request's input, as `Started` would say. Raises `GenerationError`. Blocking."""
        return self._engine.count_tokens(request)

    def encode(self, text: str) -> list[int]:
        """A text's tokens."""
        return self._engine.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens."""
        return self._engine.decode(ids)
