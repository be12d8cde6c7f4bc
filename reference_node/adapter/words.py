"""A model without weights: it says much to every prompt, and the same each time."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from mycellm_proto.content import ChatRequest, FinishReason
from mycellm_proto.errors import ErrorCode

from ..engine.text import StopMatcher
from ..generation import Delta, Event, Finished, GenerationError, ModelInfo, Started, check_abilities

if TYPE_CHECKING:
    from mycellm_proto.content import Content

INFO = ModelInfo(id="words", digest=bytes(range(32)), context_length=32_768, owner="adapter", created=0)
MESSAGE_TOKENS = 4
"""Tokens that stand for a message's frame."""
BYTES_A_TOKEN = 4


class Words:
    """Implements `Generator`: each token is a number in words' clothing, so that a reader sees what is missing."""

    info = INFO

    async def generate(self, request: Content) -> AsyncGenerator[Event, None]:
        """Count, until a bound or a stop sequence. Sampling changes nothing: no other token is ever likely."""
        check_abilities(INFO, request)
        assert isinstance(request, ChatRequest)  # the one operation of `Abilities()`
        sizes = (len(message.content.encode()) for message in request.messages)
        tokens = sum(MESSAGE_TOKENS - (-size // BYTES_A_TOKEN) for size in sizes)
        if tokens >= INFO.context_length:
            raise GenerationError(ErrorCode.CONTEXT_TOO_LONG, limit=INFO.context_length - 1, actual=tokens)
        yield Started(input_tokens=tokens)
        matcher = StopMatcher(request.stop)
        most = min(request.max_tokens, INFO.context_length - tokens)
        for count in range(1, most + 1):
            yield Delta(text=matcher.push(f"{count:05d} "), tokens=1)
            if matcher.stopped:
                yield Finished(reason=FinishReason.STOP, input_tokens=tokens, output_tokens=count)
                return
        yield Delta(text=matcher.flush(), tokens=0)
        yield Finished(reason=FinishReason.LENGTH, input_tokens=tokens, output_tokens=most)
