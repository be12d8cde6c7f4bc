"""The consumer's side: a peer's model as a `Generator`, one exchange with a receipt per request."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, TypeGuard

from mycellm_proto import events as proto
from mycellm_proto import limits
from mycellm_proto.answer import Part
from mycellm_proto.content import ChatRequest, CompletionRequest
from mycellm_proto.content_codec import parameter_name
from mycellm_proto.economy import SALT_SIZE
from mycellm_proto.errors import ErrorCode, LocalProtocolError
from mycellm_proto.features import FEATURES
from mycellm_proto.hello import NEEDED
from mycellm_proto.nodeid import encode_node_id
from mycellm_proto.order import ContentError, place_order
from mycellm_proto.signed import HASH_SIZE

from .. import log
from ..generation import Abilities, Delta, Event, Finished, GenerationError, ModelInfo, Started
from ..store import DUE, ReceiptState, StoreError
from . import clock
from .peer_link import error_code

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from mycellm_proto.answer import Chunk
    from mycellm_proto.content import Content, Message, Operation, Prompt
    from mycellm_proto.economy import Quote
    from mycellm_proto.keys import SigningKey
    from mycellm_proto.order import Order
    from mycellm_proto.signed import Signed

    from ..store import ReceiptStore
    from .background import Background
    from .peer_link import Call, PeerLink
    from .sequences import Sequences

TEMPLATE_TOKENS = 512
"""Tokens that a chat template may add to a conversation, a default system prompt included."""
MESSAGE_TOKENS = 16
"""Tokens that a chat template may add to each message, and a tokeniser to each prompt without one."""
TOOL_TOKENS = 64
"""Tokens that a chat template may add to each tool and each call; it may also write their text anew, in more bytes."""

KEEP_AFTER_S = 1.0
"""An exchange that is over sooner is written once, with its end: a crash before costs its prepaid ticks at most."""

_log = logging.getLogger(__name__)


class Consumer:
    """What every request of this node to a peer needs: its key, its sequence numbers, its store, and its purse
    (``max_spend`` gives the most that one request may cost now); ``settles`` says of a network whether a settlement
    node keeps its accounts.
    """

    def __init__(
        self,
        key: SigningKey,
        store: ReceiptStore,
        sequences: Sequences,
        background: Background,
        *,
        max_spend: Callable[[], int],
        settles: Callable[[bytes], bool],
    ) -> None:
        self.key = key
        self.store = store
        self.sequences = sequences
        self.background = background
        self.max_spend = max_spend
        self.settles = settles


class RemoteModel:
    """One model of one peer, on the link where it was offered."""

    def __init__(self, consumer: Consumer, link: PeerLink, quote: Quote, signed: Signed, created: int) -> None:
        self.link = link
        self.quote = quote
        self._consumer = consumer
        self._signed = signed
        self._created = created
        agreed = link.session.capabilities if link.session is not None else frozenset()
        operations = frozenset(operation for operation, needed in NEEDED.items() if needed in agreed)
        self._abilities = Abilities(operations=operations, parameters=FEATURES)  # the peer refuses what it lacks

    @property
    def info(self) -> ModelInfo:
        """The model as the peer's quote describes it."""
        return ModelInfo(
            id=self.quote.model,
            digest=self.quote.model_digest,
            context_length=self.quote.context_length,
            owner=encode_node_id(self.quote.provider),
            created=self._created,
            abilities=self._abilities,
        )

    async def generate(self, request: Content) -> AsyncGenerator[Event, None]:
        """Ask the peer; what it answers. Raises `GenerationError`."""
        purse = self._consumer.max_spend()
        call, first = await self._begin(request, purse)
        if _is_short(first) and self._may_ask_for(first.limit or 0):
            self._conclude(call, first)
            available = first.limit or 0
            call, first = await self._begin(request, min(purse, available))
            if isinstance(first, proto.Failed) and first.code == ErrorCode.CEILING_TOO_LOW:
                self._conclude(call, first)  # what is available does not pay for this prompt
                raise GenerationError(ErrorCode.INSUFFICIENT_CREDIT, limit=available, actual=first.actual)
        event: proto.Event | None = first
        vector = b""
        try:
            while not isinstance(event := event or await call.events.get(), proto.Ended | proto.Failed):
                if isinstance(event, proto.Accepted):
                    yield Started(input_tokens=event.input_tokens)
                elif isinstance(event, proto.ChunkReceived):
                    chunk = event.chunk
                    if chunk.vector:
                        if chunk.part is Part.VECTOR and vector:
                            yield _whole(vector)
                            vector = b""
                        vector += chunk.vector
                    elif not chunk.is_empty:
                        yield _delta(chunk)
                    self._consumed(call, event.size)
                event = None
        except (asyncio.CancelledError, GeneratorExit):
            self._cancel(call)
            raise
        self._conclude(call, event)
        if isinstance(event, proto.Failed):
            raise _failure(event, request.operation)
        close = event.close
        if event.cause is not None:  # not the asker's: the protocol gave up waiting, or does not agree to the prompt
            raise GenerationError(event.cause)
        if vector:
            yield _whole(vector)
        yield Finished(reason=close.finish, input_tokens=close.input_tokens, output_tokens=close.output_tokens)

    async def _begin(self, request: Content, purse: int) -> tuple[Call, proto.Event]:
        """Ask for an answer that costs ``purse`` at most; the first that is heard of it."""
        call = await self._place(request, purse)
        try:
            return call, await call.events.get()
        except asyncio.CancelledError:
            self._cancel(call)
            raise

    def _may_ask_for(self, available: int) -> bool:
        """Whether what the settlement node has of this node's credit may pay for the shortest prompt and answer."""
        return self._consumer.settles(self.quote.network) and available >= self._least

    async def _place(self, request: Content, purse: int) -> Call:
        prompt = self.prompt_bound(request)
        ceiling = self.ceiling(request, prompt, purse)
        try:
            number = await self._consumer.sequences.take(self.quote.network, self.quote.provider)
            order = place_order(
                self._consumer.key,
                request,
                quote=self.quote,
                signed_quote=self._signed,
                sequence=number.sequence,
                previous=number.previous,
                ceiling=ceiling,
                salt=os.urandom(SALT_SIZE),
                chain_seed=os.urandom(HASH_SIZE),
                most_input=prompt,
            )
            self._consumer.sequences.used(order)
            call = self.link.ask(order)
            call.overdue = asyncio.get_running_loop().call_later(KEEP_AFTER_S, self._keep, order)
        except ContentError as error:
            raise GenerationError(error.code, parameter=error.parameter) from error
        except LocalProtocolError as error:
            raise GenerationError(error.code) from error
        except StoreError as error:
            log.failure(_log, "receipts.unavailable", error)
            raise GenerationError(ErrorCode.INTERNAL) from error
        return call

    def _keep(self, order: Order) -> None:
        """A long exchange is on the disk while it runs, so that a crash forgets no long answer."""
        self._consumer.background.run(self._consumer.store.record("consumer", order.evidence, ReceiptState.OPENED))

    def prompt_bound(self, request: Content) -> int:
        """Tokens that the prompt can have: one a byte, and what a template adds to it (RCP-038)."""
        return min(_most_tokens(request), self.quote.context_length * request.prompts)

    @property
    def _least(self) -> int:
        """Micro-credits that a ceiling needs for anything at all."""
        return max(self.quote.owed(1, 0), self.quote.prepaid_ticks * self.quote.tick_value)

    def ceiling(self, request: Content, prompt: int, purse: int) -> int:
        """Micro-credits that an answer to ``prompt`` tokens can cost. Raises `GenerationError` past the purse."""
        most = self.quote.owed(prompt, min(request.max_tokens, self.quote.context_length))
        most = max(most, self.quote.prepaid_ticks * self.quote.tick_value)
        if self._least > purse:
            raise GenerationError(ErrorCode.CEILING_TOO_LOW, limit=purse, actual=self._least)
        return min(most, purse, limits.MAX_TICKS * self.quote.tick_value)

    def _consumed(self, call: Call, size: int) -> None:
        self.link.protocol.consumed(call.stream_id, size, clock.now())
        self.link.work()

    def _cancel(self, call: Call) -> None:
        """Stop the peer's work, and see the exchange through to its receipt without the asker."""
        self.link.cancel(call)
        self._consumer.background.run(self._see_through(call))

    async def _see_through(self, call: Call) -> None:
        while not isinstance(event := await call.events.get(), proto.Ended | proto.Failed):
            pass
        await self._settle(call, event)

    def _conclude(self, call: Call, event: proto.Ended | proto.Failed) -> None:
        self._consumer.background.run(self._settle(call, event))

    async def _settle(self, call: Call, event: proto.Ended | proto.Failed) -> None:
        """Store what was agreed, then agree: a countersignature never leaves before its receipt is kept."""
        self.link.calls.pop(call.stream_id, None)
        if call.overdue is not None:
            call.overdue.cancel()
        agreed = isinstance(event, proto.Ended) and self._consumer.settles(self.quote.network)
        settlement = DUE if agreed else ""  # SET-028: the provider claims, and a receipt may come from either
        await self._consumer.store.record("consumer", event.evidence, _state(event), settlement)
        if isinstance(event, proto.Ended) and not self._consumer.store.at_risk(event.evidence):  # RCP-044
            self.link.protocol.countersign(call.stream_id)
            self.link.work()


def _is_short(event: proto.Event) -> TypeGuard[proto.Failed]:
    """Whether the provider could not have the ceiling reserved, and says what could be."""
    return (
        isinstance(event, proto.Failed)
        and event.by_peer
        and event.code == ErrorCode.INSUFFICIENT_CREDIT
        and event.limit is not None
    )


def _state(event: proto.Ended | proto.Failed) -> ReceiptState:
    if isinstance(event, proto.Ended):
        return ReceiptState.SETTLED
    if event.code == ErrorCode.BAD_CLOSE and not event.by_peer:
        return ReceiptState.DISPUTED
    return ReceiptState.OWED if event.owed else ReceiptState.REFUSED


def _failure(event: proto.Failed, asked: Operation) -> GenerationError:
    retry_after = event.retry_after_ms / 1000 if event.retry_after_ms is not None else None
    code = error_code(event.code)
    named = parameter_name(asked, event.actual) if code is ErrorCode.UNSUPPORTED and event.actual is not None else None
    return GenerationError(code, limit=event.limit, actual=event.actual, retry_after=retry_after, parameter=named)


def _delta(chunk: Chunk) -> Delta:
    return Delta(text=chunk.text, tokens=chunk.tokens, part=chunk.part, logprobs=chunk.logprobs)


def _whole(vector: bytes) -> Delta:
    return Delta(text="", tokens=0, part=Part.VECTOR, vector=vector)


def _most_tokens(request: Content) -> int:
    match request:
        case ChatRequest():
            tools = sum(
                TOOL_TOKENS + 2 * _bytes(each.name, each.description, each.parameters) for each in request.tools
            )
            asked = request.response_format
            form = 2 * _bytes(asked.schema, asked.name, asked.description) if asked is not None else 0
            return TEMPLATE_TOKENS + tools + form + sum(_message_tokens(each) for each in request.messages)
        case CompletionRequest():
            return _prompt_tokens(request.prompt)
        case _:
            return sum(_prompt_tokens(each) for each in request.inputs)


def _message_tokens(message: Message) -> int:
    calls = sum(TOOL_TOKENS + 2 * _bytes(call.id, call.name, call.arguments) for call in message.calls)
    return MESSAGE_TOKENS + calls + _bytes(message.content, message.reasoning, message.name, message.call_id)


def _prompt_tokens(prompt: Prompt) -> int:
    return MESSAGE_TOKENS + (_bytes(prompt) if isinstance(prompt, str) else len(prompt))


def _bytes(*texts: str | None) -> int:
    return sum(len(text.encode()) for text in texts if text is not None)
