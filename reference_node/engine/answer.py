"""From tokens to the parts of an answer, as they come: text, stop sequences, reasoning and calls, in this order."""

from __future__ import annotations

from collections import deque

from mycellm_proto.answer import Logprob, Part
from reference_node.engine.calls import CallParser
from reference_node.engine.reasoning import ReasoningSplitter
from reference_node.engine.text import TextStream
from reference_node.generation import Delta

Pieces = list[tuple[Part, str]]


class AnswerStream:
    """One answer. ``calls`` and ``reasoning`` are None where the answer is all text, which then passes untouched.

    A token's log-probabilities go out with the text that it completed, so that no stop sequence shows in them.
    """

    def __init__(
        self, text: TextStream, calls: CallParser | None = None, reasoning: ReasoningSplitter | None = None
    ) -> None:
        self._text, self.calls, self._reasoning = text, calls, reasoning
        self._logprobs: deque[tuple[int, Logprob]] = deque()  # where the text of each token ends

    @property
    def stopped(self) -> bool:
        """Whether a stop sequence has ended the answer."""
        return self._text.stopped

    @property
    def full(self) -> bool:
        """Whether there are as many calls as may be."""
        return self.calls is not None and self.calls.full

    @property
    def has_calls(self) -> bool:
        """Whether a tool was called."""
        return self.calls is not None and self.calls.calls > 0

    def push(self, token: int, logprob: Logprob | None = None) -> list[Delta]:
        """What goes out after a token: at least one delta, the first of which counts it."""
        text = self._text.push(token)
        if logprob is not None:
            self._logprobs.append((self._text.taken, logprob))
        return self._deltas(self._split(text), tokens=1)

    def last(self, *, tokens: int) -> list[Delta]:
        """The rest, at the end; ``tokens``: 1 for an end-of-text token, which has no text."""
        pieces = self._split(self._text.flush())
        if self._reasoning is not None:
            for part, text in self._reasoning.flush():
                pieces += self._find_calls(part, text)
        if self.calls is not None:
            pieces += self.calls.flush()
        deltas = self._deltas(pieces, tokens=tokens)
        return deltas if tokens or pieces else []

    def _split(self, text: str) -> Pieces:
        if self._reasoning is None:
            return self._find_calls(Part.ANSWER, text)
        return [piece for part, text in self._reasoning.push(text) for piece in self._find_calls(part, text)]

    def _find_calls(self, part: Part, text: str) -> Pieces:
        if self.calls is None or part is not Part.ANSWER:
            return [(part, text)] if text else []
        return self.calls.push(text)

    def _deltas(self, pieces: Pieces, *, tokens: int) -> list[Delta]:
        (part, text), *rest = pieces or [(Part.ANSWER, "")]
        first = Delta(text=text, tokens=tokens, part=part, logprobs=self._released())
        return [first, *(Delta(text=text, tokens=0, part=part) for part, text in rest)]

    def _released(self) -> tuple[Logprob, ...]:
        found = []
        while self._logprobs and self._logprobs[0][0] <= self._text.given:
            found.append(self._logprobs.popleft()[1])
        return tuple(found)
