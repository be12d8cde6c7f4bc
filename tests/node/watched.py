"""A node that says when something changed about its peers, so that tests and benchmarks wait instead of looking."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from reference_node.config import Settings
from reference_node.generation import Generator
from reference_node.identity import Identity
from reference_node.node import Node
from reference_node.node.peer_link import PeerLink
from reference_node.owner import Owner
from reference_node.store import ReceiptStore

PATIENCE_S = 20.0


class WatchedNode(Node):
    def __init__(
        self, settings: Settings, identity: Identity, store: ReceiptStore, engine: Generator | None, owner: Owner
    ) -> None:
        super().__init__(settings, identity, store, engine, owner)
        self._changed = asyncio.Event()

    def authenticated(self, link: PeerLink) -> None:
        super().authenticated(link)
        self._changed.set()

    def models_changed(self, link: PeerLink) -> None:
        super().models_changed(link)
        self._changed.set()

    def _advertise(self) -> None:
        super()._advertise()
        self._changed.set()

    def over(self, link: PeerLink) -> None:
        super().over(link)
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what a change about the peers makes true."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def found(self, model: str = "scripted") -> Generator:
        """A model, once a peer offers it."""
        await self.until(lambda: self.catalog.find(model) is not None)
        generator = self.catalog.find(model)
        assert generator is not None
        return generator
