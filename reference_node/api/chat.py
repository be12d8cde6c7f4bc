"""``POST /v1/chat/completions``: from a checked body to a `ChatRequest`, and from events to OpenAI's objects."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

from mycellm_proto.answer import Part
from mycellm_proto.content import ChatRequest, Operation

from . import logprobs
from .asking import consistent
from .chat_body import EFFORTS, REFUSED, ChatBody
from .checks import check, refuse
from .dialects import openai_error, openai_failure
from .errors import FINISH_REASONS
from .result import Usage
from .sse import DONE, KEEP_ALIVE, dumps, event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..generation import Delta
    from .asking import Asked
    from .errors import ApiError
    from .exchange import Exchange
    from .result import Result


def chat_request(body: ChatBody, *, model: str, max_tokens: int, deadline_ms: int, choice: int = 0) -> ChatRequest:
    """What crosses to the engine or the peer for one choice. Raises `ApiError`."""
    request = ChatRequest(
        model=model,
        messages=tuple(message.message() for message in body.messages),
        max_tokens=max_tokens,
        deadline_ms=deadline_ms,
        stop=tuple(body.stop or ()),
        sampling=body.sampling(choice),
        top_logprobs=body.wanted_logprobs(),
        tools=body.offered(),
        tool_choice=body.choice() if body.tools else None,
        parallel_tool_calls=body.parallel_tool_calls if body.tools else None,
        response_format=body.format(),
        reasoning_effort=None if body.reasoning_effort is None else EFFORTS[body.reasoning_effort],
    )
    return consistent(request)


def complete(asked: Asked) -> Exchange:
    """Answer one request. Raises `ApiError`."""
    refuse(asked.body, REFUSED)
    body = check(ChatBody, asked.body, without_images=asked.api.without_images)
    generator = asked.find(body.model, Operation.CHAT)
    info = generator.info
    choices = body.n or 1
    most = asked.room(body.most_tokens(), info, choices)
    contents = [
        chat_request(body, model=info.id, max_tokens=most, deadline_ms=asked.deadline_ms, choice=choice)
        for choice in range(choices)
    ]
    answer = ChatAnswer(model=info.id, include_usage=body.include_usage)
    return asked.exchange(generator, contents, answer, stream=bool(body.stream))


def usage_object(usage: Usage) -> dict[str, Any]:
    """``usage`` of chat and text completions."""
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def _calls(result: Result) -> list[dict[str, Any]]:
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in result.calls
    ]


def _message(result: Result) -> dict[str, Any]:
    text = result.text
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if result.calls and not text else text,
        "refusal": None,
        "annotations": [],
    }
    if result.calls:
        message["tool_calls"] = _calls(result)
    if result.thoughts:
        message["reasoning_content"] = result.reasoning
    return message


def _logprobs(found: Sequence[Any]) -> dict[str, Any] | None:
    return {"content": logprobs.content(found), "refusal": None} if found else None


class ChatAnswer:
    """The objects of one answer of one or more choices."""

    keep_alive = KEEP_ALIVE

    def __init__(self, *, model: str, include_usage: bool) -> None:
        self._head: dict[str, Any] = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
        }
        self._include_usage = include_usage
        # A chunk of text is most of all events: everything in it but the text is written once.
        self._before = dumps(self._head)[:-1] + ',"choices":[{"index":'
        self._after = "}]" + (',"usage":null' if include_usage else "") + "}"

    def whole(self, results: Sequence[Result]) -> dict[str, object]:
        """``chat.completion``."""
        choices = [
            {
                "index": index,
                "message": _message(result),
                "logprobs": _logprobs(result.logprobs),
                "finish_reason": FINISH_REASONS[result.end.reason],
            }
            for index, result in enumerate(results)
        ]
        usage = usage_object(Usage.of(results, len(results)))
        return self._head | {"object": "chat.completion", "choices": choices, "usage": usage}

    def opening(self, results: Sequence[Result]) -> Iterator[str]:
        """The first chunks: who speaks."""
        for index in range(len(results)):
            yield self._chunk(index, '{"role":"assistant","content":""}')

    def piece(self, index: int, delta: Delta, result: Result) -> Iterator[str]:
        """A chunk of text, of reasoning, or of a tool call."""
        found = _logprobs(delta.logprobs) if delta.logprobs else None
        if delta.part is Part.CALL:
            call = result.calls[-1]
            function = {"name": call.name, "arguments": ""}
            started = {"index": len(result.calls) - 1, "id": call.id, "type": "function", "function": function}
            yield self._chunk(index, dumps({"tool_calls": [started]}), found)
        elif delta.part is Part.ARGUMENTS:
            more = {"index": len(result.calls) - 1, "function": {"arguments": delta.text}}
            yield self._chunk(index, dumps({"tool_calls": [more]}), found)
        elif delta.text or found:
            name = "content" if delta.part is Part.ANSWER else "reasoning_content"
            yield self._chunk(index, f'{{"{name}":{dumps(delta.text)}}}', found)

    def closing(self, results: Sequence[Result]) -> Iterator[str]:
        """The chunks with the reasons, and the usage where it was asked for."""
        for index, result in enumerate(results):
            yield self._chunk(index, "{}", reason=FINISH_REASONS[result.end.reason])
        if self._include_usage:
            yield event(self._head | {"choices": [], "usage": usage_object(Usage.of(results, len(results)))})
        yield DONE

    def failing(self, error: ApiError) -> Iterable[str]:
        """See `reference_node.api.exchange.Answer`."""
        return openai_failure(error)

    def refusal(self, error: ApiError) -> dict[str, object]:
        """See `reference_node.api.exchange.Answer`."""
        return openai_error(error)

    def _chunk(self, index: int, delta: str, found: object = None, reason: str | None = None) -> str:
        written = "null" if found is None else dumps(found)
        end = "null" if reason is None else f'"{reason}"'
        inner = f'{index},"delta":{delta},"logprobs":{written},"finish_reason":{end}'
        return f"data: {self._before}{inner}{self._after}\n\n"
