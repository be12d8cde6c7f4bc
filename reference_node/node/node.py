"""The node: identity, receipts, QUIC endpoint, peers and the local models, put together."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Self

from mycellm_proto.economy import DIRECT_NETWORK
from mycellm_proto.errors import ErrorCode

from .. import log
from ..config import Address
from ..identity import mark_used
from ..networks import where_reached
from ..owner import Owner
from ..procedures import Procedures
from ..quic import Endpoint
from ..store import RECEIPTS_FILE, ReceiptStore
from . import clock
from .accounting import Accounting
from .background import Background
from .catalog import NodeCatalog
from .local import LocalModels
from .networking import Networking
from .peer_link import PeerLink
from .peers import Peers, PeerStatus
from .quotes import RENEWAL_S, make_quote
from .remote import Consumer
from .sequences import Sequences
from .serving import Service

if TYPE_CHECKING:
    from mycellm_proto import events as proto
    from mycellm_proto.membership import VerifiedMember
    from mycellm_proto.signed import Signed

    from ..config import PeerAddress, Settings
    from ..generation import Generator
    from ..identity import Identity
    from ..owner import Controls

GRACE_S = 2.0
"""What the ends of exchanges get when the node stops: a countersignature and a write to the disk."""
ADVERTISE_S = 2.0
"""Between two advertisements: a peer takes one frame a second, and a reserved one may go with each."""

_log = logging.getLogger(__name__)


class Node:
    """A running node. Start it with `start`, end it with `aclose`."""

    def __init__(
        self, settings: Settings, identity: Identity, store: ReceiptStore, engine: Generator | None, owner: Owner
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._store = store
        self.owner = owner
        self._background = Background()
        self.procedures = Procedures()
        self.local = LocalModels(settings, engine, self._advertise)
        self._networking = Networking(settings.home, identity.node_id, self.procedures, self._proved, self._shown)
        self.networks, self.desk = self._networking.networks, self._networking.desk
        self._accounting = Accounting(
            settings, identity, store, self.networks, procedures=self.procedures, links=lambda: self._peers.links
        )
        self.settlers, self.balances = self._accounting.settlers, self._accounting.balances
        self._service = Service(
            store,
            self._background,
            owner,
            self.networks,
            self.settlers,
            find=self._serves,
            settled=self._accounting.queue.wake,
            queue=settings.queue,
        )
        self._advertised = -ADVERTISE_S
        self._advertising: asyncio.TimerHandle | None = None

    @classmethod
    async def start(cls, settings: Settings, identity: Identity, engine: Generator | None = None) -> Self:
        """Listen, dial the peers, and make the models ready in the background. Raises `OSError`, `StoreError`,
        `HomeError`.

        ``engine`` is served in place of the models that the settings name; its end is the caller's.
        """
        owner = Owner.open(settings)
        node = cls(settings, identity, await ReceiptStore.open(settings.home / RECEIPTS_FILE), engine, owner)
        try:
            mark_used(settings.home, identity)
            await node._listen(settings.quic)
        except BaseException:
            await node._store.aclose()
            raise
        return node

    async def _listen(self, address: Address) -> None:
        self._endpoint = await Endpoint.open(address.host, address.port, self._accept)
        self._peers = Peers(self._endpoint, self._settings.peer, self._link, blocked=lambda: self.owner.controls.block)
        consumer = Consumer(
            self._identity.key,
            self._store,
            Sequences(self._store, self._identity.node_id),
            self._background,
            max_spend=lambda: self.owner.controls.max_spend,
            settles=self.settlers.settles,
        )
        self.owner.subscribe(self._controls_changed)
        self.catalog = NodeCatalog(self.local, self._peers, consumer, self.networks, self._networking.introductions)
        self.discovery = self._networking.discovery(
            self._peers, self._background, self.where_reached, settings=self._settings, key=self._identity.key
        )
        upkeep = self._networking.upkeep(self._peers)
        work = (
            self._peers.keep(), self._renew(), upkeep, self._accounting.run(), self.discovery.run(), self.local.start(),
        )  # fmt: skip
        self._tasks = [asyncio.create_task(each) for each in work]

    # What the HTTP API and the command line ask

    def ready(self) -> bool:
        """Whether the default model answers; without one, at once."""
        return self.local.ready

    def health(self) -> dict[str, object]:
        """The state of this node as JSON: nothing secret, no content."""
        return self.local.health() | {
            "node_id": self._identity.text,
            "quic": str(Address(host=self._endpoint.address[0], port=self._endpoint.address[1])),
            "models": [model.id for model in self.catalog.models()],
            "receipts": {"healthy": self._store.healthy, "problem": self._store.problem},
            "settlement": self._accounting.health(),
            "peers": [asdict(peer) for peer in self.peers()],
        }

    def where_reached(self) -> list[Address]:
        """Where other nodes reach this one, as far as it can know."""
        if self._settings.announce:
            return list(self._settings.announce)
        host, port = self._endpoint.address
        return where_reached(Address(host=host, port=port))

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
        """Serve the node with that id no more, whatever the settings allow, until this process ends."""
        self._service.forbidden.add(node_id)
        self._advertise()

    @property
    def running(self) -> int:
        """Requests of peers that are not over."""
        return self._service.running

    def hold(self, held: bool) -> None:
        """Take no new request of peers and offer them nothing, or do so again. What runs goes on."""
        self._service.held = held
        self._advertise()

    async def idle(self) -> None:
        """Return when no request of a peer runs."""
        await self._service.idle()

    async def end_answers(self) -> int:
        """End what runs for peers; it is billed. Returns how many answers that were."""
        return await self._service.end()

    async def aclose(self) -> None:
        """Bill what runs, keep every receipt, say goodbye."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        if self._advertising is not None:
            self._advertising.cancel()
        await self._service.aclose()
        await self.discovery.aclose()
        await self._background.settle(GRACE_S)
        for link in list(self._peers.links):
            link.close(ErrorCode.SHUTTING_DOWN)
        await self._endpoint.aclose()
        await self._background.aclose(GRACE_S)
        await self._accounting.aclose()
        await self._store.aclose()
        await self.local.aclose()

    # What links tell

    def authenticated(self, link: PeerLink) -> None:
        """A peer is proved: it learns what this node offers it, and that it was accepted."""
        log.event(_log, logging.INFO, "peer.authenticated", peer=link.peer_name, address=link.address)
        self._peers.authenticated(link)
        if link.session is not None and link.session.peer in self.owner.controls.block:
            link.advertise(())  # CTL-010
            link.close(ErrorCode.NOT_ALLOWED)
            return
        self._networking.introductions.authenticated(link)
        link.advertise(self._offers(link))
        if link.is_initiator and link.session is not None and link.session.pinned:
            self._background.run(self._networking.introduce(link))

    def models_changed(self, link: PeerLink) -> None:
        """A peer offers other models."""
        log.event(_log, logging.INFO, "peer.models", peer=link.peer_name, models=len(link.quotes))

    def request_received(self, link: PeerLink, event: proto.RequestReceived) -> None:
        """A peer asks."""
        self._service.begin(link, event)

    def over(self, link: PeerLink) -> None:
        """A link is closed."""
        self._peers.over(link)
        self.discovery.over(link)

    # Inside

    def _link(self, expected: bytes | None = None) -> PeerLink:
        return PeerLink(self, self._identity.key, expected, self.procedures)

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
        """Quotes for one peer: one for each network that both are in, where the owner shares it, of every model."""
        controls = self.owner.controls
        if link.session is None:
            return []
        prices = {"price_in": controls.price_in, "price_out": controls.price_out}
        return [
            make_quote(self._identity.key, info, network=network, now=clock.now(), **prices)
            for info in self.local.infos()
            for network in (DIRECT_NETWORK, *self._networking.served(link))
            if self._service.offers(link.session.peer, network, info)
        ]

    def _proved(self) -> None:
        """Something was proved on a link, or fell."""
        self._accounting.settlers.changed()
        self._advertise()

    def _shown(self, member: VerifiedMember) -> None:
        """A peer has proved to be a member."""
        self._background.run(self._accounting.office.shown(member))

    def _controls_changed(self, before: Controls, after: Controls) -> None:
        self._service.controls_changed(after)
        if blocked := after.block - before.block:
            self._background.run(self._expel(blocked))
        self._peers.unblocked(before.block - after.block)
        self._advertise()

    async def _expel(self, node_ids: frozenset[bytes]) -> None:
        """End what runs for these peers, so that it is billed, then their connections."""
        await self._service.end(node_ids)
        for link in self._peers.of(node_ids & self.owner.controls.block):
            link.close(ErrorCode.NOT_ALLOWED)

    def _advertise(self) -> None:
        """Tell every peer what is offered now; no more often than their allowance lets (CTL-005)."""
        if self._advertising is not None:
            return
        wait = self._advertised + ADVERTISE_S - clock.now()
        if wait > 0:
            self._advertising = asyncio.get_running_loop().call_later(wait, self._advertise_now)
        else:
            self._advertise_now()

    def _advertise_now(self) -> None:
        self._advertising, self._advertised = None, clock.now()
        for link in list(self._peers.links):
            if link.usable:
                link.advertise(self._offers(link))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEWAL_S)
            self._advertise()
