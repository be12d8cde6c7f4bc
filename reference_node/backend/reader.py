"""An answer of OpenAI's API, chunk by chunk, as this node's events: counted, cut at its bounds, checked."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from mycellm_proto import limits
from mycellm_proto.answer import Candidate, Logprob, Part
from mycellm_proto.content import MILLION, ChatRequest, CompletionRequest, FinishReason, ToolMode
from reference_node.backend.faults import BackendFault, Trouble
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


class Usage:
    """A backend's own count: tokens read, tokens written, and how many of the first it had cached."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        self.input = _count(value.get("prompt_tokens"))
        self.output = _count(value.get("completion_tokens", 0))
        details = value.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, dict) else None
        self.cached = cached if type(cached) is int and 0 <= cached <= self.input else None

    @staticmethod
    def of(chunk: Mapping[str, Any]) -> Usage | None:
        """What a chunk tells. Raises `BackendFault`."""
        value = chunk.get("usage")
        return Usage(value) if isinstance(value, dict) else None


class Reader:
    """Reads one answer to ``request``. ``each_chunk`` counts a token for every chunk with text as it comes; without it,
    what the backend does not count in between is counted at the end.
    """

    def __init__(self, request: ChatRequest | CompletionRequest, input_tokens: int, *, each_chunk: bool) -> None:
        self._request, self._input, self._each_chunk = request, input_tokens, each_chunk
        self._stops = StopMatcher(request.stop)
        self._calls = _Calls(request) if isinstance(request, ChatRequest) else None
        self._logprobs = _Logprobs(request)
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
            if text := _text(choice.get("text")):
                yield Part.ANSWER, text
            return
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            raise BackendFault(Trouble.GARBLED)
        if reasoning := _text(delta.get("reasoning_content")) or _text(delta.get("reasoning")):
            yield Part.REASONING, reasoning
        if text := _text(delta.get("content")):
            if closing := self._calls.close():
                yield Part.ANSWER, closing
            yield Part.ANSWER, text
        yield from self._calls.take(delta.get("tool_calls"))


class _Calls:
    """Tool calls. One that may not be made goes out as text: it is the model's fault, and no one else's."""

    def __init__(self, request: ChatRequest) -> None:
        self.count = 0
        self._may = _callable(request)
        self._most = 1 if request.parallel_tool_calls is False else limits.MAX_CALLS
        self._index: int | None = None
        self._as_text = self._empty = False

    def take(self, value: object) -> Iterator[tuple[Part, str]]:
        if value is None:
            return
        if not isinstance(value, list):
            raise BackendFault(Trouble.GARBLED)
        for position, each in enumerate(value):
            function = each.get("function") if isinstance(each, dict) else None
            if not isinstance(function, dict):
                raise BackendFault(Trouble.GARBLED)
            index = each.get("index", position)
            name, arguments = _text(function.get("name")), _text(function.get("arguments"))
            if name and index != self._index:
                yield from self._begin(index, name)
            elif index != self._index:
                raise BackendFault(Trouble.GARBLED)  # arguments of another call than the one under way
            if arguments:
                self._empty = False
                yield (Part.ANSWER if self._as_text else Part.ARGUMENTS), arguments

    def _begin(self, index: int, name: str) -> Iterator[tuple[Part, str]]:
        if closing := self.close():
            yield Part.ANSWER, closing
        self._index, self._empty = index, True
        self._as_text = name not in self._may or self.count >= self._most
        if self._as_text:
            yield Part.ANSWER, f'{{"name": {json.dumps(name, ensure_ascii=False)}, "arguments": '
        else:
            self.count += 1
            yield Part.CALL, name

    def close(self) -> str:
        """The end of a call that went out as text."""
        was, self._as_text = self._as_text, False
        return ("{}}" if self._empty else "}") if was else ""


class _Logprobs:
    """Log-probabilities. Where stop sequences are set, none goes out before its token's text: INF-010."""

    def __init__(self, request: ChatRequest | CompletionRequest) -> None:
        self._wanted = request.top_logprobs
        self._chat = isinstance(request, ChatRequest)
        self._held_back = bool(request.stop)
        self._held: deque[Logprob] = deque()
        self._room = 0  # bytes of text that went out, less those of the entries that did
        self._sent = 0

    def read(self, choice: Mapping[str, Any]) -> list[Logprob]:
        """The entries of a chunk."""
        value = choice.get("logprobs")
        if self._wanted is None or not isinstance(value, dict):
            return []
        if not self._chat:
            return list(self._legacy(value))
        content = value.get("content") or []
        if not isinstance(content, list):
            raise BackendFault(Trouble.GARBLED)
        return [Logprob(token=_candidate(each), top=self._top(each)) for each in content]

    def shown(self, entries: list[Logprob], text: str, tokens: int) -> tuple[Logprob, ...]:
        """What may go out with ``text``; never more than there are ``tokens`` so far (INF-038)."""
        self._held += entries
        self._room += len(text.encode())
        out: list[Logprob] = []
        while self._held and self._sent < tokens:
            size = len(self._held[0].token.text)
            if self._held_back and size > self._room:
                break
            self._room -= size
            self._sent += 1
            out.append(self._held.popleft())
        return tuple(out)

    def rest(self, text: str) -> tuple[Logprob, ...]:
        """What may still go out with the last text."""
        return self.shown([], text, self._sent + len(self._held))

    def _top(self, entry: Mapping[str, Any]) -> tuple[Candidate, ...]:
        top = entry.get("top_logprobs") or []
        if not isinstance(top, list):
            raise BackendFault(Trouble.GARBLED)
        return tuple(_candidate(each) for each in top[: self._wanted])

    def _legacy(self, value: Mapping[str, Any]) -> Iterator[Logprob]:
        names, below, tops = (value.get(name) or [] for name in ("tokens", "token_logprobs", "top_logprobs"))
        if not all(isinstance(each, list) for each in (names, below, tops)) or len(names) != len(below):
            raise BackendFault(Trouble.GARBLED)
        for position, (name, logprob) in enumerate(zip(names, below, strict=True)):
            given = tops[position] if position < len(tops) else None
            pairs = list(given.items()) if isinstance(given, dict) else []
            pairs.sort(key=lambda pair: -_number(pair[1]))
            top = tuple(_made(token, each) for token, each in pairs[: self._wanted])
            yield Logprob(token=_made(name, logprob), top=top)


def _candidate(entry: object) -> Candidate:
    if not isinstance(entry, dict):
        raise BackendFault(Trouble.GARBLED)
    given = entry.get("bytes")
    if isinstance(given, list) and all(type(each) is int and 0 <= each <= 255 for each in given):
        return Candidate(text=bytes(given)[: limits.MAX_TOKEN_BYTES], below=_below(entry.get("logprob")))
    return _made(entry.get("token"), entry.get("logprob"))


def _made(token: object, logprob: object) -> Candidate:
    text = _text(token).encode("utf-8", "replace")[: limits.MAX_TOKEN_BYTES]
    return Candidate(text=text, below=_below(logprob))


def _below(logprob: object) -> int:
    return min(max(round(-_number(logprob) * MILLION), 0), limits.MAX_LOGPROB)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise BackendFault(Trouble.GARBLED)
    return max(float(value), -1000.0)  # the wire's own bound, and JSON's -Infinity


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value <= limits.MAX_TOKENS:
        raise BackendFault(Trouble.UNCOUNTED)
    return value


def _text(value: object) -> str:
    """Text that can be sent: JSON can also hold halves of characters."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BackendFault(Trouble.GARBLED)
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def _choice(chunk: Mapping[str, Any]) -> Mapping[str, Any] | None:
    choices = chunk.get("choices")
    if not isinstance(choices, list) or not all(isinstance(each, dict) for each in choices):
        raise BackendFault(Trouble.GARBLED)
    return choices[0] if choices else None


def _callable(request: ChatRequest) -> frozenset[str]:
    if request.tool_choice is ToolMode.NONE:
        return frozenset()
    if isinstance(request.tool_choice, str):
        return frozenset((request.tool_choice,))
    return frozenset(tool.name for tool in request.tools)
