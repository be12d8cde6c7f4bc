"""What nodes tell each other: each peer hears of a change at once, and one at random is asked now and then."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from mycellm_proto.errors import ErrorCode, ProtocolError

from .. import log
from ..procedures import CallError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..node.background import Background
    from ..node.peer_link import PeerLink
    from .own import OwnRecords
    from .talk import Talk

ASKED_AT_ONCE = 8
"""Peers of a network that are asked when the owner wants it."""

_log = logging.getLogger(__name__)


class Gossip:
    """``links`` gives the links that stand; ``believes`` says whether a peer is asked about a network."""

    def __init__(
        self,
        talk: Talk,
        own: OwnRecords,
        background: Background,
        *,
        links: Callable[[], Iterable[PeerLink]],
        believes: Callable[[PeerLink, bytes], bool],
    ) -> None:
        self._talk = talk
        self._own = own
        self._background = background
        self._links = links
        self._believes = believes
        self._chance = random.SystemRandom()
        self._told: dict[PeerLink, dict[bytes, int]] = {}
        self._talking: set[PeerLink] = set()

    def tell_news(self) -> None:
        """Tell every peer what it has not heard of this node, and ask it the first time."""
        for link in list(self._links()):
            if link not in self._talking and self._news(link):
                self._talking.add(link)
                self._background.run(self._exchange(link))

    def ask_somebody(self, networks: Iterable[bytes]) -> None:
        """Ask one random peer of each network for others."""
        shared = [(link, self._talk.shared(link)) for link in self._links() if link not in self._talking]
        for network in networks:
            among = [link for link, some in shared if network in some]
            if among:
                self._background.run(self._ask(self._chance.choice(among), network))

    async def ask_many(self, networks: Iterable[bytes]) -> int:
        """Ask up to `ASKED_AT_ONCE` random peers of each network, and wait for what they say. How many were asked."""
        shared = [(link, self._talk.shared(link)) for link in self._links()]
        asked = []
        for network in networks:
            among = [link for link, some in shared if network in some]
            chosen = self._chance.sample(among, min(ASKED_AT_ONCE, len(among)))
            asked += [self._ask(link, network) for link in chosen]
        await asyncio.gather(*asked)
        return len(asked)

    async def say_goodbye(self, patience_s: float) -> None:
        """Tell every peer that this node leaves; nobody is waited for longer than ``patience_s``."""
        shared = [(link, each) for link in self._links() for each in self._talk.shared(link)]
        farewells = {each: self._own.farewell(each) for each in {network for _, network in shared}}
        words = [self._talk.tell(link, signed) for link, each in shared if (signed := farewells[each]) is not None]
        tasks = [asyncio.ensure_future(word) for word in words]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=patience_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def over(self, link: PeerLink) -> None:
        """``link`` is closed."""
        self._told.pop(link, None)

    # Inside

    def _sequence(self, network: bytes) -> int:
        """Of this node's record; 0 where it has none."""
        own = self._own.current(network)
        return 0 if own is None else own[0].sequence

    def _news(self, link: PeerLink) -> set[bytes]:
        """The networks in which the peer has not heard of this node as it is now."""
        told = self._told.get(link, {})
        return {each for each in self._talk.shared(link) if told.get(each) != self._sequence(each)}

    async def _exchange(self, link: PeerLink) -> None:
        tried: set[bytes] = set()
        try:
            while left := self._news(link) - tried:
                tried.add(network := min(left))
                if await self._tell(link, network):
                    await self._ask(link, network)
        finally:
            self._talking.discard(link)

    async def _tell(self, link: PeerLink, network: bytes) -> bool:
        """Tell a peer of this node. Whether it is the first time that this link serves for that."""
        told = self._told.setdefault(link, {})
        first, own = network not in told, self._own.current(network)
        told[network] = self._sequence(network)  # whatever comes of it, the next one is another
        try:
            if own is not None:
                await self._talk.tell(link, own[1])
        except (CallError, ProtocolError) as error:
            if error.code in (ErrorCode.NOT_MEMBER, ErrorCode.BUSY):  # a later one may be taken
                told.pop(network, None)
            self._refused(link, error)
        if not link.usable:
            self.over(link)
        return first

    async def _ask(self, link: PeerLink, network: bytes) -> None:
        if not link.usable or not self._believes(link, network):
            return
        try:
            await self._talk.ask(link, network)
        except (CallError, ProtocolError) as error:
            self._refused(link, error)

    @staticmethod
    def _refused(link: PeerLink, error: CallError | ProtocolError) -> None:
        log.event(_log, logging.DEBUG, "discovery.refused", peer=link.peer_name, code=error.code.name)
