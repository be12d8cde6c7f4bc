"""The node: identity, receipts, QUIC endpoint, peers and the local models, put together."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Self

from mycellm_proto.errors import ErrorCode

from .. import log
from ..config import Address
from ..identity import mark_used
from ..quic import Endpoint
from ..store import RECEIPTS_FILE, ReceiptStore
from . import clock
from .background import Background
from .catalog import NodeCatalog
from .local import LocalModels
from .peer_link import PeerLink
from .peers import Peers, PeerStatus
from .quotes import RENEWAL_S, make_quote
from .remote import Consumer
from .sequences import Sequences
from .serving import Service

if TYPE_CHECKING:
    from mycellm_proto import events as proto
    from mycellm_proto.signed import Signed

    from ..config import PeerAddress, Settings
    from ..generation import Generator
    from ..identity import Identity

GRACE_S = 2.0
"""What the ends of exchanges get when the node stops: a countersignature and a write to the disk."""

_log = logging.getLogger(__name__)


class Node:
    """A running node. Start it with `start`, end it with `aclose`."""

    def __init__(self, settings: Settings, identity: Identity, store: ReceiptStore, engine: Generator | None) -> None:
        self._settings = settings
        self._identity = identity
        self._store = store
        self._forbidden: set[bytes] = set()
        self._background = Background()
        self.local = LocalModels(settings, engine, self._advertise)
        self._service = Service(
            store,
            self._background,
            find=self._serves,
            permits=self._permits,
            allowance=settings.allowance,
        )

    @classmethod
    async def start(cls, settings: Settings, identity: Identity, engine: Generator | None = None) -> Self:
        """Listen, dial the peers, and make the models ready in the background. Raises `OSError`, `StoreError`.

        ``engine`` is served in place of the models that the settings name; its end is the caller's.
        """
        node = cls(settings, identity, await ReceiptStore.open(settings.home / RECEIPTS_FILE), engine)
        try:
            mark_used(settings.home, identity)
            await node._listen(settings.quic)
        except BaseException:
            await node._store.aclose()
            raise
        return node

    async def _listen(self, address: Address) -> None:
        self._endpoint = await Endpoint.open(address.host, address.port, self._accept)
        self._peers = Peers(self._endpoint, self._settings.peer, self._link)
        consumer = Consumer(
            self._identity.key, self._store, Sequences(self._store), self._background, self._settings.max_spend
        )
        self.catalog = NodeCatalog(self.local, self._peers, consumer)
        running = (self._peers.keep(), self._renew(), self.local.start())
        self._tasks = [asyncio.create_task(each) for each in running]

    # What the HTTP API and the command line ask

    def ready(self) -> bool:
        """Whether the default model answers; without one, at once."""
        return self.local.ready()

    def health(self) -> dict[str, object]:
        """The state of this node as JSON: nothing secret, no content."""
        progress, failure = self.local.progress, self.local.failure
        failed = failure is not None
        return {
            "status": "ok" if self.ready() else "failed" if failed else "starting",
            "progress": {
                "stage": "failed" if failed else "ready" if self.ready() else progress.stage,
                "done": progress.done,
                "total": progress.total,
                "detail": failure or progress.detail,
            },
            "node_id": self._identity.text,
            "quic": str(Address(host=self._endpoint.address[0], port=self._endpoint.address[1])),
            "models": [model.id for model in self.catalog.models()],
            "receipts": {"healthy": self._store.healthy, "problem": self._store.problem},
            "peers": [
                {
                    "node_id": peer.node_id,
                    "address": peer.address,
                    "state": peer.state,
                    "models": list(peer.models),
                    "latency_ms": peer.latency_ms,
                }
                for peer in self.peers()
            ],
        }

    def peers(self) -> list[PeerStatus]:
        """Every peer, the configured ones first."""
        return self._peers.status()

    def use(self, target: PeerAddress) -> None:
        """Dial another peer, and keep it as if the settings named it."""
        self._peers.add(target)

    def withdraw(self) -> None:
        """Serve no model any more, neither to peers nor here."""
        self.local.withdraw()

    def forbid(self, node_id: bytes) -> None:
        """Serve the node with that id no more, whatever the settings allow."""
        self._forbidden.add(node_id)
        self._advertise()

    async def aclose(self) -> None:
        """Bill what runs, keep every receipt, say goodbye."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._service.aclose()
        await self._background.settle(GRACE_S)
        for link in list(self._peers.links):
            link.close(ErrorCode.SHUTTING_DOWN)
        await self._endpoint.aclose()
        await self._background.aclose(GRACE_S)
        await self._store.aclose()
        await self.local.aclose()

    # What links tell

    def authenticated(self, link: PeerLink) -> None:
        """A peer is proved: it learns what this node offers it, and that it was accepted."""
        log.event(_log, logging.INFO, "peer.authenticated", peer=link.peer_name, address=link.address)
        self._peers.authenticated(link)
        link.advertise(self._offers(link))

    def models_changed(self, link: PeerLink) -> None:
        """A peer offers other models."""
        log.event(_log, logging.INFO, "peer.models", peer=link.peer_name, models=len(link.quotes))

    def request_received(self, link: PeerLink, event: proto.RequestReceived) -> None:
        """A peer asks."""
        self._service.begin(link, event)

    def over(self, link: PeerLink) -> None:
        """A link is closed."""
        self._peers.over(link)

    # Inside

    def _link(self, expected: bytes | None = None) -> PeerLink:
        return PeerLink(self, self._identity.key, expected)

    def _permits(self, node_id: bytes) -> bool:
        return self._settings.access.permits(node_id) and node_id not in self._forbidden

    def _accept(self) -> PeerLink | None:
        if self._service.closing:
            return None
        link = self._link()
        self._peers.links.add(link)
        return link

    def _serves(self, model_id: str, consumer: bytes) -> Generator | None:
        """What this node answers to a peer: its own models. What it gets from peers it does not pass on."""
        return self.local.find(model_id, consumer)

    def _offers(self, link: PeerLink) -> list[Signed]:
        if link.session is None or not self._permits(link.session.peer):
            return []
        prices = {"price_in": self._settings.price_in, "price_out": self._settings.price_out}
        return [make_quote(self._identity.key, info, now=clock.now(), **prices) for info in self.local.infos()]

    def _advertise(self) -> None:
        for link in self._peers.links:
            if link.usable:
                link.advertise(self._offers(link))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEWAL_S)
            self._advertise()
