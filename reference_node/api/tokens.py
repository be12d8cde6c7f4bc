"""``POST /tokenize``, ``/detokenize`` and ``/v1/messages/count_tokens``: what a model makes of a text."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Annotated

from fastapi.responses import JSONResponse
from pydantic import Field

from mycellm_proto.content import ChatRequest, Operation

from ..generation import GenerationError
from .asking import Tokenizing
from .chat import chat_request
from .chat_body import ChatBody, MessageBody
from .checks import MAX_MESSAGES, ModelId, Strict, TokenId, check, invalid
from .errors import ApiError, from_generation
from .messages import counted_request
from .messages_body import CountBody

if TYPE_CHECKING:
    from fastapi.responses import Response

    from .asking import Asked

BYTES_PER_TOKEN = 4
"""Of a prompt for a model of a peer, whose tokenizer is not here: the usual estimate."""
MAX_IDS = 1_000_000


class TokenizeBody(Strict):
    """Text (``prompt``, or ``content`` as llama.cpp has it), or a conversation. No model means the default one."""

    model: ModelId | None = None
    prompt: str | None = None
    content: str | None = None
    messages: Annotated[list[MessageBody], Field(min_length=1, max_length=MAX_MESSAGES)] | None = None


class DetokenizeBody(Strict):
    """Token ids."""

    model: ModelId | None = None
    tokens: Annotated[list[TokenId], Field(max_length=MAX_IDS)]


def _tokenizing(asked: Asked, model: str | None) -> tuple[Tokenizing, str, int]:
    infos = asked.api.node.catalog.models()
    wanted = model or asked.api.default_model or next((info.id for info in infos), asked.api.local_model)
    generator = asked.api.find(wanted, Operation.CHAT, asked.account)
    if not isinstance(generator, Tokenizing):
        message = f"The tokenizer of '{generator.info.id}' is not on this machine: a peer serves the model."
        raise ApiError(400, message, code="unsupported_operation", param="model")
    return generator, generator.info.id, generator.info.context_length


async def tokenize(asked: Asked) -> Response:
    """Token ids of a text, or the count of a conversation's. Raises `ApiError`."""
    body = check(TokenizeBody, asked.body, without_images=asked.api.without_images)
    given = [name for name in ("prompt", "content", "messages") if getattr(body, name) is not None]
    if len(given) != 1:
        raise invalid("prompt", "send one of 'prompt', 'content' and 'messages'")
    found, model, length = _tokenizing(asked, body.model)
    if body.messages is not None:
        chat = ChatBody(model=model, messages=body.messages)
        request = chat_request(chat, model=model, max_tokens=1, deadline_ms=asked.deadline_ms)
        count = await _counted(found, request)
        return JSONResponse({"count": count, "max_model_len": length, "model": model})
    ids = await asyncio.to_thread(found.encode, body.prompt if body.prompt is not None else body.content or "")
    return JSONResponse({"tokens": ids, "count": len(ids), "max_model_len": length, "model": model})


async def detokenize(asked: Asked) -> Response:
    """The text of token ids. Raises `ApiError`."""
    body = check(DetokenizeBody, asked.body)
    found, model, _ = _tokenizing(asked, body.model)
    try:
        text = await asyncio.to_thread(found.decode, body.tokens)
    except (ValueError, OverflowError):
        raise invalid("tokens", "the model has no such token") from None
    return JSONResponse({"prompt": text, "content": text, "model": model})


async def count_tokens(asked: Asked) -> Response:
    """``input_tokens`` of a conversation: exact on this machine, estimated for a model of a peer. Raises `ApiError`."""
    body = check(CountBody, asked.body, without_images=asked.api.without_images)
    generator = asked.find(body.model, Operation.CHAT)
    request = counted_request(body, generator.info, asked.deadline_ms)
    if isinstance(generator, Tokenizing):
        return JSONResponse({"input_tokens": await _counted(generator, request)})
    return JSONResponse({"input_tokens": estimate(request)})


def estimate(request: ChatRequest) -> int:
    """About how many tokens a request's input has."""
    texts = [message.content for message in request.messages]
    texts += [call.arguments for message in request.messages for call in message.calls]
    texts += [f"{tool.name}{tool.description or ''}{tool.parameters or ''}" for tool in request.tools]
    return max(1, math.ceil(sum(len(text.encode()) for text in texts) / BYTES_PER_TOKEN))


async def _counted(found: Tokenizing, request: ChatRequest) -> int:
    try:
        return await asyncio.to_thread(found.count_tokens, request)
    except GenerationError as error:
        raise from_generation(error) from None
