"""``POST /v1/completions``: text, or token ids, that the model goes on with as they are."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, StrictBool, StrictInt

from mycellm_proto.content import CompletionRequest, Operation, Prompt

from . import logprobs
from .chat import usage_object
from .checks import ModelId, TokenId, check, refuse, unsupported, wrong
from .dialects import openai_error, openai_failure
from .errors import FINISH_REASONS
from .result import Usage
from .sampling import SamplingBody
from .sse import DONE, KEEP_ALIVE, event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ..generation import Delta
    from .asking import Asked
    from .errors import ApiError
    from .exchange import Exchange
    from .result import Result

MAX_PROMPTS = 32
"""Prompts of one request, times ``n``: each takes a slot and a place in the queue."""
MAX_PROMPT_IDS = 1_000_000
DEFAULT_TOKENS = 16
"""As OpenAI has it: whoever sends no bound to this old route expects a short answer."""

REFUSED: Mapping[str, tuple[object, ...]] = {
    "suffix": ("",),
    "best_of": (1,),
    "min_tokens": (0,),
    "ignore_eos": (False,),
    "guided_json": (),
    "guided_regex": (),
    "guided_choice": (),
    "guided_grammar": (),
    "grammar": ("",),
    "prompt_logprobs": (0,),
}


def as_list(value: object) -> object:
    """One prompt as a list of one; token ids are one prompt."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value and all(type(item) is int for item in value):
        return [value]
    if not isinstance(value, list):
        raise wrong("it is text, token ids, or a list of either")
    return value


TokenIds = Annotated[list[TokenId], Field(min_length=1, max_length=MAX_PROMPT_IDS)]


class CompletionBody(SamplingBody):
    """The body of a text completion."""

    model: ModelId
    prompt: Annotated[list[str | TokenIds], Field(min_length=1, max_length=MAX_PROMPTS), BeforeValidator(as_list)]
    logprobs: Annotated[StrictInt, Field(ge=0, le=5)] | None = None
    echo: StrictBool | None = None

    def prompts(self) -> list[Prompt]:
        """The prompts as they cross."""
        return [each if isinstance(each, str) else tuple(each) for each in self.prompt]


def complete(asked: Asked) -> Exchange:
    """Answer one request. Raises `ApiError`."""
    refuse(asked.body, REFUSED)
    body = check(CompletionBody, asked.body)
    prompts, choices = body.prompts(), body.n or 1
    if len(prompts) * choices > MAX_PROMPTS:
        raise unsupported("n", f"prompts times n may be at most {MAX_PROMPTS}")
    if body.echo and (body.logprobs is not None or not all(isinstance(prompt, str) for prompt in prompts)):
        raise unsupported("echo", "only text can be repeated, and without log-probabilities")
    generator = asked.find(body.model, Operation.COMPLETE)
    info = generator.info
    most = asked.room(body.max_tokens or DEFAULT_TOKENS, info, len(prompts) * choices)
    contents = [
        CompletionRequest(
            model=info.id,
            prompt=prompt,
            max_tokens=most,
            deadline_ms=asked.deadline_ms,
            stop=tuple(body.stop or ()),
            sampling=body.sampling(choice),
            top_logprobs=body.logprobs,
        )
        for prompt in prompts
        for choice in range(choices)
    ]
    echoes = [content.prompt if body.echo and isinstance(content.prompt, str) else "" for content in contents]
    answer = CompletionAnswer(
        model=info.id, include_usage=body.include_usage, echoes=echoes, choices=choices
    )  # fmt: skip
    return asked.exchange(generator, contents, answer, stream=bool(body.stream))


class CompletionAnswer:
    """The objects of one answer; ``echoes`` stand before the texts of the choices."""

    keep_alive = KEEP_ALIVE

    def __init__(self, *, model: str, include_usage: bool, echoes: Sequence[str], choices: int) -> None:
        self._head: dict[str, Any] = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
        }
        self._include_usage = include_usage
        self._echoes = echoes
        self._choices = choices
        self._offsets = [len(echo) for echo in echoes]

    def whole(self, results: Sequence[Result]) -> dict[str, object]:
        """``text_completion``."""
        choices = [
            self._choice(
                index, self._echoes[index] + result.text, FINISH_REASONS[result.end.reason],
                logprobs.legacy(result.logprobs, self._offsets[index]) if result.logprobs else None,
            )
            for index, result in enumerate(results)
        ]  # fmt: skip
        return self._head | {"choices": choices, "usage": self._usage(results)}

    def opening(self, _results: Sequence[Result]) -> Iterator[str]:
        """The prompts, where they are to be repeated."""
        for index, echo in enumerate(self._echoes):
            if echo:
                yield self._chunk(self._choice(index, echo, None, None))

    def piece(self, index: int, delta: Delta, _result: Result) -> Iterator[str]:
        """A chunk of text."""
        if delta.text or delta.logprobs:
            found = logprobs.legacy(delta.logprobs, self._offsets[index]) if delta.logprobs else None
            self._offsets[index] += len(delta.text)
            yield self._chunk(self._choice(index, delta.text, None, found))

    def closing(self, results: Sequence[Result]) -> Iterator[str]:
        """The chunks with the reasons, and the usage where it was asked for."""
        for index, result in enumerate(results):
            yield self._chunk(self._choice(index, "", FINISH_REASONS[result.end.reason], None))
        if self._include_usage:
            yield event(self._head | {"choices": [], "usage": self._usage(results)})
        yield DONE

    def failing(self, error: ApiError) -> Iterable[str]:
        """See `reference_node.api.exchange.Answer`."""
        return openai_failure(error)

    def refusal(self, error: ApiError) -> dict[str, object]:
        """See `reference_node.api.exchange.Answer`."""
        return openai_error(error, "prompt")

    def _usage(self, results: Sequence[Result]) -> dict[str, Any]:
        return usage_object(Usage.of(results, self._choices))

    @staticmethod
    def _choice(index: int, text: str, reason: str | None, found: dict[str, Any] | None) -> dict[str, Any]:
        return {"index": index, "text": text, "logprobs": found, "finish_reason": reason}

    def _chunk(self, choice: dict[str, Any]) -> str:
        usage: dict[str, Any] = {"usage": None} if self._include_usage else {}
        return event(self._head | {"choices": [choice]} | usage)
