"""Which opens a provider takes: each identity once and for ever, in the order of its consumer, within its credit.

The decision is made in memory and one read of the database, and does not wait for the disk: the first token would.
A crash before the row is durable forgets a number for which no close was signed, since a provider waits for the row
before it sends END. So that exchange's payment is lost at most, and a number that was settled is never taken again.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from mycellm_proto.economy import open_body

from .errors import BrokenChainError, SequenceUsedError, StoreUnavailableError
from .records import DUE, ReceiptState, Record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mycellm_proto.economy import Evidence

    from .credit import Credit
    from .keeper import Keeper, Pending
    from .records import Identity

MAX_CONSUMERS = 4096
"""Consumers whose newest open is remembered, and those with opens that are not in the database yet: two megabytes."""


class Admission:
    """Decides on opens.

    ``read`` gives the hashes of the stored opens under an identity's number and the one before, ``newest`` number and
    hash of the newest one that is stored of its consumer. A number above the newest was never seen: in the ordinary
    course of things the database is not asked.
    """

    def __init__(
        self,
        keeper: Keeper,
        credit: Credit,
        read: Callable[[Identity], Awaitable[Mapping[int, bytes]]],
        newest: Callable[[Identity], Awaitable[tuple[int, bytes]]],
    ) -> None:
        self._keeper = keeper
        self._credit = credit
        self._read = read
        self._read_newest = newest
        self._newest: dict[Identity, tuple[int, bytes]] = {}  # by the identity with number 0
        # Hashes of opens that are being decided on, or are not in the database yet: bounded by what runs and waits.
        self._taken: dict[Identity, bytes] = {}
        self._undecided: set[Identity] = set()

    async def admit(self, evidence: Evidence, *, allowance: int | None, now: float) -> Pending:
        """See `ReceiptStore.admit`."""
        settlement = DUE if allowance is None else ""
        record = Record.of("provider", evidence, ReceiptState.OPENED, now, settlement=settlement)
        identity = record.identity
        if identity in self._taken:
            raise self._used(record, self._taken[identity], decided=identity not in self._undecided)
        before = self._taken.get(identity._replace(sequence=identity.sequence - 1))
        self._taken[identity] = record.open_hash  # before anything is awaited: of two at once, the second is refused
        self._undecided.add(identity)
        try:
            self._check(record, await self._held(identity), before)
            covered = self._credit.cover(identity, record.ceiling, allowance=allowance, now=now)
            pending = self._keeper.submit(replace(record, covered=covered))
        except BaseException:
            del self._taken[identity]
            raise
        finally:
            self._undecided.discard(identity)
        self._credit.admit(identity, record.created, ceiling=record.ceiling, covered=covered)
        self._remember(identity, record.open_hash)
        return pending

    async def _held(self, identity: Identity) -> Mapping[int, bytes]:
        """The hashes that are held under the number of ``identity`` and the one before."""
        consumer = identity._replace(sequence=0)
        if consumer not in self._newest:
            newest = await self._read_newest(identity)
            self._newest.setdefault(consumer, newest)  # of two that read it at once, the first may have gone on
            self._forget_one()
        sequence, open_hash = self._newest[consumer]
        if identity.sequence <= sequence:
            return await self._read(identity)
        return {sequence: open_hash} if sequence else {}

    def _remember(self, identity: Identity, open_hash: bytes) -> None:
        consumer = identity._replace(sequence=0)
        if consumer in self._newest and identity.sequence > self._newest[consumer][0]:
            self._newest[consumer] = (identity.sequence, open_hash)

    def _forget_one(self) -> None:
        """Stay within `MAX_CONSUMERS`.

        A consumer with opens that are being decided on or written stays: what is read of it again would miss those,
        and a number that was taken would pass for a new one.
        """
        if len(self._newest) > MAX_CONSUMERS:
            busy = {identity._replace(sequence=0) for identity in self._taken}
            idle = next((consumer for consumer in self._newest if consumer not in busy), None)
            if idle is not None:
                del self._newest[idle]

    def written(self, record: Record) -> None:
        """A provider's record is in the database."""
        identity = record.identity
        self._remember(identity, record.open_hash)
        if identity not in self._undecided:
            self._taken.pop(identity, None)

    def _check(self, record: Record, held: Mapping[int, bytes], before: bytes | None) -> None:
        sequence = record.identity.sequence
        if sequence in held:
            raise self._used(record, held[sequence], decided=True)
        before = held.get(sequence - 1, before)
        if before is not None and before != open_body(record.evidence.open).previous:
            raise BrokenChainError("The open does not name the one before it.")

    def _used(self, record: Record, held: bytes, *, decided: bool) -> SequenceUsedError:
        """The refusal. A different open under a number that was taken proves fraud: the writer keeps both."""
        if decided and held != record.open_hash:
            with contextlib.suppress(StoreUnavailableError):
                self._keeper.submit(record)
        return SequenceUsedError(f"The number {record.identity.sequence} was used before.")
