"""Errors, and the one table from the protocol's codes to HTTP. How they are written: `reference_node.api.dialects`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mycellm_proto.content import FinishReason
from mycellm_proto.errors import ErrorCode

from ..generation import GenerationError

if TYPE_CHECKING:
    from collections.abc import Mapping

OVERFLOW = "context_length_exceeded"
INVALID, AUTHENTICATION, PERMISSION = "invalid_request_error", "authentication_error", "permission_error"
BILLING, RATE, SERVER, PEER = "billing_error", "rate_limit_error", "server_error", "peer_error"


class ApiError(Exception):
    """An answer that is an error. ``retry_after`` is in seconds; ``headers`` go out as they are.

    ``anthropic`` is the message for clients of that family, where they look for words of their own.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = INVALID,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        anthropic: str | None = None,
    ) -> None:
        super().__init__(code)  # not the message: it may quote content, and exceptions are logged
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.param = param
        self.retry_after = retry_after
        self.headers = dict(headers or {})
        self.anthropic = anthropic

    def all_headers(self) -> dict[str, str]:
        """The headers that belong to the error."""
        if self.retry_after is None:
            return self.headers
        return {**self.headers, "retry-after": str(max(1, math.ceil(self.retry_after)))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """How a code is answered over HTTP. ``{limit}`` and ``{actual}`` in ``message`` are the error's own numbers."""

    status: int
    kind: str
    code: str
    message: str
    retry_after: float | None = None
    param: str | None = None
    anthropic: str | None = None


def _peer(code: str, message: str, status: int = 502) -> Mapped:
    return Mapped(status=status, kind=PEER, code=code, message=message)


_BROKEN = "The peer that served this request broke the protocol, so its connection was closed. Try again."
_CREDIT = "The peer and this node disagreed about the payment of this request, so it was ended. Try again."

_LONGER_CONTEXT = (
    "Shorten them, or import a model with a longer context on the machine that serves this one: "
    "`python3 -m reference_node models import FILE`, then start it with --model ID."
)
"""The first words of both messages are those by which clients know this error: they then shorten a conversation."""

TABLE: Mapping[ErrorCode, Mapped] = {
    ErrorCode.NO_ERROR: Mapped(
        status=500, kind=SERVER, code="internal_error", message="The request ended without an answer. Try again."
    ),
    ErrorCode.INTERNAL: Mapped(
        status=500, kind=SERVER, code="internal_error",
        message="This request failed inside the node; its log says where (search for the x-request-id)."
    ),
    ErrorCode.ENCODING: _peer("peer_protocol_error", _BROKEN),
    ErrorCode.FRAME_TOO_LARGE: _peer("peer_protocol_error", _BROKEN),
    ErrorCode.UNEXPECTED_FRAME: _peer("peer_protocol_error", _BROKEN),
    ErrorCode.UNKNOWN_FRAME: _peer("peer_protocol_error", _BROKEN),
    ErrorCode.STREAM_MISUSE: _peer("peer_protocol_error", _BROKEN),
    ErrorCode.FLOW_CONTROL: _peer("peer_protocol_error", _BROKEN),
    ErrorCode.RATE_EXCEEDED: _peer(
        "peer_rate_exceeded", "The peer says that this node sends too fast. Try again later."
    ),
    ErrorCode.TIMEOUT: _peer("peer_lost", "The peer that served this request stopped answering. Try again.", 504),
    ErrorCode.VERSION_UNSUPPORTED: _peer(
        "peer_version", "The peer speaks no protocol version that this node speaks. Update the older one."
    ),
    ErrorCode.HANDSHAKE_FAILED: _peer("peer_handshake_failed", "The peer could not prove who it is."),
    ErrorCode.WRONG_PEER: _peer(
        "wrong_peer", "Another node answers at the peer's address. `peers probe HOST:PORT` prints its id."
    ),
    ErrorCode.NO_CHANNEL_BINDING: _peer("peer_handshake_failed", "The connection to the peer could not be bound."),
    ErrorCode.UNKNOWN_REQUEST: _peer("peer_unsupported", "The peer does not know this kind of request. Update it."),
    ErrorCode.UNSUPPORTED: Mapped(
        status=400, kind=INVALID, code="unsupported", message="What serves this model cannot do all that was asked."
    ),
    ErrorCode.MALFORMED: Mapped(
        status=400, kind=INVALID, code="refused", param="messages",
        message="What serves this model refuses the request as malformed: often the order of roles. Alternate user and "
        "assistant, with the user last."
    ),
    ErrorCode.BAD_ANSWER: _peer(
        "peer_bad_answer", "The peer's answer was not one to this request, so it was ended. Try again."
    ),
    ErrorCode.UNPINNED: _peer(
        "peer_unpinned", "The peer serves only nodes that name its id. Add --peer NODEID@HOST:PORT with that id."
    ),
    ErrorCode.NOT_ALLOWED: _peer(
        "peer_not_allowed", "The peer does not serve this node. Its owner can start it with --allow and your node id."
    ),
    ErrorCode.UNKNOWN_MODEL: Mapped(
        status=404, kind=INVALID, code="model_not_found", param="model",
        message="The model is no longer offered. GET /v1/models lists what is."
    ),
    ErrorCode.CONTEXT_TOO_LONG: Mapped(
        status=400, kind=INVALID, code=OVERFLOW, param="messages",
        message="This model's maximum context length is {limit} tokens. However, your prompt has {actual} tokens. "
        + _LONGER_CONTEXT,
        anthropic="prompt is too long: {actual} tokens > {limit} maximum. " + _LONGER_CONTEXT
    ),
    ErrorCode.BUSY: Mapped(
        status=429, kind=RATE, code="busy", retry_after=1,
        message="All slots of this model are taken. Try again after the seconds in retry-after."
    ),
    ErrorCode.SHUTTING_DOWN: Mapped(
        status=503, kind=SERVER, code="shutting_down", retry_after=5, message="The node is stopping. Try again."
    ),
    ErrorCode.DEADLINE_EXCEEDED: Mapped(
        status=504, kind=SERVER, code="deadline_exceeded",
        message="The answer was not ready in time. Ask for fewer tokens, or raise x-request-timeout-ms."
    ),
    ErrorCode.CANCELLED: _peer("cancelled", "The request was cancelled before its answer was whole."),
    ErrorCode.PEER_GONE: _peer("peer_lost", "The connection to the peer that served this request is lost. Try again."),
    ErrorCode.NOT_MEMBER: _peer(
        "not_member", "The peer does not take this node for a member of the model's network. Renew the membership, or "
        "ask the network's administrator.", 403
    ),
    ErrorCode.INVITE_SPENT: Mapped(
        status=403, kind=PERMISSION, code="invite_spent", message="The invite is used up or expired. Ask for a new one."
    ),
    ErrorCode.SETTLEMENT_UNAVAILABLE: Mapped(
        status=503, kind=PEER, code="settlement_unavailable", retry_after=5,
        message="The settlement node of the model's network does not answer the peer. Try again."
    ),
    ErrorCode.BAD_OPEN: _peer("peer_payment_error", _CREDIT),
    ErrorCode.UNKNOWN_QUOTE: _peer("peer_payment_error", _CREDIT),
    ErrorCode.QUOTE_EXPIRED: _peer("peer_quote_expired", "The peer's prices have changed meanwhile. Try again."),
    ErrorCode.SEQUENCE_USED: _peer("peer_payment_error", _CREDIT),
    ErrorCode.CEILING_TOO_LOW: Mapped(
        status=402, kind=BILLING, code="ceiling_too_low",
        message="This request may cost {limit} micro-credits and needs {actual}. Raise --max-spend, or ask for less."
    ),
    ErrorCode.ALLOWANCE_EXHAUSTED: Mapped(
        status=402, kind=BILLING, code="allowance_exhausted",
        message="This request may cost {actual} micro-credits, and the peer has {limit} for this node now: the rest of "
        "its allowance is in use. Try later, ask for fewer max_tokens, use another peer, or serve that peer: what a "
        "node earns from a peer it can spend there."
    ),
    ErrorCode.BAD_TICK: _peer("peer_payment_error", _CREDIT),
    ErrorCode.BAD_CLOSE: _peer("peer_payment_error", _CREDIT),
    ErrorCode.TICK_OVERDUE: _peer("peer_payment_error", _CREDIT),
    ErrorCode.BAD_ANSWER: _peer("peer_bad_answer", "The peer answered with what was not asked for. Ask another."),
    ErrorCode.OVERRUN: _peer("peer_payment_error", _CREDIT),
    ErrorCode.INSUFFICIENT_CREDIT: Mapped(
        status=402, kind=BILLING, code="insufficient_credit",
        message="This request may cost {actual} micro-credits, and there are {limit} for this node. Waiting does "
        "not help. Ask for fewer max_tokens. With quotas, ask the authority for more; elsewhere serve that peer: what "
        "a node earns from a peer it can spend there. Or use another peer."
    ),
    ErrorCode.NO_RESERVATION: _peer("peer_payment_error", _CREDIT),
}  # fmt: skip

FAILED_REASONS: Mapping[FinishReason, ErrorCode] = {
    FinishReason.CANCELLED: ErrorCode.CANCELLED,
    FinishReason.DEADLINE: ErrorCode.DEADLINE_EXCEEDED,
    FinishReason.SHUTDOWN: ErrorCode.SHUTTING_DOWN,
    FinishReason.FAILED: ErrorCode.INTERNAL,
}
"""Ends that are errors: the answer is not whole."""

FINISH_REASONS: Mapping[FinishReason, str] = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.CEILING: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
}
"""Ends that are answers, in OpenAI's words."""


def from_generation(error: GenerationError) -> ApiError:
    """The HTTP answer to a request that could not be served."""
    if error.code is ErrorCode.UNSUPPORTED and error.parameter is not None:
        message = f"What serves this model cannot do '{error.parameter}'. Leave it out, or use another model."
        return ApiError(400, message, code="unsupported_parameter", param=error.parameter)
    mapped = TABLE[error.code]
    limit = "fewer" if error.limit is None else str(error.limit)
    actual = "more" if error.actual is None else str(error.actual)
    return ApiError(
        mapped.status,
        mapped.message.format(limit=limit, actual=actual),
        kind=mapped.kind,
        code=mapped.code,
        param=mapped.param,
        retry_after=error.retry_after if error.retry_after is not None else mapped.retry_after,
        anthropic=None if mapped.anthropic is None else mapped.anthropic.format(limit=limit, actual=actual),
    )


def from_code(code: ErrorCode) -> ApiError:
    """The HTTP answer for a code without numbers."""
    return from_generation(GenerationError(code))
