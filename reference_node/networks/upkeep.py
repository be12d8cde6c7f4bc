"""What keeps a node in its networks: it meets peers, learns new rolls, and renews its memberships in time.

The node of the authority and the settlement node are met every `INTERVAL_S`, so that what they say counts here within
ROLL_INTERVAL (NET-029). Everybody else is met once a connection, and anew when this node joins a network.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from mycellm_proto.limits import ROLL_INTERVAL

from .. import log
from ..config import PeerAddress
from ..identity import HomeError
from ..keyring import KeyringError
from .errors import NetworkError
from .joining import half_over
from .places import unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..node.peer_link import PeerLink
    from .desk import Desk
    from .held import HeldNetwork
    from .introductions import Introductions
    from .networks import Networks

INTERVAL_S = ROLL_INTERVAL / 2
"""Twice as often as it must be: one lost answer costs nobody its place."""

_log = logging.getLogger(__name__)


class Upkeep:
    """``links`` gives the links that stand; ``use`` dials a node and keeps the link."""

    def __init__(
        self,
        networks: Networks,
        introductions: Introductions,
        desk: Desk,
        *,
        now: Callable[[], float],
        links: Callable[[], Iterable[PeerLink]],
        use: Callable[[PeerAddress], None],
    ) -> None:
        self._networks = networks
        self._introductions = introductions
        self._desk = desk
        self._now = now
        self._links = links
        self._use = use
        self._known: set[bytes] = set()
        self._joined = asyncio.Event()
        networks.subscribe(self._changed)

    async def run(self) -> None:
        """Keep every network, until cancelled."""
        while True:
            self._joined.clear()
            for held in list(self._networks):
                try:
                    await self._keep(held)
                except HomeError as error:
                    log.event(_log, logging.WARNING, "network.not_kept", network=held.name, reason=str(error))
                except Exception as error:  # noqa: BLE001 - a bug with one network must not end the others' upkeep
                    log.failure(_log, "network.upkeep_failed", error)
            try:
                async with asyncio.timeout(INTERVAL_S):
                    await self._joined.wait()
            except TimeoutError:
                continue

    async def _keep(self, held: HeldNetwork) -> None:
        if held.id not in self._known:
            self._known.add(held.id)
            self._call_on(held)
            await self._meet(held, self._dialed())
        await self._refresh(held)

    def _changed(self, network: bytes) -> None:
        if network not in self._known:
            self._joined.set()

    def _call_on(self, held: HeldNetwork) -> None:
        """Keep a link to the authority's node."""
        if held.contact is not None and held.contact.node != self._networks.node:
            self._use(PeerAddress(node_id=held.contact.node, address=unpacked(held.contact)[0]))

    async def _refresh(self, held: HeldNetwork) -> None:
        sources = {held.descriptor.settlement, held.contact.node if held.contact else None}
        await self._meet(held, [link for link in self._dialed() if link.session and link.session.peer in sources])
        if not half_over(held, self._now()):
            return
        try:
            await self._desk.renew(held)
        except (NetworkError, HomeError, KeyringError) as error:
            log.event(_log, logging.WARNING, "network.not_renewed", network=held.name, reason=str(error))

    async def _meet(self, held: HeldNetwork, links: Iterable[PeerLink]) -> None:
        for link in links:
            await self._introductions.meet(link, held)

    def _dialed(self) -> list[PeerLink]:
        return [link for link in self._links() if link.usable and link.is_initiator]
