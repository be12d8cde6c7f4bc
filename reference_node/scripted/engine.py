"""Plays what the rules say, within a request's limits, as any engine does."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Iterator, Sequence

from mycellm_proto.answer import Candidate, Logprob, Part
from mycellm_proto.content import (
    ChatRequest,
    CompletionRequest,
    Content,
    EmbeddingRequest,
    FinishReason,
    Operation,
    Prompt,
)
from mycellm_proto.errors import ErrorCode
from mycellm_proto.features import FEATURES
from reference_node.engine.text import StopMatcher
from reference_node.generation import Abilities, Delta, Event, Finished, GenerationError, ModelInfo, Started
from reference_node.scripted import tokens
from reference_node.scripted.rules import TEXT, Script, write_script
from reference_node.scripted.vectors import DIMENSIONS, vector

SCRIPTED_MODEL = "scripted"
CONTEXT_LENGTH = 131_072
MESSAGE_TOKENS = 3
"""Tokens that a message, a tool or an input costs beside its text."""

RETRY_SECONDS = 1.0
"""What a caller is told who asked for BUSY."""

LOGPROB_BELOW = 100_000
"""Micro-nats below certainty of every token; each alternative is `LOGPROB_STEP` less likely than the one before."""
LOGPROB_STEP = 1_000_000


ABILITIES = Abilities(operations=frozenset(Operation), parameters=FEATURES)


class ScriptedEngine:
    """A `Generator` whose answers follow from the request alone. It needs no end."""

    def __init__(self, model_id: str = SCRIPTED_MODEL) -> None:
        self.info = ModelInfo(
            id=model_id, digest=hashlib.sha256(f"mycellm scripted engine 1 {TEXT}".encode()).digest(),
            context_length=CONTEXT_LENGTH, owner="mycellm", created=1_767_225_600, abilities=ABILITIES,
        )  # fmt: skip

    def generate(self, request: Content) -> AsyncGenerator[Event, None]:
        """See `reference_node.generation`."""
        return self.answer(request, None)

    async def answer(self, request: Content, _owner: bytes | None) -> AsyncGenerator[Event, None]:
        """The same for an owner; nothing is kept of any."""
        deadline = asyncio.get_running_loop().time() + request.deadline_ms / 1000
        if isinstance(request, EmbeddingRequest):
            for event in _embed(request):
                yield event
            return
        script = write_script(request)
        if script.manner.refusal is not None:
            busy = script.manner.refusal is ErrorCode.BUSY
            raise GenerationError(script.manner.refusal, retry_after=RETRY_SECONDS if busy else None)
        async for event in _Performance(request, script, deadline).play():
            yield event

    def count_tokens(self, request: Content) -> int:
        """Tokens of a request's input, as `Started` would say."""
        return _input_tokens(request)

    def encode(self, text: str) -> list[int]:
        """The ids of a text's tokens."""
        return tokens.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens."""
        return tokens.decode(ids)

    async def aclose(self) -> None:
        """Nothing to free."""


def _embed(request: EmbeddingRequest) -> Iterator[Event]:
    count = _input_tokens(request)
    yield Started(input_tokens=count)
    for prompt in request.inputs:
        yield Delta(text="", tokens=0, part=Part.VECTOR, vector=vector(prompt, request.dimensions or DIMENSIONS))
    yield Finished(reason=FinishReason.STOP, input_tokens=count, output_tokens=0)


class _Performance:
    """One answer under way."""

    def __init__(self, request: ChatRequest | CompletionRequest, script: Script, deadline: float) -> None:
        self._request, self._script, self._deadline = request, script, deadline
        self._input = _input_tokens(request)
        self._output = 0

    async def play(self) -> AsyncGenerator[Event, None]:
        yield Started(input_tokens=self._input)
        if not await self._in_time(self._script.manner.wait_ms):
            yield self._finished(FinishReason.DEADLINE)
            return
        stops = StopMatcher(self._request.stop)
        for part, piece in _pieces(self._script):
            if self._output == self._script.manner.fail_after:
                raise GenerationError(ErrorCode.INTERNAL)
            full = self._output >= self._request.max_tokens
            ended = full or not await self._in_time(self._script.manner.pace_ms)
            if (ended or part is not Part.ANSWER) and (rest := stops.flush()):
                yield Delta(text=rest, tokens=0)
            if ended:
                yield self._finished(FinishReason.LENGTH if full else FinishReason.DEADLINE)
                return
            self._output += tokens.count(piece)
            text = stops.push(piece) if part is Part.ANSWER else piece
            yield Delta(text=text, tokens=tokens.count(piece), part=part, logprobs=self._logprobs(part, piece))
            if stops.stopped:
                yield self._finished(FinishReason.STOP)
                return
        if rest := stops.flush():
            yield Delta(text=rest, tokens=0)
        yield self._finished(FinishReason.TOOL_CALLS if self._script.calls else FinishReason.STOP)

    async def _in_time(self, wait_ms: int) -> bool:
        """Waits, but not beyond the deadline; whether that is still to come. Lets others run in any case."""
        left = self._deadline - asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, min(wait_ms / 1000, left)))
        return wait_ms / 1000 < left

    def _finished(self, reason: FinishReason) -> Finished:
        return Finished(reason=reason, input_tokens=self._input, output_tokens=self._output)

    def _logprobs(self, part: Part, piece: str) -> tuple[Logprob, ...]:
        wanted = self._request.top_logprobs
        if wanted is None or part is not Part.ANSWER:
            return ()
        token = Candidate(text=piece.encode(), below=LOGPROB_BELOW)
        others = (
            Candidate(text=f"alternative {n}".encode(), below=LOGPROB_BELOW + n * LOGPROB_STEP)
            for n in range(1, wanted)
        )
        return (Logprob(token=token, top=(token, *others) if wanted else ()),)


def _pieces(script: Script) -> Iterator[tuple[Part, str]]:
    """Tokens; only a call's name is one piece of several."""
    for part, text in ((Part.REASONING, script.reasoning), (Part.ANSWER, script.text)):
        yield from ((part, piece) for piece in tokens.cut(text))
    for name, arguments in script.calls:
        yield Part.CALL, name
        yield from ((Part.ARGUMENTS, piece) for piece in tokens.cut(arguments))


def _input_tokens(request: Content) -> int:
    """Raises `GenerationError` (CONTEXT_TOO_LONG) where no answer would fit."""
    match request:
        case EmbeddingRequest():
            counts = [_prompt_tokens(prompt) for prompt in request.inputs]
            if max(counts) > CONTEXT_LENGTH:
                raise GenerationError(ErrorCode.CONTEXT_TOO_LONG, limit=CONTEXT_LENGTH, actual=max(counts))
            return sum(counts)
        case CompletionRequest():
            total = _prompt_tokens(request.prompt)
        case _:
            texts = [text for message in request.messages for text in (message.content, message.reasoning or "")]
            calls = [call for message in request.messages for call in message.calls]
            texts += [text for call in calls for text in (call.name, call.arguments)]
            texts += [text or "" for tool in request.tools for text in (tool.name, tool.description, tool.parameters)]
            extra = len(request.messages) + len(calls) + len(request.tools)
            total = sum(map(tokens.count, texts)) + MESSAGE_TOKENS * extra
    if total >= CONTEXT_LENGTH:
        raise GenerationError(ErrorCode.CONTEXT_TOO_LONG, limit=CONTEXT_LENGTH - 1, actual=total)
    return total


def _prompt_tokens(prompt: Prompt) -> int:
    return MESSAGE_TOKENS + (tokens.count(prompt) if isinstance(prompt, str) else len(prompt))
