"""Sequence numbers of this node's opens: taken durably before an open is signed (RCP-003), in blocks.

A crash leaves a gap, which is legal; a number that is used twice would be proof of fraud.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mycellm_proto.signed import Context

if TYPE_CHECKING:
    from mycellm_proto.order import Order

    from ..store import ReceiptStore

BLOCK = 64
"""Numbers per write to the disk: one write is a millisecond, one request in 64 pays for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A sequence number, and the hash of the open before it (None for the first)."""

    sequence: int
    previous: bytes | None


class _Block:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.next = self.end = 0
        self.previous: bytes | None = None


class Sequences:
    """The numbers of every (network, provider) that this node, ``consumer``, asks."""

    def __init__(self, store: ReceiptStore, consumer: bytes) -> None:
        self._store = store
        self._consumer = consumer
        self._blocks: dict[tuple[bytes, bytes], _Block] = {}

    async def take(self, network: bytes, provider: bytes) -> Number:
        """The next number for ``provider``; call `used` with the order at once, before anything is awaited."""
        block = self._blocks.setdefault((network, provider), _Block())
        while block.next == block.end:  # others may have used a fresh block up
            async with block.lock:
                if block.next == block.end:
                    await self._fill(block, network, provider)
        number = Number(sequence=block.next, previous=block.previous)
        block.next += 1
        return number

    def used(self, order: Order) -> None:
        """``order`` carries the number: the next open names it."""
        self._blocks[order.open.network, order.open.provider].previous = order.signed_open.digest(Context.OPEN)

    async def _fill(self, block: _Block, network: bytes, provider: bytes) -> None:
        if block.end == 0:
            block.previous = await self._store.latest_open(network, provider, self._consumer)
        first = await self._store.take_sequences(network, provider, BLOCK)
        block.next, block.end = first, first + BLOCK
