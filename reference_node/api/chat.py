"""``POST /v1/chat/completions``: from a checked body to a `ChatRequest`, and from events to OpenAI's objects.

Numbers become millionths here and nowhere else.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mycellm_proto.content import MILLION, ChatRequest, Message, Role, Sampling

from .body import parse_object, read_body
from .errors import FINISH_REASONS, ApiError
from .exchange import Exchange
from .schemas import ChatBody, parse_chat

if TYPE_CHECKING:
    from fastapi import Request

    from ..generation import Finished, Generator
    from .admission import Admission, Exchanges
    from .view import NodeView

TIMEOUT_HEADER = "x-request-timeout-ms"
MAX_TIMEOUT_MS = 3_600_000
"""An hour: the largest ``request_timeout``."""
STARTING_RETRY_S = 2.0
"""How soon to ask again while the model loads."""

_ROLES = {"system": Role.SYSTEM, "developer": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT}


def _millionths(value: float | None) -> int | None:
    return None if value is None else round(value * MILLION)


def _sampling(body: ChatBody) -> Sampling:
    return Sampling(
        temperature=_millionths(body.temperature),
        top_p=None if body.top_p is None else max(1, round(body.top_p * MILLION)),  # 0 would draw from nothing
        top_k=None if body.top_k is None else max(0, body.top_k),  # other servers write -1 for all tokens
        min_p=_millionths(body.min_p),
        presence_penalty=_millionths(body.presence_penalty),
        frequency_penalty=_millionths(body.frequency_penalty),
        seed=None if body.seed is None else body.seed % (1 << 64),  # two's complement: distinct seeds stay distinct
    )


def _max_tokens(body: ChatBody, default: int) -> int:
    old, new = body.max_tokens, body.max_completion_tokens
    if old is not None and new is not None and old != new:
        message = "'max_tokens' and 'max_completion_tokens' differ. Send one of them."
        raise ApiError(400, message, code="invalid_value", param="max_tokens")
    chosen = new if new is not None else old
    return default if chosen is None else chosen


def chat_request(body: ChatBody, *, context_length: int, deadline_ms: int) -> ChatRequest:
    """What crosses to the engine or the peer. Raises `ApiError`."""
    return ChatRequest(
        model=body.model,
        messages=tuple(Message(role=_ROLES[message.role], content=message.content) for message in body.messages),
        max_tokens=_max_tokens(body, context_length),
        deadline_ms=deadline_ms,
        stop=tuple(body.stop or ()),
        sampling=_sampling(body),
    )


def deadline_ms(header: str | None, default_s: int) -> int:
    """Milliseconds for a request: its own header, or the setting. Raises `ApiError` 400."""
    if header is None:
        return default_s * 1000
    if not (header.isascii() and header.isdigit() and len(header) <= 9 and 1 <= int(header) <= MAX_TIMEOUT_MS):
        message = f"The header {TIMEOUT_HEADER} must be a whole number from 1 to {MAX_TIMEOUT_MS}."
        raise ApiError(400, message, code="invalid_value", param=TIMEOUT_HEADER)
    return int(header)


def find_model(node: NodeView, model_id: str, default_model: str) -> Generator:
    """What serves ``model_id``. Raises `ApiError` 404, or 503 while the default model starts."""
    if (generator := node.catalog.find(model_id)) is not None:
        return generator
    if model_id == default_model and not node.ready():
        if node.health().get("status") == "failed":
            message = "The model could not be started; /health and the node's log say why. `doctor` says what to do."
            raise ApiError(503, message, kind="server_error", code="model_failed")
        message = "The model is being made ready; /health shows its progress."
        raise ApiError(503, message, kind="server_error", code="model_starting", retry_after=STARTING_RETRY_S)
    ids = ", ".join(info.id for info in node.catalog.models()) or "none yet"
    message = f"The model '{model_id}' is not offered here. Available: {ids}."
    raise ApiError(404, message, code="model_not_found", param="model")


def _usage(finished: Finished) -> dict[str, int]:
    return {
        "prompt_tokens": finished.input_tokens,
        "completion_tokens": finished.output_tokens,
        "total_tokens": finished.input_tokens + finished.output_tokens,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAnswer:
    """The objects of one answer."""

    id: str
    created: int
    model: str
    include_usage: bool

    def whole(self, text: str, finished: Finished) -> dict[str, object]:
        """``chat.completion``."""
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text, "refusal": None},
            "logprobs": None,
            "finish_reason": FINISH_REASONS[finished.reason],
        }
        return self._object("chat.completion", [choice]) | {"usage": _usage(finished)}

    def opening(self) -> dict[str, object]:
        """The first chunk: who speaks."""
        return self._chunk({"role": "assistant", "content": ""})

    def piece(self, text: str) -> dict[str, object]:
        """A chunk of text."""
        return self._chunk({"content": text})

    def closing(self, finished: Finished) -> list[dict[str, object]]:
        """The chunk with the reason, and the usage where it was asked for."""
        last = self._chunk({}, FINISH_REASONS[finished.reason])
        if not self.include_usage:
            return [last]
        return [last, self._object("chat.completion.chunk", []) | {"usage": _usage(finished)}]

    def _chunk(self, delta: dict[str, str], reason: str | None = None) -> dict[str, object]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        chunk = self._object("chat.completion.chunk", [choice])
        return chunk | {"usage": None} if self.include_usage else chunk

    def _object(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, object]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model, "choices": choices}


async def complete(
    request: Request, *, node: NodeView, exchanges: Exchanges, default_model: str, timeout_s: int
) -> Exchange:
    """Answer one request. Raises `ApiError` for all that can be refused before the work begins."""
    admission = exchanges.admit()
    try:
        return await _begin(request, admission, node=node, default_model=default_model, timeout_s=timeout_s)
    except BaseException:
        with admission:
            raise


async def _begin(
    request: Request, admission: Admission, *, node: NodeView, default_model: str, timeout_s: int
) -> Exchange:
    body = parse_chat(parse_object(await read_body(request, admission.hold)))
    generator = find_model(node, body.model, default_model)
    limit_ms = deadline_ms(request.headers.get(TIMEOUT_HEADER), timeout_s)
    chat = chat_request(body, context_length=generator.info.context_length, deadline_ms=limit_ms)
    return Exchange(
        events=generator.generate(chat),
        answer=ChatAnswer(
            id=f"chatcmpl-{secrets.token_hex(12)}",
            created=int(time.time()),
            model=generator.info.id,
            include_usage=bool(body.stream_options and body.stream_options.include_usage),
        ),
        admission=admission,
        stream=bool(body.stream),
        deadline_s=limit_ms / 1000,
        labels={"model": generator.info.id, "request_id": request.scope["state"]["request_id"]},
    )
