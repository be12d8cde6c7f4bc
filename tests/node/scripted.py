"""A generator without a model: answers are written beforehand, so that a test knows every token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from mycellm_proto.content import Content, FinishReason
from reference_node.generation import Delta, Event, Finished, GenerationError, ModelInfo, Started


class Scripted:
    """Answers every request with ``words``; those from ``pause_at`` on wait until ``gate`` is set."""

    def __init__(
        self,
        words: tuple[str, ...] = ("Hello", ", ", "world"),
        *,
        pause_at: int | None = None,
        input_tokens: int = 5,
        model: str = "scripted",
    ) -> None:
        self.words = words
        self.requests: list[Content] = []
        self.gate = asyncio.Event()
        self._pause_at = pause_at
        self.stopped = asyncio.Event()
        self.error: GenerationError | None = None
        self.error_after: int | None = None
        self._input_tokens = input_tokens
        self._info = ModelInfo(id=model, digest=bytes(32), context_length=8192, owner="tests", created=1)

    @property
    def info(self) -> ModelInfo:
        return self._info

    async def generate(self, request: Content) -> AsyncGenerator[Event, None]:
        self.requests.append(request)
        try:
            if self.error is not None and self.error_after is None:
                raise self.error
            yield Started(input_tokens=self._input_tokens)
            words = self.words[: request.max_tokens]
            for index, word in enumerate(words):
                if self.error is not None and self.error_after == index:
                    raise self.error
                if self._pause_at is not None and index >= self._pause_at:
                    await self.gate.wait()
                yield Delta(text=word, tokens=1)
            reason = FinishReason.STOP if len(words) == len(self.words) else FinishReason.LENGTH
            yield Finished(reason=reason, input_tokens=self._input_tokens, output_tokens=len(words))
        finally:
            self.stopped.set()
