"""From an HTTP request of any family to a generation: reading, who asks, which model, how long, how much."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mycellm_proto.content import ChatRequest, Operation, Role, ToolMode

from .access import account_of, forbidden
from .body import parse_object, read_body
from .checks import invalid
from .errors import SERVER, ApiError
from .exchange import Exchange
from .tolerance import tolerant

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from fastapi import Request
    from fastapi.responses import Response

    from mycellm_proto.content import Content, Message

    from ..generation import Generator, ModelInfo
    from .access import Account
    from .admission import Admission, Exchanges
    from .exchange import Answer
    from .metrics import Metrics
    from .stored import Stored
    from .view import NodeView

TIMEOUT_HEADER = "x-request-timeout-ms"
MAX_TIMEOUT_MS = 3_600_000
"""An hour: the largest ``request_timeout``."""
STARTING_RETRY_S = 2.0
"""How soon to ask again while the model loads."""

_FAMILIES = {
    Operation.CHAT: re.compile(r"(?:[a-z]+/)?(?:claude|gpt|chatgpt|codex|o[1-9])(?:[-.:@].*)?", re.ASCII),
    Operation.COMPLETE: re.compile(r"(?:openai/)?(?:gpt|davinci|babbage|text-davinci)-.*", re.ASCII),
    Operation.EMBED: re.compile(r"(?:openai/)?text-embedding-.*", re.ASCII),
}
"""Names that clients bring along, for which a default model answers."""


@runtime_checkable
class Tokenizing(Protocol):
    """A generator that can also count and translate tokens: one on this machine."""

    def count_tokens(self, request: Content) -> int:
        """Tokens of a request's input, as `Started` would say. Raises `GenerationError`."""
        ...

    def encode(self, text: str) -> list[int]:
        """The ids of a text's tokens."""
        ...

    def decode(self, ids: list[int]) -> str:
        """The text of tokens. Raises `ValueError` for ids that are none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """What all routes share."""

    node: NodeView
    exchanges: Exchanges
    metrics: Metrics
    stored: Stored
    address: str
    local_model: str
    default_model: str
    default_embedding_model: str
    without_images: bool
    timeout_s: int

    def find(self, model_id: str, operation: Operation, account: Account) -> Generator:
        """What serves ``model_id``, or the default for names of known families.

        Raises `ApiError` 404, 403 for a model that is not the account's, or 503 while the own model starts.
        """
        for name in (model_id, self._default(model_id, operation, account)):
            generator = self.node.catalog.find(name, account.owner) if name else None
            if generator is not None:
                if not account.may_use(generator.info):
                    raise forbidden(name)
                return generator
        if self._is_coming(model_id, operation):
            raise _not_ready(self.node)
        known = [info.id for info in self.node.catalog.models() if account.may_use(info)]
        message = f"The model '{model_id}' is not offered here. Available: {', '.join(known) or 'none yet'}."
        raise ApiError(404, message, code="model_not_found", param="model")

    def _default(self, model_id: str, operation: Operation, account: Account) -> str:
        """The model that answers for a name of a known family; empty when it is no such name, or there is none."""
        if not any(family.fullmatch(model_id) for family in _FAMILIES.values()):
            return ""
        wanted = Operation.EMBED if _FAMILIES[Operation.EMBED].fullmatch(model_id) else operation
        named = self.default_embedding_model if wanted is Operation.EMBED else self.default_model
        if named:
            return named
        fit = [info.id for info in self.node.catalog.models() if can(info, wanted) and account.may_use(info)]
        # Of peers' models only the order tells: see `NodeCatalog.models`.
        return "" if not fit else fit[-1] if wanted is Operation.EMBED else fit[0]

    def _is_coming(self, model_id: str, operation: Operation) -> bool:
        if self.node.ready():
            return False
        if not self.local_model:  # none of its own: it waits for what stands behind it
            return True
        return model_id == self.local_model or bool(_FAMILIES[operation].fullmatch(model_id))


def can(info: ModelInfo, operation: Operation) -> bool:
    """Whether a model does this."""
    return operation in info.abilities.operations


def _not_ready(node: NodeView) -> ApiError:
    if node.health().get("status") == "failed":
        message = "The model could not be started; /health and the node's log say why. `doctor` says what to do."
        return ApiError(503, message, kind=SERVER, code="model_failed")
    message = "The model is being made ready; /health shows its progress."
    return ApiError(503, message, kind=SERVER, code="model_starting", retry_after=STARTING_RETRY_S)


def deadline_ms(header: str | None, default_s: int) -> int:
    """Milliseconds for a request: its own header, or the setting. Raises `ApiError` 400."""
    if header is None:
        return default_s * 1000
    if not (header.isascii() and header.isdigit() and len(header) <= 9 and 1 <= int(header) <= MAX_TIMEOUT_MS):
        message = f"The header {TIMEOUT_HEADER} must be a whole number from 1 to {MAX_TIMEOUT_MS}."
        raise ApiError(400, message, code="invalid_value", param=TIMEOUT_HEADER)
    return int(header)


@dataclass(slots=True, kw_only=True)
class Asked:
    """A request whose body was read."""

    api: Api
    request: Request
    body: dict[str, object]
    account: Account
    admission: Admission
    deadline_ms: int

    def find(self, model_id: str, operation: Operation) -> Generator:
        """See `Api.find`; and the model must do this. Raises `ApiError` 400."""
        generator = self.api.find(model_id, operation, self.account)
        if not can(generator.info, operation):
            able = ", ".join(info.id for info in self.api.node.catalog.models() if can(info, operation)) or "none"
            message = f"The model '{generator.info.id}' cannot do this. Models that can: {able}."
            raise ApiError(400, message, code="unsupported_operation", param="model")
        return generator

    def room(self, wanted: int | None, info: ModelInfo, choices: int = 1) -> int:
        """The most tokens of each answer: what is wanted, the context's length, and what the key has left."""
        most = min(wanted or info.context_length, info.context_length)
        return max(1, self.account.reserve(most * choices) // choices)

    def exchange(self, generator: Generator, contents: Sequence[Content], answer: Answer, *, stream: bool) -> Exchange:
        """The response that runs the work: one generation for each content."""
        return Exchange(
            generations=[tolerant(generator, content) for content in contents],
            answer=answer,
            admission=self.admission,
            account=self.account,
            metrics=self.api.metrics,
            stream=stream,
            deadline_s=self.deadline_ms / 1000,
            labels={"model": generator.info.id, "request_id": self.request.scope["state"]["request_id"]},
        )


async def serve(request: Request, api: Api, answer: Callable[[Asked], Exchange]) -> Response:
    """Read a request and begin its answer. Raises `ApiError` for all that can be refused before the work begins."""
    admission, account = api.exchanges.admit(), account_of(request)
    try:
        asked = await _read(request, api, admission)
        return answer(asked)
    except BaseException:
        with admission:
            account.end()
            raise


async def serve_at_once(request: Request, api: Api, answer: Callable[[Asked], Awaitable[Response]]) -> Response:
    """The same for what needs no generation."""
    with api.exchanges.admit() as admission:
        return await answer(await _read(request, api, admission))


async def _read(request: Request, api: Api, admission: Admission) -> Asked:
    account = account_of(request)
    account.begin()
    body = parse_object(await read_body(request, admission.hold))
    limit_ms = deadline_ms(request.headers.get(TIMEOUT_HEADER), api.timeout_s)
    return Asked(
        api=api, request=request, body=body, account=account, admission=admission, deadline_ms=limit_ms
    )  # fmt: skip


def consistent(request: ChatRequest, *, tools: str = "tools", messages: str = "messages") -> ChatRequest:
    """The request, if its parts fit together (INF-034). Raises `ApiError` 400 that names the parameter."""
    names = [tool.name for tool in request.tools]
    if len(set(names)) != len(names):
        raise invalid(tools, "two tools have the same name")
    if isinstance(request.tool_choice, str) and request.tool_choice not in names:
        raise invalid("tool_choice", "it names a tool that is not among the tools")
    if request.tool_choice is ToolMode.REQUIRED and not names:
        raise invalid("tool_choice", "it requires a call, and there are no tools")
    _check_calls(request.messages, messages)
    return request


def _check_calls(messages: Sequence[Message], param: str) -> None:
    called: set[str] = set()
    for message in messages:
        own = {call.id for call in message.calls}
        if len(own) != len(message.calls):
            raise invalid(param, "two tool calls of one message have the same id")
        if message.role is Role.TOOL and message.call_id not in called:
            raise invalid(param, "a tool's result names no call that stands before it")
        called |= own
