"""The ledger of this node: opened when it is first needed, again after it could not be, and swept every minute."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from .. import log
from ..ledger import LEDGER_FILE, Ledger, LedgerError, LedgerUnavailableError, Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..config import Settings

SWEEP_S = 60.0
"""How often what was reserved and never claimed is given back."""
PATIENCE_S = 5.0
"""Seconds of attempts at one transaction: less than who waits for the answer waits (CALL_TIMEOUT)."""
REOPEN_S = 1.0
"""Between two attempts to open a ledger that could not be opened."""

_log = logging.getLogger(__name__)


class Accounts:
    """The ledger in ``place``. ``now`` gives seconds since 1970."""

    def __init__(self, place: Place, now: Callable[[], float]) -> None:
        self.problem: str | None = None
        self.forked: set[tuple[bytes, bytes]] = set()
        self._place = place
        self._now = now
        self._ledger: Ledger | None = None
        self._opening = asyncio.Lock()
        self._failed: float | None = None

    @classmethod
    def of(cls, settings: Settings, now: Callable[[], float]) -> Accounts:
        """The ledger that the settings name."""
        place = Place.parse(settings.ledger) if settings.ledger else Place.file(settings.home / LEDGER_FILE)
        return cls(place, now)

    async def ledger(self) -> Ledger:
        """The ledger, open. Raises `LedgerUnavailableError`."""
        if self._ledger is None:
            async with self._opening:
                if self._ledger is None:
                    self._ledger = await self._open()
        return self._ledger

    def is_forked(self, network: bytes, consumer: bytes) -> bool:
        """SET-019: whether two opens of that consumer under one identity are held as evidence."""
        return (network, consumer) in self.forked

    async def keep(self, is_needed: Callable[[], bool]) -> None:
        """Sweep now and every `SWEEP_S` where the ledger is needed, until cancelled."""
        while True:
            try:
                if is_needed():
                    await self.sweep()
            except LedgerError as error:
                self._note(str(error))
            except Exception as error:  # noqa: BLE001 - a bug must not end the sweeps
                log.failure(_log, "settlement.not_swept", error)
            await asyncio.sleep(SWEEP_S)

    async def sweep(self) -> int:
        """End every open whose time and grace are over, and learn what evidence came to other processes.

        Returns how many were ended. Raises `LedgerError`.
        """
        ledger = await self.ledger()
        ended = await ledger.expire()
        await self._learn_forks(ledger)
        self._note(None)
        if ended:
            log.event(_log, logging.INFO, "settlement.swept", ended=ended)
        return ended

    async def aclose(self) -> None:
        """Book what waits and close the ledger."""
        if self._ledger is not None:
            await self._ledger.aclose()

    def worked(self) -> None:
        """Something was booked or read."""
        self._note(None)

    def failed(self, error: LedgerUnavailableError) -> None:
        """The database could not be used."""
        self._note(str(error))

    async def _open(self) -> Ledger:
        if self._failed is not None and self._now() < self._failed + REOPEN_S:
            raise LedgerUnavailableError(self.problem or "The ledger could not be opened a moment ago.")
        try:
            ledger = await Ledger.open(self._place, clock=self._now, deadline_s=PATIENCE_S)
            await self._learn_forks(ledger)
        except LedgerError as error:
            self._failed = self._now()
            self._note(str(error))
            raise LedgerUnavailableError(str(error)) from error
        self._note(None)
        return ledger

    async def _learn_forks(self, ledger: Ledger) -> None:
        for conflict in await ledger.conflicts():
            identity = conflict.first.identity
            self.forked.add((identity.network, identity.consumer))

    def _note(self, problem: str | None) -> None:
        if problem is not None and self.problem is None:
            log.event(_log, logging.ERROR, "settlement.unavailable", reason=problem)
        elif problem is None and self.problem is not None:
            log.event(_log, logging.INFO, "settlement.recovered")
        self.problem = problem
