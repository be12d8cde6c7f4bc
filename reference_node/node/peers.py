"""The peers of this node: those it dials and keeps, and those that came."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mycellm_proto.errors import ErrorCode
from mycellm_proto.nodeid import encode_node_id

from .. import log
from ..config import Address, PeerAddress, parse_address
from . import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from mycellm_proto.hello import Session

    from ..quic import Endpoint
    from .peer_link import PeerLink

FIRST_RETRY_S = 0.5
LAST_RETRY_S = 30.0
"""Waits between attempts to reach a peer, doubled from the first to the last."""
BLOCKED = "blocked by this node's owner"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStatus:
    """A peer as it stands: ``latency_ms`` is what the last handshake took, from the dial.

    ``source`` says how this node came to it: ``configured`` (the settings name it), ``network`` (an invite did),
    ``gossip`` (a record did), ``mdns`` (the LAN did), or ``came`` for one that dialed this node.
    """

    node_id: str
    address: str
    source: str
    state: str
    models: tuple[str, ...]
    latency_ms: float | None


@dataclass(slots=True)
class ConfiguredPeer:
    """A peer that this node dials: ``direct`` where it was told to use it, else for a network that both are in."""

    target: PeerAddress
    direct: bool = True
    source: str = "configured"
    link: PeerLink | None = None
    state: str = "connecting"
    latency_ms: float | None = None
    dialed: float = 0.0
    changed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class LearntPeer:
    """A peer that this node found by itself, and dials once."""

    target: PeerAddress
    source: str
    dialed: float
    latency_ms: float | None = None


class Peers:
    """Keeps a link to every configured peer, and knows every link that came in."""

    def __init__(
        self,
        endpoint: Endpoint,
        targets: Iterable[PeerAddress],
        make: Callable[[bytes], PeerLink],
        *,
        blocked: Callable[[], Container[bytes]] = frozenset,
    ) -> None:
        self.links: set[PeerLink] = set()
        self._endpoint = endpoint
        self._make = make
        self._blocked = blocked
        self._configured = [ConfiguredPeer(target) for target in targets]
        self.found: Callable[[bytes], bool] = lambda _: False
        """Whether a node that its owner did not name may be asked all the same."""
        self._learnt: dict[PeerLink, LearntPeer] = {}
        self._group: asyncio.TaskGroup | None = None
        self._arrived = asyncio.Event()

    @property
    def listening(self) -> Address:
        """Where this node listens: the port is the real one."""
        host, port = self._endpoint.address
        return Address(host=host, port=port)

    def trusts(self, node_id: bytes) -> bool:
        """Whether prompts may go there in the direct network: it is named, or the owner lets found nodes be asked."""
        if node_id in self._blocked():
            return False
        return any(peer.direct and peer.target.node_id == node_id for peer in self._configured) or self.found(node_id)

    def refuses(self, node_id: bytes) -> bool:
        """Whether the owner wants nothing of that node."""
        return node_id in self._blocked()

    def of(self, node_ids: Container[bytes]) -> list[PeerLink]:
        """The links to these peers."""
        return [link for link in self.links if link.session is not None and link.session.peer in node_ids]

    def unblocked(self, node_ids: Container[bytes]) -> None:
        """Dial the configured ones of these peers again, at once."""
        for peer in self._configured:
            if peer.target.node_id in node_ids:
                peer.changed.set()

    def authenticated(self, link: PeerLink) -> None:
        """``link`` proved its peer."""
        self._arrived.set()
        for peer in self._configured:
            if peer.link is link:
                peer.state = "connected"
                peer.latency_ms = (clock.now() - peer.dialed) * 1000
        if (learnt := self._learnt.get(link)) is not None:
            learnt.latency_ms = (clock.now() - learnt.dialed) * 1000

    def over(self, link: PeerLink) -> None:
        """``link`` is closed."""
        self.links.discard(link)
        self._learnt.pop(link, None)
        for peer in self._configured:
            if peer.link is link:
                peer.link = None
                peer.state = f"lost ({(link.failure or ErrorCode.INTERNAL).name}), trying again"
                peer.changed.set()

    async def keep(self) -> None:
        """Dial every configured peer, again whenever it is lost, until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            for peer in self._configured:
                self._group.create_task(self._keep(peer))
            await asyncio.get_running_loop().create_future()  # others may be added

    def add(self, target: PeerAddress, *, direct: bool = True, source: str = "configured") -> None:
        """Dial another peer, and keep it as the configured ones; ``direct`` lets it serve outside of networks too."""
        for known in self._configured:
            if known.target == target:
                known.direct = known.direct or direct
                return
        peer = ConfiguredPeer(target, direct, source)
        self._configured.append(peer)
        if self._group is not None:
            self._group.create_task(self._keep(peer))

    def learn(self, target: PeerAddress, source: str) -> PeerLink:
        """Dial a peer that was found, at its numeric address, once. Raises `OSError`, `ValueError`.

        DSC-006, DSC-007, DSC-015: over QUIC, with its key pinned, and nothing is sent but this protocol's handshake.
        """
        link = self._make(target.node_id)
        self._endpoint.dial(target.address.host, target.address.port, link)
        self.links.add(link)
        self._learnt[link] = LearntPeer(target, source, clock.now())
        return link

    def is_named(self, link: PeerLink) -> bool:
        """Whether this node dialed ``link`` because its owner said where."""
        return any(peer.link is link for peer in self._configured)

    async def reach(self, target: PeerAddress) -> PeerLink:
        """A link to that node, dialed where there is none, once its peer is proved."""
        self.add(target, direct=False, source="network")
        while True:
            self._arrived.clear()
            for link in self.of({target.node_id}):
                if link.usable and link.is_initiator:
                    return link
            await self._arrived.wait()

    def status(self) -> list[PeerStatus]:
        """Every peer, the configured ones first."""
        configured = [
            _status(peer.target, peer.source, peer.state, peer.link, peer.latency_ms) for peer in self._configured
        ]
        learnt = [
            _status(peer.target, peer.source, "connected" if link.session else "connecting", link, peer.latency_ms)
            for link, peer in self._learnt.items()
        ]
        dialed = {id(peer.link) for peer in self._configured} | set(map(id, self._learnt))
        came = [
            _status(_where(link, link.session), "came", "connected", link, None)
            for link in self.links
            if link.session is not None and id(link) not in dialed
        ]
        return configured + learnt + came

    async def _keep(self, peer: ConfiguredPeer) -> None:
        wait = FIRST_RETRY_S
        while True:
            peer.changed.clear()
            if peer.target.node_id in self._blocked():
                peer.state, wait = BLOCKED, FIRST_RETRY_S
                await peer.changed.wait()
                continue
            if await self._dial(peer):
                await peer.changed.wait()
                if peer.latency_ms is not None:
                    wait = FIRST_RETRY_S
                    peer.latency_ms = None
            await asyncio.sleep(wait * random.uniform(0.8, 1.2))
            wait = min(2 * wait, LAST_RETRY_S)

    async def _dial(self, peer: ConfiguredPeer) -> bool:
        address = peer.target.address
        peer.dialed = clock.now()
        link = self._make(peer.target.node_id)
        try:
            host, port = await self._endpoint.resolve(address.host, address.port)
            peer.link = link
            self._endpoint.dial(host, port, link)
        except (OSError, ValueError) as error:
            peer.link = None
            peer.state = f"unreachable ({type(error).__name__}), trying again"
            log.event(_log, logging.WARNING, "peer.unreachable", peer=str(peer.target), error=type(error).__name__)
            return False
        self.links.add(link)
        return True


def _where(link: PeerLink, session: Session) -> PeerAddress:
    return PeerAddress(node_id=session.peer, address=parse_address(link.address))


def _status(target: PeerAddress, source: str, state: str, link: PeerLink | None, latency: float | None) -> PeerStatus:
    return PeerStatus(
        node_id=encode_node_id(target.node_id),
        address=str(target.address),
        source=source,
        state=state,
        models=tuple(sorted(quote.model for quote, _ in link.quotes)) if link else (),
        latency_ms=latency,
    )
