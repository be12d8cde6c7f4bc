"""This node's networks, joined to its links: who is met, what is proved on which link, and what keeps it a member."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mycellm_proto.membership import MemberRole

from ..config import PeerAddress
from ..networks import Desk, Introductions, NetworkError, Networks, NetworksFolder, Reception, Upkeep, unpacked
from . import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path
    from typing import Any

    from mycellm_proto.invite import Contact

    from ..procedures import Procedures
    from .peer_link import PeerLink
    from .peers import Peers

REACH_S = 10.0
"""How long it may take to connect to the node that an invite names."""


class Networking:
    """The networks of the node ``node`` in ``home``; ``changed`` is called when what is offered to peers may differ."""

    def __init__(self, home: Path, node: bytes, procedures: Procedures, changed: Callable[[], None]) -> None:
        self.networks = Networks(NetworksFolder(home, node), node, clock.now)
        self.introductions = Introductions(
            self.networks, now=clock.now, links=lambda: self._peers.links, changed=lambda _: changed()
        )
        self.introductions.serve(procedures)
        Reception(self.networks, clock.now).serve(procedures)
        self.desk = Desk(self.networks, now=clock.now, reach=self._reach)

    def upkeep(self, peers: Peers) -> Coroutine[Any, Any, None]:
        """The work that keeps the networks, on the links of ``peers``."""
        self._peers = peers
        keeping = Upkeep(
            self.networks,
            self.introductions,
            self.desk,
            now=clock.now,
            links=lambda: peers.links,
            use=lambda target: peers.add(target, direct=False),
        )
        return keeping.run()

    def served(self, link: PeerLink) -> list[bytes]:
        """The networks in which the peer of ``link`` has proved that it may ask."""
        return [held.id for held in self.networks if self.introductions.plays(link, held.id, MemberRole.CONSUMER)]

    async def _reach(self, contact: Contact) -> PeerLink:
        """A link to the node of a contact, which is kept from then on. Raises `NetworkError`."""
        target = PeerAddress(node_id=contact.node, address=unpacked(contact)[0])
        try:
            async with asyncio.timeout(REACH_S):
                return await self._peers.reach(target)
        except TimeoutError:
            raise NetworkError(f"The authority's node at {target.address} (UDP) cannot be reached.") from None
