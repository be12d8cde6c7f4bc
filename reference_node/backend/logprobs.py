"""Log-probabilities of an answer, as they come: of the chat API, and of the older completions."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from mycellm_proto import limits
from mycellm_proto.answer import Candidate, Logprob
from mycellm_proto.content import MILLION, ChatRequest, CompletionRequest
from reference_node.backend.faults import BackendFault, Trouble
from reference_node.backend.values import text_of


class Logprobs:
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
    text = text_of(token).encode("utf-8", "replace")[: limits.MAX_TOKEN_BYTES]
    return Candidate(text=text, below=_below(logprob))


def _below(logprob: object) -> int:
    return min(max(round(-_number(logprob) * MILLION), 0), limits.MAX_LOGPROB)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise BackendFault(Trouble.GARBLED)
    return max(float(value), -1000.0)  # the wire's own bound, and JSON's -Infinity
