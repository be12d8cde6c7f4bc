"""The calls of one link: what this node answers to its peer, and what it asks of it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from mycellm_proto import events as proto
from mycellm_proto.errors import ErrorCode, LocalProtocolError, ProtocolError

from .. import log
from ..procedures import CallError, Refusal
from . import clock

if TYPE_CHECKING:
    from ..procedures import Handler, Procedures
    from .peer_link import PeerLink

_log = logging.getLogger(__name__)


class LinkCalls:
    """The calls of one link, in both directions."""

    def __init__(self, link: PeerLink, procedures: Procedures) -> None:
        self._link = link
        self._procedures = procedures
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._running: dict[int, asyncio.Task[None]] = {}

    async def call(self, procedure: int, arguments: bytes) -> bytes:
        """Ask the peer; the result as it came. Raises `CallError`, after `limits.CALL_TIMEOUT` at the latest."""
        try:
            stream_id = self._link.protocol.call(procedure, arguments, clock.now())
        except LocalProtocolError as error:
            raise CallError(error.code, by_peer=False) from error
        result: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[stream_id] = result
        self._link.work()
        try:
            return await result
        finally:
            del self._waiting[stream_id]

    def handle(self, event: proto.CallReceived | proto.CallWithdrawn | proto.CallAnswered) -> None:
        """What the protocol tells of a call, other than its failure."""
        if isinstance(event, proto.CallReceived):
            self._received(event)
        elif isinstance(event, proto.CallWithdrawn):
            if (task := self._running.pop(event.stream_id, None)) is not None:
                task.cancel()
        else:
            result = self._waiting.get(event.stream_id)
            if result is not None and not result.done():
                result.set_result(event.result)

    def failed(self, event: proto.CallFailed, code: ErrorCode) -> None:
        """A call of this node's has no result."""
        result = self._waiting.get(event.stream_id)
        if result is None or result.done():
            return
        numbers = {"retry_after_ms": event.retry_after_ms, "limit": event.limit, "actual": event.actual}
        result.set_exception(CallError(code, by_peer=event.by_peer, **numbers))

    def _received(self, event: proto.CallReceived) -> None:
        handler = self._procedures.find(event.procedure)
        if handler is None:  # CAL-008
            self._link.protocol.refuse(event.stream_id, ErrorCode.UNSUPPORTED)
            return
        task = asyncio.get_running_loop().create_task(self._answer(handler, event))
        self._running[event.stream_id] = task
        task.add_done_callback(lambda _: self._running.pop(event.stream_id, None))

    async def _answer(self, handler: Handler, event: proto.CallReceived) -> None:
        protocol, stream_id = self._link.protocol, event.stream_id
        try:
            protocol.answer(stream_id, await handler(self._link, event.arguments))
        except Refusal as refusal:
            protocol.refuse(
                stream_id,
                refusal.code,
                retry_after_ms=refusal.retry_after_ms,
                limit=refusal.limit,
                actual=refusal.actual,
            )
        except ProtocolError as error:
            log.event(_log, logging.INFO, "call.refused", peer=self._link.peer_name, broken=error.requirement)
            # CAL-009: the arguments broke a rule; the connection lives on.
            malformed = error.code is ErrorCode.ENCODING
            protocol.refuse(stream_id, ErrorCode.MALFORMED if malformed else error.code)
        except Exception as error:  # noqa: BLE001 - whatever a handler does, its caller hears of it
            log.failure(_log, "call.failed", error)
            protocol.refuse(stream_id, ErrorCode.INTERNAL)
        self._link.work()
