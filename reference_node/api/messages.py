"""``POST /v1/messages``: Anthropic's shape of a chat, whole or as named events."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from mycellm_proto.answer import Part
from mycellm_proto.content import FinishReason, Operation

from .checks import check
from .dialects import anthropic_error
from .messages_body import CountBody, MessagesBody, request_of
from .result import Usage
from .sse import event

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mycellm_proto.content import ChatRequest

    from ..generation import Delta, ModelInfo
    from .asking import Asked
    from .errors import ApiError
    from .exchange import Exchange
    from .result import Result

STOP_REASONS = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.CEILING: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
}
"""Ends in Anthropic's words. A stop sequence is an end of the turn: which one it was does not cross."""

_DELTAS = {
    Part.ANSWER: ("text_delta", "text"),
    Part.REASONING: ("thinking_delta", "thinking"),
    Part.ARGUMENTS: ("input_json_delta", "partial_json"),
}


def answer(asked: Asked) -> Exchange:
    """Answer one request. Raises `ApiError`."""
    body = check(MessagesBody, asked.body, without_images=asked.api.without_images)
    generator = asked.find(body.model, Operation.CHAT)
    info = generator.info
    request = request_of(
        body, info, max_tokens=asked.room(body.most_tokens, info), deadline_ms=asked.deadline_ms,
        fields={"stop": tuple(body.stop_sequences or ()), "sampling": body.sampling()},
    )  # fmt: skip
    written = MessageAnswer(model=info.id, request_id=asked.request.scope["state"]["request_id"])
    return asked.exchange(generator, [request], written, stream=bool(body.stream))


def counted_request(body: CountBody, info: ModelInfo, deadline_ms: int) -> ChatRequest:
    """The request whose tokens are counted. Raises `ApiError`."""
    return request_of(body, info, max_tokens=1, deadline_ms=deadline_ms, fields={})


def _arguments(text: str) -> dict[str, Any]:
    """The input of a call as an object; what a model wrote that is none is kept under a name of its own."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"arguments": text}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input - usage.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": None,
        "server_tool_use": None,
        "service_tier": "standard",
        "inference_geo": None,
    }


class MessageAnswer:
    """The objects of one answer. In a stream, blocks follow each other: one is open at a time."""

    keep_alive = event({"type": "ping"}, "ping")

    def __init__(self, *, model: str, request_id: str) -> None:
        self._request_id = request_id
        self._head: dict[str, Any] = {
            "id": f"msg_{secrets.token_hex(12)}",
            "type": "message",
            "role": "assistant",
            "model": model,
        }
        self._tail: dict[str, Any] = {"stop_sequence": None, "stop_details": None, "container": None}
        self._block: Part | None = None
        self._index = -1

    def whole(self, results: Sequence[Result]) -> dict[str, object]:
        """``message``."""
        [result] = results
        content: list[dict[str, Any]] = []
        if result.thoughts:
            content.append({"type": "thinking", "thinking": result.reasoning, "signature": ""})
        if result.text or not result.calls:
            content.append({"type": "text", "text": result.text, "citations": []})
        content += [
            {
                "type": "tool_use",
                "id": _tool_id(call.id),
                "name": call.name,
                "input": _arguments(call.arguments),
                "caller": {"type": "direct"},
            }
            for call in result.calls
        ]
        end = {"content": content, "stop_reason": STOP_REASONS[result.end.reason]}
        return self._head | end | self._tail | {"usage": _usage(Usage.of(results))}

    def opening(self, results: Sequence[Result]) -> Iterator[str]:
        """``message_start`` and a ping."""
        usage = _usage(Usage(input=results[0].input_tokens, output=0, cached=0, reasoning=0))
        message = self._head | {"content": [], "stop_reason": None} | self._tail | {"usage": usage}
        yield event({"type": "message_start", "message": message}, "message_start")
        yield self.keep_alive

    def piece(self, _index: int, delta: Delta, result: Result) -> Iterator[str]:
        """More of the open block, after the begin of a block where another kind begins."""
        if delta.part is Part.CALL:
            call = result.calls[-1]
            block = {
                "type": "tool_use", "id": _tool_id(call.id), "name": call.name, "input": {},
                "caller": {"type": "direct"},
            }  # fmt: skip
            yield from self._begin(Part.ARGUMENTS, block)
        elif delta.text and delta.part in _DELTAS:
            if self._block is not delta.part:
                yield from self._begin(delta.part, self._empty(delta.part))
            kind, name = _DELTAS[delta.part]
            yield self._event("content_block_delta", index=self._index, delta={"type": kind, name: delta.text})

    def closing(self, results: Sequence[Result]) -> Iterator[str]:
        """The end of the open block, why the answer ended and what it cost."""
        if self._block is None:
            yield from self._begin(Part.ANSWER, self._empty(Part.ANSWER))
        yield from self._end_block()
        end = {"stop_reason": STOP_REASONS[results[0].end.reason]} | self._tail
        yield self._event("message_delta", delta=end, usage=_usage(Usage.of(results)))
        yield self._event("message_stop")

    def failing(self, error: ApiError) -> list[str]:
        """The error event."""
        return [event(anthropic_error(error, self._request_id), "error")]

    def refusal(self, error: ApiError) -> dict[str, object]:
        """See `reference_node.api.exchange.Answer`."""
        return anthropic_error(error, self._request_id)

    @staticmethod
    def _empty(part: Part) -> dict[str, Any]:
        if part is Part.REASONING:
            return {"type": "thinking", "thinking": "", "signature": ""}
        return {"type": "text", "text": "", "citations": []}

    def _begin(self, part: Part, block: dict[str, Any]) -> Iterator[str]:
        yield from self._end_block()
        self._block = part
        self._index += 1
        yield self._event("content_block_start", index=self._index, content_block=block)

    def _end_block(self) -> Iterator[str]:
        if self._block is not None:
            if self._block is Part.REASONING:
                delta = {"type": "signature_delta", "signature": ""}
                yield self._event("content_block_delta", index=self._index, delta=delta)
            yield self._event("content_block_stop", index=self._index)
            self._block = None

    @staticmethod
    def _event(kind: str, **fields: object) -> str:
        return event({"type": kind, **fields}, kind)


def _tool_id(call_id: str) -> str:
    """The id of a call in Anthropic's form."""
    return f"toolu_{call_id.removeprefix('call_')}"
