"""``POST /v1/responses``: OpenAI's newer shape of a chat, whole or as events."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

from mycellm_proto.answer import Part
from mycellm_proto.content import ChatRequest, FinishReason, Message, Operation, Role, Sampling, ToolCall

from . import logprobs
from .asking import consistent
from .checks import check, refuse
from .dialects import openai_error
from .errors import FINISH_REASONS
from .response_items import Item, new_id, shown_format
from .response_tools import check_choice
from .responses_body import REFUSED, ResponseBody, conversation
from .result import Usage
from .sampling import millionths
from .sse import KEEP_ALIVE, event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..generation import Delta
    from .asking import Asked
    from .errors import ApiError
    from .exchange import Exchange
    from .result import Result


def respond(asked: Asked) -> Exchange:
    """Answer one request. Raises `ApiError`."""
    refuse(asked.body, REFUSED)
    check_choice(asked.body)
    body = check(ResponseBody, asked.body, without_images=asked.api.without_images)
    stored, owner = asked.api.stored, asked.account.owner
    earlier = stored.find(body.previous_response_id, owner) if body.previous_response_id else ()
    messages = (*earlier, *conversation(body.input, body.toolbox))
    generator = asked.find(body.model, Operation.CHAT)
    info = generator.info
    most = asked.room(body.max_output_tokens, info)
    request = _request(body, messages, model=info.id, max_tokens=most, deadline_ms=asked.deadline_ms)

    def keep(response_id: str, answer: Message) -> None:
        if body.store:
            stored.keep(response_id, owner, (*messages, answer))

    answer = ResponseAnswer(body, model=info.id, keep=keep)
    return asked.exchange(generator, [request], answer, stream=bool(body.stream))


def _request(
    body: ResponseBody, messages: Sequence[Message], *, model: str, max_tokens: int, deadline_ms: int
) -> ChatRequest:
    """What crosses to the engine or the peer. Raises `ApiError`."""
    first = [Message(role=Role.SYSTEM, content=body.instructions)] if body.instructions else []
    tools = body.toolbox.offered()
    request = ChatRequest(
        model=model,
        messages=(*first, *messages),
        max_tokens=max_tokens,
        deadline_ms=deadline_ms,
        sampling=Sampling(
            temperature=millionths(body.temperature),
            top_p=None if body.top_p is None else max(1, millionths(body.top_p) or 0),
            presence_penalty=millionths(body.presence_penalty),
            frequency_penalty=millionths(body.frequency_penalty),
        ),
        top_logprobs=body.wanted_logprobs(),
        tools=tools,
        tool_choice=body.choice(),
        parallel_tool_calls=body.parallel_tool_calls if tools else None,
        response_format=body.format(),
        reasoning_effort=body.effort(),
    )
    return consistent(request, messages="input")


class ResponseAnswer:
    """The objects of one answer. In a stream, items follow each other: one is open at a time."""

    keep_alive = KEEP_ALIVE

    def __init__(self, body: ResponseBody, *, model: str, keep: Callable[[str, Message], None]) -> None:
        self._body, self._model, self._keep = body, model, keep
        self._id = f"resp_{secrets.token_hex(24)}"
        self._created = int(time.time())
        self._items: list[Item] = []
        self._closed = 0
        self._sequence = 0

    def whole(self, results: Sequence[Result]) -> dict[str, object]:
        """``response``."""
        [result] = results
        if result.thoughts:
            self._items.append(Item(kind="reasoning", id=new_id("rs"), pieces=result.thoughts))
        if result.text or not result.calls:
            self._items.append(Item(kind="message", id=new_id("msg"), pieces=result.texts, logprobs=result.logprobs))
        for call in result.calls:
            self._items.append(self._call(call.id, call.name, call.pieces))
        return self._end(results)

    def opening(self, _results: Sequence[Result]) -> Iterator[str]:
        """The response as it begins."""
        for kind in ("response.created", "response.in_progress"):
            yield self._event(kind, response=self._resource("in_progress"))

    def piece(self, _index: int, delta: Delta, result: Result) -> Iterator[str]:
        """More of the open item, after the begin of an item where another kind begins."""
        if delta.part is Part.CALL:
            yield from self._begin(self._call(result.calls[-1].id, result.calls[-1].name, []))
            return
        if not delta.text or (delta.part is Part.ARGUMENTS and not self._is_open("function_call", "custom_tool_call")):
            return
        if delta.part is Part.ANSWER and not self._is_open("message"):
            yield from self._begin(Item(kind="message", id=new_id("msg")))
        elif delta.part is Part.REASONING and not self._is_open("reasoning"):
            yield from self._begin(Item(kind="reasoning", id=new_id("rs")))
        yield from self._more(self._items[-1], delta)

    def closing(self, results: Sequence[Result]) -> Iterator[str]:
        """The end of the open item, and the whole response."""
        if not self._items:
            yield from self._begin(Item(kind="message", id=new_id("msg")))
        yield from self._finish("incomplete" if _is_cut(results) else "completed")
        response = self._end(results)
        yield self._event(f"response.{response['status']}", response=response)

    def failing(self, error: ApiError) -> Iterator[str]:
        """The error, and the response as it failed."""
        code = error.code or error.kind
        yield self._event("error", code=code, message=error.message, param=error.param)
        failed = self._resource("failed") | {"error": {"code": code, "message": error.message}}
        yield self._event("response.failed", response=failed)

    def refusal(self, error: ApiError) -> dict[str, object]:
        """See `reference_node.api.exchange.Answer`."""
        return openai_error(error, "input")

    def _call(self, call_id: str, name: str, pieces: list[str]) -> Item:
        tool = self._body.toolbox.find(name)
        custom = tool is not None and tool.type == "custom"
        kind, prefix = ("custom_tool_call", "ctc") if custom else ("function_call", "fc")
        item = Item(kind=kind, id=new_id(prefix), call_id=call_id, name=name, pieces=pieces)
        if tool is not None:
            item.name, item.namespace = tool.name, tool.namespace
        return item

    def _is_open(self, *kinds: str) -> bool:
        return len(self._items) > self._closed and self._items[-1].kind in kinds

    def _begin(self, item: Item) -> Iterator[str]:
        yield from self._finish("completed")
        self._items.append(item)
        shown = item.shown("in_progress", empty=True)
        yield self._event("response.output_item.added", output_index=self._closed, item=shown)
        if item.kind in ("message", "reasoning"):
            yield self._event("response.content_part.added", **self._where(item), part=item.content())

    def _more(self, item: Item, delta: Delta) -> Iterator[str]:
        item.pieces.append(delta.text)
        item.logprobs += delta.logprobs
        if item.kind == "message":
            found = logprobs.content(delta.logprobs)
            yield self._event("response.output_text.delta", **self._where(item), delta=delta.text, logprobs=found)
        elif item.kind == "reasoning":
            yield self._event("response.reasoning_text.delta", **self._where(item), delta=delta.text)
        elif item.kind == "function_call":
            place = {"item_id": item.id, "output_index": self._closed}
            yield self._event("response.function_call_arguments.delta", **place, delta=delta.text)

    def _finish(self, status: str) -> Iterator[str]:
        """End the open item, if any."""
        if len(self._items) == self._closed:
            return
        item = self._items[-1]
        place: dict[str, Any] = {"item_id": item.id, "output_index": self._closed}
        if item.kind in ("message", "reasoning"):
            kind = "response.output_text.done" if item.kind == "message" else "response.reasoning_text.done"
            found = {"logprobs": logprobs.content(item.logprobs)} if item.kind == "message" else {}
            yield self._event(kind, **self._where(item), text=item.text, **found)
            yield self._event("response.content_part.done", **self._where(item), part=item.content())
        elif item.kind == "function_call":
            name = {"name": item.name, "arguments": item.text}
            yield self._event("response.function_call_arguments.done", **place, **name)
        else:  # free text is known when its JSON is whole
            yield self._event("response.custom_tool_call_input.delta", **place, delta=item.text)
            yield self._event("response.custom_tool_call_input.done", **place, input=item.text)
        yield self._event("response.output_item.done", output_index=self._closed, item=item.shown(status))
        self._closed += 1

    def _where(self, item: Item) -> dict[str, Any]:
        return {"item_id": item.id, "output_index": self._closed, "content_index": 0}

    def _end(self, results: Sequence[Result]) -> dict[str, Any]:
        [result] = results
        calls = tuple(ToolCall(id=call.id, name=call.name, arguments=call.arguments) for call in result.calls)
        self._keep(self._id, Message(role=Role.ASSISTANT, content=result.text, calls=calls))
        return self._resource("incomplete" if _is_cut(results) else "completed", Usage.of(results))

    def _event(self, kind: str, **fields: object) -> str:
        sequence, self._sequence = self._sequence, self._sequence + 1
        return event({"type": kind, "sequence_number": sequence, **fields}, kind)

    def _resource(self, status: str, usage: Usage | None = None) -> dict[str, Any]:
        """The response with all of its keys."""
        body = self._body
        done = status == "completed"
        cut = status == "incomplete"
        text_format = body.text.format if body.text is not None else None
        reasoning = body.reasoning
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "completed_at": int(time.time()) if done else None,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "max_tool_calls": body.max_tool_calls,
            "model": self._model,
            "output": [item.shown(self._status(item, cut=cut)) for item in self._items],
            "parallel_tool_calls": body.parallel_tool_calls is not False,
            "previous_response_id": body.previous_response_id,
            "prompt_cache_key": body.prompt_cache_key,
            "reasoning": {
                "effort": reasoning.effort if reasoning else None,
                "summary": reasoning.summary if reasoning else None,
            },
            "safety_identifier": body.safety_identifier,
            "service_tier": "default",
            "store": bool(body.store),
            "temperature": 1.0 if body.temperature is None else body.temperature,
            "text": {"format": shown_format(text_format)},
            "tool_choice": self._choice(),
            "tools": [tool.shown() for tool in body.tools or ()],
            "top_logprobs": body.top_logprobs or 0,
            "top_p": 1.0 if body.top_p is None else body.top_p,
            "presence_penalty": body.presence_penalty or 0,
            "frequency_penalty": body.frequency_penalty or 0,
            "truncation": "disabled",
            "usage": None if usage is None else _usage(usage),
            "user": body.user,
            "metadata": body.metadata or {},
        }

    def _status(self, item: Item, *, cut: bool) -> str:
        return "incomplete" if cut and item is self._items[-1] else "completed"

    def _choice(self) -> object:
        choice = self._body.tool_choice
        if not isinstance(choice, tuple):
            return choice or "auto"
        tool = self._body.toolbox.find(self._body.toolbox.told(*choice))
        return {"type": "function" if tool is None else tool.type, "name": choice[0]}


def _is_cut(results: Sequence[Result]) -> bool:
    return FINISH_REASONS[results[0].end.reason] == FINISH_REASONS[FinishReason.LENGTH]


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }
