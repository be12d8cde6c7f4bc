"""This node's networks, joined to its links: who is met, what is proved on which link, and what keeps it a member."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mycellm_proto.membership import MemberRole

from ..config import PeerAddress
from ..discovery import Discovery
from ..keyring import installed
from ..networks import (
    REACH_S,
    Desk,
    Introductions,
    Networks,
    NetworksFolder,
    Reception,
    Upkeep,
    unpacked,
    unreachable,
)
from . import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path
    from typing import Any

    from mycellm_proto.invite import Contact
    from mycellm_proto.keys import SigningKey
    from mycellm_proto.membership import VerifiedMember

    from ..config import Address, Settings
    from ..procedures import Procedures
    from .background import Background
    from .peer_link import PeerLink
    from .peers import Peers


class Networking:
    """The networks of the node ``node`` in ``home``; ``changed`` is called when what is offered to peers may differ,
    ``shown`` with who has proved to be a member.
    """

    def __init__(
        self,
        home: Path,
        node: bytes,
        procedures: Procedures,
        changed: Callable[[], None],
        shown: Callable[[VerifiedMember], None],
    ) -> None:
        self.networks = Networks(NetworksFolder(home), node, clock.now)
        self.introductions = Introductions(
            self.networks,
            now=clock.now,
            links=lambda: self._peers.links,
            changed=lambda _: self._proofs_changed(),
            shown=shown,
        )
        self._changed = changed
        self._procedures = procedures
        self.introductions.serve(procedures)
        Reception(self.networks, clock.now).serve(procedures)
        card = lambda: installed(home, node=node, now=clock.now())  # noqa: E731 - it is read when it is needed
        self.desk = Desk(self.networks, now=clock.now, reach=self._reach, card=card)

    def upkeep(self, peers: Peers) -> Coroutine[Any, Any, None]:
        """The work that keeps the networks, on the links of ``peers``."""
        self._peers = peers
        keeping = Upkeep(
            self.networks,
            self.introductions,
            self.desk,
            now=clock.now,
            links=lambda: peers.links,
            use=lambda target: peers.add(target, direct=False, source="network"),
        )
        return keeping.run()

    def discovery(
        self,
        peers: Peers,
        background: Background,
        where: Callable[[], list[Address]],
        *,
        settings: Settings,
        key: SigningKey,
    ) -> Discovery:
        """What finds other nodes, as the owner lets it. ``where`` says where this node is reached."""
        for target in settings.bootstrap:
            peers.add(target, direct=False)
        self._discovery = Discovery(
            settings.home,
            key,
            networks=self.networks,
            introductions=self.introductions,
            peers=peers,
            background=background,
            where=where,
            now=clock.now,
            direct=settings.discovers,
            ask_found=settings.ask_found,
            mdns=not settings.no_mdns,
            most=settings.found_peers,
        )
        peers.found = self._discovery.may_ask
        self._discovery.serve(self._procedures)
        return self._discovery

    async def introduce(self, link: PeerLink) -> None:
        """Find out which networks this node shares with the peer that it dialed."""
        await self.introductions.introduce(link)
        self._discovery.met(link)

    def served(self, link: PeerLink) -> list[bytes]:
        """The networks in which the peer of ``link`` has proved that it may ask."""
        return [held.id for held in self.networks if self.introductions.plays(link, held.id, MemberRole.CONSUMER)]

    def _proofs_changed(self) -> None:
        self._changed()
        self._discovery.proved()

    async def _reach(self, contact: Contact) -> PeerLink:
        """A link to the node of a contact, which is kept from then on. Raises `NetworkError`."""
        target = PeerAddress(node_id=contact.node, address=unpacked(contact)[0])
        try:
            async with asyncio.timeout(REACH_S):
                return await self._peers.reach(target)
        except TimeoutError:
            raise unreachable(target.address) from None
