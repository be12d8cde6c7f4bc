"""An answer of OpenAI's API, chunk by chunk, as this node's events: counted, cut at its bounds, checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mycellm_proto.answer import Logprob, Part
from mycellm_proto.content import ChatRequest, CompletionRequest, FinishReason
from reference_node.backend.faults import BackendFault, Trouble
from reference_node.backend.logprobs import Logprobs
from reference_node.backend.tool_calls import Calls
from reference_node.backend.values import Usage, text_of
from reference_node.engine.text import StopMatcher
from reference_node.generation import Delta, Finished

FINISHES: Mapping[str, FinishReason] = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.STOP,
}
"""What a backend may end an answer with. Any other word is a failure of its own."""


class MiscountError(Exception):
    """More was counted, one token a chunk, than the backend says that it made: nothing may be billed."""


class Reader:
    """Reads one answer to ``request``. ``each_chunk`` counts a token for every chunk with text as it comes; without it,
    what the backend does not count in between is counted at the end.
    """

    def __init__(self, request: ChatRequest | CompletionRequest, input_tokens: int, *, each_chunk: bool) -> None:
        self._request, self._input, self._each_chunk = request, input_tokens, each_chunk
        self._stops = StopMatcher(request.stop)
        self._calls = Calls(request) if isinstance(request, ChatRequest) else None
        self._logprobs = Logprobs(request)
        self._counted = 0
        self._usage: Usage | None = None
        self._reason: FinishReason | None = None
        self.over = False

    def take(self, chunk: Mapping[str, Any]) -> list[Delta]:
        """What a chunk adds. ``over`` is true once no more of the backend is wanted. Raises `BackendFault`."""
        usage = Usage.of(chunk)
        self._usage = usage or self._usage
        choice = _choice(chunk)
        pieces = [] if choice is None else list(self._pieces(choice))
        entries = [] if choice is None else self._logprobs.read(choice)
        if usage is not None:
            tokens = max(0, usage.output - self._counted)
        else:
            tokens = max(int(self._each_chunk and bool(pieces)), len(entries))
        return self._say(pieces, tokens, entries)

    def end(self) -> Iterator[Delta | Finished]:
        """The end, after the last chunk or once ``over``. Raises `BackendFault`, `MiscountError`."""
        reason, rest = self._reason, 0
        if not self.over:
            if reason is None:
                raise BackendFault(Trouble.CUT)
            if self._usage is None:
                raise BackendFault(Trouble.UNCOUNTED)
            if self._usage.output < self._counted:
                raise MiscountError
            rest = min(self._usage.output, self._request.max_tokens) - self._counted
        text = "" if self._stops.stopped else self._stops.flush()
        if self._calls is not None and (closing := self._calls.close()):
            text += closing
        entries = self._logprobs.rest(text)
        if text or rest or entries:
            yield Delta(text=text, tokens=max(rest, 0), logprobs=entries)
            self._counted += max(rest, 0)
        called = self._calls is not None and self._calls.count > 0
        if reason in (FinishReason.STOP, FinishReason.TOOL_CALLS):
            reason = FinishReason.TOOL_CALLS if called and not self._stops.stopped else FinishReason.STOP
        cached = None if self._usage is None else self._usage.cached
        yield Finished(
            reason=reason or FinishReason.STOP,
            input_tokens=self._input,
            output_tokens=self._counted,
            cached_tokens=cached if cached is None else min(cached, self._input),
        )

    @property
    def counted(self) -> int:
        """Tokens of the answer so far, as billed."""
        return self._counted

    def _say(self, pieces: list[tuple[Part, str]], tokens: int, entries: list[Logprob]) -> list[Delta]:
        room = self._request.max_tokens - self._counted
        if room <= 0 and pieces:  # it does not keep to max_tokens: INF-012
            self._reason, self.over = FinishReason.LENGTH, True
            return []
        tokens = min(tokens, room)
        self._counted += tokens
        deltas: list[Delta] = []
        for part, piece in pieces:
            text = self._stops.push(piece) if part is Part.ANSWER else piece
            if part is not Part.ANSWER and (held := self._stops.flush()):
                deltas.append(Delta(text=held, tokens=0))
            if text:
                deltas.append(Delta(text=text, tokens=0, part=part))
            if self._stops.stopped:
                self._reason, self.over = FinishReason.STOP, True
                break
        answered = "".join(delta.text for delta in deltas if delta.part is Part.ANSWER)
        shown = self._logprobs.shown(entries, answered, self._counted)
        if not deltas and (tokens or shown):
            return [Delta(text="", tokens=tokens, logprobs=shown)]
        if deltas:
            first = deltas[0]
            deltas[0] = Delta(text=first.text, tokens=tokens, part=first.part, logprobs=shown)
        return deltas

    def _pieces(self, choice: Mapping[str, Any]) -> Iterator[tuple[Part, str]]:
        if (word := choice.get("finish_reason")) is not None:
            if word not in FINISHES:
                raise BackendFault(Trouble.FAILED)
            self._reason = FINISHES[word]
        if self._calls is None:
            if text := text_of(choice.get("text")):
                yield Part.ANSWER, text
            return
        delta = choice.get("delta") or {}
        if not isinstance(delta, dict):
            raise BackendFault(Trouble.GARBLED)
        if reasoning := text_of(delta.get("reasoning_content")) or text_of(delta.get("reasoning")):
            yield Part.REASONING, reasoning
        if text := text_of(delta.get("content")):
            if closing := self._calls.close():
                yield Part.ANSWER, closing
            yield Part.ANSWER, text
        yield from self._calls.take(delta.get("tool_calls"))


def _choice(chunk: Mapping[str, Any]) -> Mapping[str, Any] | None:
    choices = chunk.get("choices")
    if not isinstance(choices, list) or not all(isinstance(each, dict) for each in choices):
        raise BackendFault(Trouble.GARBLED)
    return choices[0] if choices else None
