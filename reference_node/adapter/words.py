"""A model without weights: it says much to every prompt, and the same each time. It also calls tools and embeds."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from mycellm_proto.answer import Candidate, Logprob, Part
from mycellm_proto.content import ChatRequest, CompletionRequest, EmbeddingRequest, FinishReason, Operation, ToolMode
from mycellm_proto.errors import ErrorCode
from mycellm_proto.features import FEATURES

from ..engine.text import StopMatcher
from ..generation import Abilities, Delta, Event, Finished, GenerationError, ModelInfo, Started, check_abilities

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from mycellm_proto.content import Content, Prompt

_NOT_APPLIED = frozenset(
    (
        "repetition_penalty",
        "logit_bias",
        "reasoning_effort",
        "messages.reasoning",
        "messages.name",
        "tools.strict",
        "response_format.schema",
    )
)
INFO = ModelInfo(
    id="words",
    digest=bytes(range(32)),
    context_length=32_768,
    owner="adapter",
    created=0,
    abilities=Abilities(operations=frozenset(Operation), parameters=FEATURES - _NOT_APPLIED),
)
MESSAGE_TOKENS = 4
"""Tokens that stand for a message's frame."""
BYTES_A_TOKEN = 4
NUMBERS = 4
"""Numbers of a vector, where nothing else is asked for."""


class Words:
    """Implements `Generator`: each token is a number in words' clothing, so that a reader sees what is missing."""

    info = INFO

    async def generate(self, request: Content) -> AsyncGenerator[Event, None]:
        """Answer as it was asked. Sampling changes nothing: no other token is ever likely."""
        check_abilities(INFO, request)
        tokens = _input_tokens(request)
        yield Started(input_tokens=tokens)
        most = min(request.max_tokens, INFO.context_length - tokens)
        said, reason, count = _answer(request, most), FinishReason.LENGTH, 0
        for delta, end in said:
            if count + delta.tokens > max(most, 0):
                break
            count += delta.tokens
            yield delta
            if end is not None:
                reason = end
        yield Finished(reason=reason, input_tokens=tokens, output_tokens=count)


def _answer(request: Content, most: int) -> Iterator[tuple[Delta, FinishReason | None]]:
    """The pieces of the answer; why it ended, with the last one, where nothing else ended it."""
    if isinstance(request, EmbeddingRequest):
        numbers = struct.pack("<f", 0.5) * (request.dimensions or NUMBERS)
        for _ in request.inputs:
            yield Delta(text="", tokens=0, part=Part.VECTOR, vector=numbers), FinishReason.STOP
    elif isinstance(request, ChatRequest) and (name := _called(request)) is not None:
        yield Delta(text=name, tokens=1, part=Part.CALL), None
        yield Delta(text="{}", tokens=1, part=Part.ARGUMENTS), FinishReason.TOOL_CALLS
    elif isinstance(request, ChatRequest) and request.response_format is not None:
        yield Delta(text="{", tokens=1), None
        yield Delta(text="}", tokens=1), FinishReason.STOP
    else:
        yield from _words(request, most)


def _called(request: ChatRequest) -> str | None:
    """The tool that has to be called, if one has: by itself it calls none."""
    choice = request.tool_choice
    return request.tools[0].name if choice is ToolMode.REQUIRED else choice if isinstance(choice, str) else None


def _words(request: ChatRequest | CompletionRequest, most: int) -> Iterator[tuple[Delta, FinishReason | None]]:
    matcher, unsaid = StopMatcher(request.stop), ""
    for count in range(1, most + 1):
        unsaid += f"{count:05d} "
        text = matcher.push(f"{count:05d} ")
        logprobs, unsaid = _told(request.top_logprobs, unsaid, len(text))
        yield Delta(text=text, tokens=1, logprobs=logprobs), FinishReason.STOP if matcher.stopped else None
        if matcher.stopped:
            return
    rest = matcher.flush()
    logprobs, _ = _told(request.top_logprobs, unsaid, len(rest))
    yield Delta(text=rest, tokens=0, logprobs=logprobs), None


def _told(top: int | None, unsaid: str, length: int) -> tuple[tuple[Logprob, ...], str]:
    """The log-probabilities of the words that are out with so much more text, and the words that are not."""
    if top is None:
        return (), ""
    out, left = unsaid[:length], unsaid[length:]
    tokens = [Candidate(text=f"{word} ".encode(), below=0) for word in out.split()]
    return tuple(Logprob(token=each, top=(each,)[:top]) for each in tokens), left


def _input_tokens(request: Content) -> int:
    if isinstance(request, EmbeddingRequest):
        if (longest := max(map(_tokens, request.inputs))) > INFO.context_length:
            raise GenerationError(ErrorCode.CONTEXT_TOO_LONG, limit=INFO.context_length, actual=longest)
        return sum(map(_tokens, request.inputs))
    if isinstance(request, ChatRequest):
        sizes = (len(message.content.encode()) for message in request.messages)
        tokens = sum(MESSAGE_TOKENS - (-size // BYTES_A_TOKEN) for size in sizes)
    else:
        tokens = _tokens(request.prompt)
    if tokens >= INFO.context_length:
        raise GenerationError(ErrorCode.CONTEXT_TOO_LONG, limit=INFO.context_length - 1, actual=tokens)
    return tokens


def _tokens(prompt: Prompt) -> int:
    return -(-len(prompt.encode()) // BYTES_A_TOKEN) if isinstance(prompt, str) else len(prompt)
