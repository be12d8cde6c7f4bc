"""What the events of one generation add up to: the one place where parts, calls and counts are gathered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mycellm_proto.answer import Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mycellm_proto.answer import Logprob

    from ..generation import Delta, Finished


@dataclass(slots=True, kw_only=True)
class Call:
    """A tool call as far as it has come. ``id`` is this API's own: the model gives none."""

    id: str
    name: str
    pieces: list[str] = field(default_factory=list)

    @property
    def arguments(self) -> str:
        """Text that is meant to be a JSON object."""
        return "".join(self.pieces)


@dataclass(slots=True)
class Result:
    """One choice of an answer. Counts are in tokens."""

    input_tokens: int = 0
    reasoning_tokens: int = 0
    finished: Finished | None = None
    calls: list[Call] = field(default_factory=list)
    logprobs: list[Logprob] = field(default_factory=list)
    vectors: list[bytes] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)

    def add(self, delta: Delta, new_id: str) -> None:
        """Take one more delta; ``new_id`` is for the call that it may begin."""
        self.logprobs += delta.logprobs
        if delta.vector:
            self.vectors.append(delta.vector)
        if delta.part is Part.ANSWER:
            self.texts.append(delta.text)
        elif delta.part is Part.REASONING:
            self.thoughts.append(delta.text)
            self.reasoning_tokens += delta.tokens
        elif delta.part is Part.CALL:
            self.calls.append(Call(id=new_id, name=delta.text))
        elif self.calls:
            self.calls[-1].pieces.append(delta.text)

    @property
    def text(self) -> str:
        """The answer without calls and reasoning."""
        return "".join(self.texts)

    @property
    def reasoning(self) -> str:
        """What the model thought before it answered."""
        return "".join(self.thoughts)

    @property
    def end(self) -> Finished:
        """How it ended; only for a result that is whole."""
        assert self.finished is not None
        return self.finished


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What several results cost together. Results that share a prompt (``per_prompt`` of them) count it once."""

    input: int
    output: int
    cached: int
    reasoning: int

    @classmethod
    def of(cls, results: Sequence[Result], per_prompt: int = 1) -> Usage:
        """The sum of whole results."""
        prompts: Iterable[Result] = results[::per_prompt]
        return cls(
            input=sum(result.end.input_tokens for result in prompts),
            output=sum(result.end.output_tokens for result in results),
            cached=sum(result.end.cached_tokens or 0 for result in results[::per_prompt]),
            reasoning=sum(result.reasoning_tokens for result in results),
        )
