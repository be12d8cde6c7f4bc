"""One answer of this node to a peer, within payment, credit and allowance."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from mycellm_proto import limits
from mycellm_proto.content import FinishReason
from mycellm_proto.economy import SALT_SIZE
from mycellm_proto.errors import ErrorCode
from mycellm_proto.provider import HEARTBEAT

from .. import log
from ..generation import Delta, Finished, GenerationError, Started, check_abilities
from ..store import BrokenChainError, ReceiptState, SequenceUsedError, ShortOfCreditError, StoreError
from . import clock
from .pieces import chunks_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from mycellm_proto import events as proto
    from mycellm_proto.admission import Admitted
    from mycellm_proto.answer import Chunk
    from mycellm_proto.content import Content
    from mycellm_proto.provider import ProviderExchange

    from ..generation import Generator
    from .peer_link import PeerLink
    from .serving import Service

REFUSALS = {
    FinishReason.SHUTDOWN: ErrorCode.SHUTTING_DOWN,
    FinishReason.DEADLINE: ErrorCode.DEADLINE_EXCEEDED,
    FinishReason.CANCELLED: ErrorCode.CANCELLED,
}
"""What is said before ACCEPT in place of an END with that reason (INF-022)."""

_log = logging.getLogger(__name__)


class ProviderJob:
    """One answer. The protocol's events steer it: payment wakes it, a cancel ends it with a bill."""

    def __init__(self, service: Service, link: PeerLink, stream_id: int, admitted: Admitted) -> None:
        self.over = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._service = service
        self._link = link
        self._stream_id = stream_id
        self._admitted = admitted
        self._wake = asyncio.Event()
        self._stop: FinishReason | None = None
        self._running = False
        self._settled = False
        self._accepted = False
        self._kept: Awaitable[None] | None = None
        self._spoke = clock.now()
        self._deadline = self._spoke + admitted.request.deadline_ms / 1000
        self._heartbeat: asyncio.TimerHandle | None = None

    # Steering, from the link

    def unblocked(self) -> None:
        """Payment or credit came."""
        self._wake.set()

    def cancelled(self) -> None:
        """The consumer wants no more."""
        self._interrupt(FinishReason.CANCELLED)

    @property
    def consumer(self) -> bytes:
        """Who asked: a node id."""
        return self._admitted.open.consumer

    def shut_down(self) -> None:
        """The node stops, or its owner wants this answer to end."""
        self._interrupt(FinishReason.SHUTDOWN)

    def settled(self, event: proto.Settled) -> None:
        """The exchange is over, with a countersignature or without."""
        self._settled = True
        self._interrupt(FinishReason.CANCELLED)
        if self._kept is None:  # never admitted: there is nothing to keep, and an earlier receipt must stand
            self._finish()
            return
        agreed = event.evidence.countersignature is not None
        unagreed = ReceiptState.UNACKNOWLEDGED if event.accepted else ReceiptState.REFUSED
        self._service.background.run(self._keep(event, ReceiptState.SETTLED if agreed else unagreed))

    def _finish(self) -> None:
        self.over.set()
        if self._link.jobs.get(self._stream_id) is self:
            del self._link.jobs[self._stream_id]
        self._service.finished(self)

    def _interrupt(self, reason: FinishReason) -> None:
        if self._stop is None:
            self._stop = reason
            if self._running and self.task is not None:
                self.task.cancel()

    async def _keep(self, event: proto.Settled, state: ReceiptState) -> None:
        try:
            await self._service.store.record("provider", event.evidence, state)
        finally:
            self._service.settled()
            self._finish()

    # The work

    async def run(self) -> None:
        """Answer or refuse; never leave the consumer without a last frame."""
        self._running = True
        try:
            reason = None if self._stop else await self._answer()
        except asyncio.CancelledError:
            if self._stop is None:  # the node's own end, not this answer's
                raise
            reason = None
        except GenerationError as error:
            reason = self._failed(error)
        except Exception as error:  # noqa: BLE001 - a bug of what serves the model is answered too
            log.failure(_log, "serving.crashed", error)
            reason = self._failed(GenerationError(ErrorCode.INTERNAL))
        reason = self._stop or reason
        self._running = False
        if reason is not None and not self._settled:
            await self._end(reason)
        else:
            self._finish()

    async def _answer(self) -> FinishReason | None:
        """Why the answer ended; None where the request was refused."""
        check_abilities(self._service.serving(self._admitted).info, self._admitted.request)  # before it is promised
        # Decided once: what was admitted without an allowance must not run without a reservation either.
        accounted = self._service.settlers.settles(self._admitted.quote.network)
        if not await self._reserve(accounted=accounted):
            return None
        async with self._service.turns.turn(self.consumer, self._deadline - clock.now()) as waited:
            generator = self._service.serving(self._admitted)  # again: much may have changed meanwhile
            if accounted:
                await self._service.settlers.secure(self._link, self._admitted, self._deadline - clock.now())
            left_ms = max(1, int((self._deadline - clock.now()) * 1000))
            request = self._admitted.request
            return await self._generate(generator, replace(request, deadline_ms=left_ms) if waited else request)

    async def _generate(self, generator: Generator, request: Content) -> FinishReason | None:
        self._listen_for_silence()
        try:
            async with aclosing(generator.generate(request)) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        return event.reason
                    if isinstance(event, Started):
                        if not self._accept(event.input_tokens):
                            return None
                    elif (reason := await self._deliver(event)) is not None:
                        return reason
        finally:
            if self._heartbeat is not None:
                self._heartbeat.cancel()
        raise GenerationError(ErrorCode.INTERNAL)

    async def _reserve(self, *, accounted: bool) -> bool:
        """Take the open once and for ever, and its ceiling out of what is owed to the consumer and the allowance;
        where a settlement node keeps the accounts, that one is asked for it when the answer's turn has come.
        """
        store = self._service.store
        allowance = None if accounted else self._service.allowance
        try:
            self._kept = await store.admit(self._admitted.evidence, allowance=allowance, now=clock.now())
        except SequenceUsedError:
            self._refuse(ErrorCode.SEQUENCE_USED)
        except BrokenChainError:
            self._refuse(ErrorCode.BAD_OPEN)
        except ShortOfCreditError as error:
            code = ErrorCode.ALLOWANCE_EXHAUSTED if error.passes else ErrorCode.INSUFFICIENT_CREDIT
            self._refuse(code, limit=error.available, actual=error.needed)
        except StoreError as error:
            log.failure(_log, "receipts.unavailable", error)
            self._refuse(ErrorCode.INTERNAL)
        else:
            return True
        return False

    def _accept(self, input_tokens: int) -> bool:
        self._accepted = self._link.protocol.accept(self._stream_id, input_tokens)
        self._link.work()
        if not self._accepted and self._stop is None:  # its ceiling does not pay for one token
            self._release()
        return self._accepted

    async def _deliver(self, event: Delta) -> FinishReason | None:
        """Send what is there once it is paid and credited; why the answer ends before all of it, where it does."""
        for chunk in chunks_of(event):
            exchange = self._link.protocol.provider(self._stream_id)
            if exchange is None:  # over: `settled` has interrupted this task
                await asyncio.sleep(0)
                return None
            if (reason := exchange.bound(chunk)) is not None:
                return reason
            if not await self._until_ready(exchange, chunk):
                return FinishReason.DEADLINE
            self._link.protocol.chunk(self._stream_id, chunk, clock.now())
            self._spoke = clock.now()
            self._link.work()
        await asyncio.sleep(0)  # text leaves before the engine is asked for more
        return None

    async def _until_ready(self, exchange: ProviderExchange, chunk: Chunk) -> bool:
        """Wait for payment and credit; False once the request's own deadline has passed (INF-013)."""
        while not exchange.ready(chunk, clock.now()):
            self._link.work()  # sets the timer for the payment that is waited for
            self._wake.clear()
            try:
                async with asyncio.timeout(self._deadline - clock.now()):
                    await self._wake.wait()
            except TimeoutError:
                return False
        return True

    def _listen_for_silence(self) -> None:
        silent_for = clock.now() - self._spoke
        delay = max(0.0, limits.HEARTBEAT - silent_for)
        self._heartbeat = asyncio.get_running_loop().call_later(delay, self._beat)

    def _beat(self) -> None:
        """INF-014: say something at least every `limits.HEARTBEAT` seconds."""
        exchange = self._link.protocol.provider(self._stream_id)
        now = clock.now()
        if now >= self._spoke + limits.HEARTBEAT:
            self._spoke = now
            if self._accepted and exchange is not None and exchange.ready(HEARTBEAT, now):
                self._link.protocol.chunk(self._stream_id, HEARTBEAT, now)
                self._link.work()
        self._listen_for_silence()

    def _failed(self, error: GenerationError) -> FinishReason | None:
        """An answer that fails after ACCEPT is billed for what was delivered; before, it is refused."""
        if self._accepted and error.owed:
            return FinishReason.FAILED
        retry_after_ms = None if error.retry_after is None else max(0, int(error.retry_after * 1000))
        self._refuse(error.code, retry_after_ms=retry_after_ms, limit=error.limit, actual=error.actual)
        return None

    async def _end(self, reason: FinishReason) -> None:
        if not self._accepted:
            self._refuse(REFUSALS.get(reason, ErrorCode.INTERNAL))
            self._finish()
            return
        if not await self._is_kept():
            self._link.protocol.refuse(self._stream_id, ErrorCode.INTERNAL)
            self._link.work()
            return
        self._link.protocol.end(self._stream_id, reason, os.urandom(SALT_SIZE), clock.now())
        self._link.work()

    async def _is_kept(self) -> bool:
        """RCP-055: an open is on the disk before its close is on the wire."""
        assert self._kept is not None  # nothing is accepted that was not admitted
        try:
            await self._kept
        except StoreError as error:  # another open took the number in the meantime
            log.failure(_log, "receipts.conflict", error)
            return False
        return not self._service.store.at_risk(self._admitted.evidence)

    def _refuse(
        self,
        code: ErrorCode,
        *,
        retry_after_ms: int | None = None,
        limit: int | None = None,
        actual: int | None = None,
    ) -> None:
        self._link.protocol.refuse(self._stream_id, code, retry_after_ms=retry_after_ms, limit=limit, actual=actual)
        self._link.jobs.pop(self._stream_id, None)
        self._link.work()
        self._release()
        log.event(_log, logging.INFO, "request.refused", peer=self._link.peer_name, code=code.name)

    def _release(self) -> None:
        """Nothing is owed for a refused request (RCP-031): give its ceiling back."""
        if self._kept is not None:
            self._kept = None
            self._service.background.run(self._keep_refused())

    async def _keep_refused(self) -> None:
        await self._service.store.record("provider", self._admitted.evidence, ReceiptState.REFUSED)
        self._service.settled()
