"""One request inside the engine: its prompt, its state, and the bounded queue that carries its events to its reader."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mycellm_proto.content import FinishReason
from reference_node.engine.answer import AnswerStream
from reference_node.engine.form import Form
from reference_node.engine.logprobs import BytesOf, measure
from reference_node.engine.sampling import Sampler
from reference_node.generation import Event, Finished, GenerationError

OUTPUT_LIMIT = 64
"""Events that wait for a reader before its slot pauses: a second of tokens, so that a short stall costs no speed."""


class Outlet:
    """Events from the engine's thread to a reader on an event loop. Create it on that loop."""

    def __init__(self, room: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._events: deque[Event | GenerationError] = deque()
        self._room = room

    def full(self) -> bool:
        """Whether the reader is behind. Called on the engine's thread."""
        return len(self._events) >= OUTPUT_LIMIT

    def put(self, event: Event | GenerationError) -> None:
        """Adds an event; a last one may exceed the limit. Called on the engine's thread; never blocks.

        Raises `RuntimeError` if the reader's event loop is closed.
        """
        self._events.append(event)
        self._loop.call_soon_threadsafe(self._arrived.set)

    def closed(self) -> bool:
        """Whether the reader's event loop is closed, so that nobody will read."""
        return self._loop.is_closed()

    async def get(self) -> Event:
        """The next event; raises the `GenerationError` that was put instead of one."""
        while not self._events:
            self._arrived.clear()
            await self._arrived.wait()
        event = self._events.popleft()
        if len(self._events) == OUTPUT_LIMIT - 1:
            self._room()
        if isinstance(event, GenerationError):
            raise event
        return event


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """A request of ``owner`` and how far it is. Only ``cancelled`` is written outside the engine's thread.

    ``deadline`` and ``admitted`` are readings of the engine's clock, in seconds; ``max_tokens`` is at least 1 and fits
    into the context. ``exact``: no bit of the answer may depend on what else is decoded. ``form`` says what may come,
    ``top_logprobs`` how many alternatives of each token are wanted, where any log-probabilities are.
    """

    prompt: Sequence[int]
    max_tokens: int
    deadline: float
    end_tokens: frozenset[int]
    sampler: Sampler
    answer: AnswerStream
    outlet: Outlet
    form: Form | None = None
    top_logprobs: int | None = None
    bytes_of: BytesOf = bytes
    owner: bytes | None = None
    exact: bool = True
    cancelled: bool = False
    slot: int = -1
    admitted: float = 0.0
    fed: int = 0
    generated: int = 0
    cached: int = 0
    last_token: int = field(default=-1)

    @property
    def prefilling(self) -> bool:
        """Whether a part of its prompt is not fed yet."""
        return self.fed < len(self.prompt)

    @property
    def ready(self) -> bool:
        """Whether the next decode step takes it along."""
        return not self.prefilling and not self.outlet.full()

    @property
    def position(self) -> int:
        """Tokens in its slot before ``last_token`` is fed."""
        return len(self.prompt) + self.generated - 1

    def take(self, logits: NDArray[np.float32]) -> bool:
        """Draws the next token and puts its text out; true if the answer is over."""
        allowed = None if self.form is None else self.form.allowed()
        token = self.sampler.draw(logits, len(self.prompt) + self.generated, allowed)
        self.generated += 1
        self.last_token = token
        if token in self.end_tokens:
            return self._end(FinishReason.STOP, tokens=1)
        wanted = self.top_logprobs
        logprob = None if wanted is None else measure(logits, token, wanted, self.bytes_of)
        for delta in self.answer.push(token, logprob):
            self.outlet.put(delta)
        whole = self.form is not None and self.form.take(token, self.answer.calls)
        if self.answer.stopped or self.answer.full or whole:
            return self._end(FinishReason.STOP)
        return self.generated == self.max_tokens and self._end(FinishReason.LENGTH)

    def finish(self, reason: FinishReason) -> None:
        """Ends the answer where it is, for a reason outside it."""
        self._end(reason)

    def _end(self, reason: FinishReason, *, tokens: int = 0) -> bool:
        for delta in self.answer.last(tokens=tokens):
            self.outlet.put(delta)
        if reason is FinishReason.STOP and self.answer.has_calls:
            reason = FinishReason.TOOL_CALLS
        counts = {"input_tokens": len(self.prompt), "output_tokens": self.generated, "cached_tokens": self.cached}
        self.outlet.put(Finished(reason=reason, **counts))
        return True
