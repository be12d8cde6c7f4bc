"""What this node shows to settlement nodes, off the path of any answer: its receipts, and claims without one.

The queue is the receipts' own: a row is due from the moment when its open was admitted until the settlement node has
judged what came of it, so a restart goes on where a crash left off. What comes while a batch is under way goes into
the next one; nothing waits for a batch to fill.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from mycellm_proto.content import FinishReason
from mycellm_proto.economy import Close, open_body, quote_body, sign
from mycellm_proto.errors import ErrorCode
from mycellm_proto.limits import MAX_BATCH
from mycellm_proto.settlement import Claim, Outcome
from mycellm_proto.signed import HASH_SIZE

from .. import log
from ..procedures import Refusal
from ..store import BOOKED, ReceiptState, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mycellm_proto.keys import SigningKey
    from mycellm_proto.settlement import Settlement

    from ..networks import Networks
    from ..store import ReceiptStore, Record
    from .settlers import Settlers

QUIET_S = 30.0
"""How long a consumer leaves the settlement of its receipts to the provider, before it shows them itself."""
IDLE_S = 15.0
"""How often the queue is looked at where nothing wakes it."""
FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0
"""Waits after a settlement node gave no answer, doubled from the first to the last."""
AGAIN = frozenset({ErrorCode.SETTLEMENT_UNAVAILABLE, ErrorCode.BUSY, ErrorCode.INTERNAL})
"""Refusals of a claim that another try may change."""

_log = logging.getLogger(__name__)


class SettlementQueue:
    """Shows what is due in ``store`` to the ``settlers``. ``now`` gives seconds since 1970, of the store's clock."""

    def __init__(
        self,
        key: SigningKey,
        store: ReceiptStore,
        networks: Networks,
        settlers: Settlers,
        now: Callable[[], float],
    ) -> None:
        self._key = key
        self._store = store
        self._networks = networks
        self._settlers = settlers
        self._now = now
        self._started = now()
        self._woken = asyncio.Event()
        self._waits: dict[bytes, tuple[float, float]] = {}  # network: until when, and how long the last wait was

    def wake(self) -> None:
        """Something is due."""
        self._woken.set()

    async def run(self) -> None:
        """Show what is due, until cancelled."""
        while True:
            self._woken.clear()
            for held in list(self._networks):
                if held.descriptor.settled:
                    await self._show_all(held.id)
            try:
                async with asyncio.timeout(self._pause()):
                    await self._woken.wait()
            except TimeoutError:
                continue

    def _pause(self) -> float:
        soonest = min((until for until, _ in self._waits.values()), default=self._now() + IDLE_S)
        return min(IDLE_S, max(0.0, soonest - self._now()))

    async def _show_all(self, network: bytes) -> None:
        until, waited = self._waits.get(network, (0.0, FIRST_RETRY_S / 2))
        if self._now() < until:
            return
        try:
            while await self._show(network):
                self._waits.pop(network, None)
        except (Refusal, StoreError) as error:
            wait = self._wait(network, waited)
            reason = error.code.name if isinstance(error, Refusal) else str(error)
            log.event(_log, logging.INFO, "settlement.waits", network=network.hex(), reason=reason, seconds=wait)
        except Exception as error:  # noqa: BLE001 - a bug with one network must not keep the others waiting
            self._wait(network, waited)
            log.failure(_log, "settlement.failed", error)
        else:
            self._waits.pop(network, None)

    def _wait(self, network: bytes, waited: float) -> float:
        wait = min(LAST_RETRY_S, 2 * waited)
        self._waits[network] = self._now() + wait, wait
        return wait

    async def _show(self, network: bytes) -> bool:
        """Show one batch; whether there may be more. Raises `Refusal`, `StoreError`."""
        quiet = self._now() - QUIET_S
        due = await self._store.due(network, started=self._started, quiet=quiet, most=MAX_BATCH)
        if not due:
            return False
        outcomes = await self._settlers.settle(network, [self._claim(record) for record in due])
        judged = [
            (record, word, outcome.amount)
            for record, outcome in zip(due, outcomes, strict=True)
            if (word := _word(record, outcome)) is not None
        ]
        if judged:
            await self._store.judged(judged)
        for record, word, _ in judged:
            if word not in ("", BOOKED):
                log.event(_log, logging.WARNING, "settlement.refused", open=record.open_hash.hex(), code=word)
        if len(judged) < len(due):
            raise Refusal(ErrorCode.SETTLEMENT_UNAVAILABLE)
        return True

    def _claim(self, record: Record) -> Claim:
        evidence = record.evidence
        if record.state is ReceiptState.REFUSED and record.role == "provider":
            return self._release(record)
        return Claim(
            quote=evidence.quote,
            open=evidence.open,
            k=evidence.ticks,
            link=evidence.link,
            close=evidence.close,
            countersignature=evidence.countersignature,
        )

    def _release(self, record: Record) -> Claim:
        """A refused request owes nothing (RCP-031): a close over nothing gives back what was reserved."""
        opened, quote = open_body(record.evidence.open), quote_body(record.evidence.quote)
        close = Close(
            open=record.open_hash,
            request=opened.request,
            response=bytes(HASH_SIZE),
            model_digest=quote.model_digest,
            input_tokens=0,
            output_tokens=0,
            total=0,
            finish=FinishReason.FAILED,
        )
        return Claim(
            quote=record.evidence.quote,
            open=record.evidence.open,
            k=0,
            link=opened.anchor,
            close=sign(self._key, close),
        )


def _word(record: Record, outcome: Settlement) -> str | None:
    """What is kept of an outcome; None where it is worth another try."""
    if outcome.outcome in (Outcome.BOOKED, Outcome.REPEATED):
        return BOOKED
    try:
        code = ErrorCode(outcome.code or 0)
    except ValueError:
        return f"code {outcome.code}"
    if record.state is ReceiptState.REFUSED and code is ErrorCode.NO_RESERVATION:
        return ""  # it was refused before anything was reserved for it
    return None if code in AGAIN else code.name
