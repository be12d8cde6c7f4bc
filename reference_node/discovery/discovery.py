"""How nodes of a network find each other: SPEC.md section "Discovery". What this node learns, tells and dials.

In a rooted network every member takes part. In the direct network a node takes part where its owner said so; otherwise
nothing is told, asked, kept or dialed there because of what a peer says.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
from typing import TYPE_CHECKING

from mycellm_proto.economy import DIRECT_NETWORK
from mycellm_proto.errors import ErrorCode
from mycellm_proto.membership import MemberRole

from ..config import Address, PeerAddress, parse_address
from .book import Book, Lead
from .dialer import Dialer, Pace
from .gossip import Gossip
from .hearsay import Hearsay
from .informer import Informer
from .lan import Lan
from .own import OwnRecords
from .shelf import Shelf
from .talk import Talk
from .views import lead_view, sighting_view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mycellm_proto.invite import Address as Packed
    from mycellm_proto.keys import SigningKey

    from ..networks import Introductions, Networks
    from ..node.background import Background
    from ..node.peer_link import PeerLink
    from ..node.peers import Peers
    from ..procedures import Procedures
    from .dialer import Place

DISCOVERY_FOLDER = "discovery"


class Discovery:
    """``direct``: the owner lets this node take part in the direct network; ``ask_found``: and lets it send prompts to
    whom it finds there. ``mdns``: it may show itself on the LAN. ``most``: peers that it finds and stays connected
    with. ``where`` says where it is reached.
    """

    pace = Pace()

    def __init__(
        self,
        home: Path,
        key: SigningKey,
        *,
        networks: Networks,
        introductions: Introductions,
        peers: Peers,
        background: Background,
        where: Callable[[], list[Address]],
        now: Callable[[], float],
        direct: bool,
        ask_found: bool,
        mdns: bool,
        most: int,
    ) -> None:
        folder = home / DISCOVERY_FOLDER
        self.book = Book(key.public)
        self._networks = networks
        self._introductions = introductions
        self._peers = peers
        self._now = now
        self._direct = direct
        self._ask_found = ask_found
        self._chance = random.SystemRandom()
        self._shelf = Shelf(folder)
        self._own = OwnRecords(folder, key, lambda: tuple(map(packed, where())), now)
        self._dialer = Dialer(self._candidates, self._dial, self._not_dialed, most=most, pace=self.pace, now=now)
        self._talk = Talk(
            self.book,
            self._own,
            networks,
            direct=direct,
            now=now,
            informer=self._informer,
            heard=self._dialer.wake,
        )
        self._hearsay = Hearsay(self.book)
        self._gossip = Gossip(self._talk, self._own, background, links=lambda: peers.links, believes=self._believes)
        self._proved = asyncio.Event()
        self._lan = Lan(key.public, peers.listening, self._dialer.wake)
        self._mdns = mdns and not peers.listening.is_loopback
        for lead in self._shelf.load(self._wanted(), now()):
            self.book.restore(lead)
        networks.subscribe(self._network_changed)

    def serve(self, procedures: Procedures) -> None:
        """Answer FIND and ANNOUNCE."""
        self._talk.serve(procedures)

    async def run(self) -> None:
        """Tell, ask and dial, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._dialer.run())
            group.create_task(self._converse())
            group.create_task(self._lan.run(lambda: self._mdns and bool(self._wanted())))

    async def aclose(self) -> None:
        """Say that this node leaves, and keep what it knows."""
        await self._gossip.say_goodbye(self.pace.answer_s)
        self._shelf.save(self.book)

    # What the node tells

    def proved(self) -> None:
        """Something was proved on a link, or fell."""
        self._proved.set()

    def met(self, link: PeerLink) -> None:
        """``link``, which this node dialed, is proved, and both sides have said which networks they share."""
        self._proved.set()
        attempt = self._dialer.attempts.get(link)
        if attempt is None:
            return
        if self._belongs(link, attempt.place):
            if isinstance(attempt.place, Lead):
                self.book.found_at(attempt.place)
                self._hearsay.true(attempt.place)
        else:
            self._failed(attempt.place)
            link.close(ErrorCode.NO_ERROR)

    def over(self, link: PeerLink) -> None:
        """``link`` is closed."""
        self._gossip.over(link)
        attempt = self._dialer.attempts.pop(link, None)
        if attempt is None:
            return
        if link.session is None:
            self._failed(attempt.place, disproved=link.failure is ErrorCode.WRONG_PEER)
        else:
            attempt.place.due = max(attempt.place.due, self._now() + self.pace.redial_s)
        self._dialer.wake()

    # What its owner asks

    async def find(self, network: bytes | None = None) -> int:
        """Ask peers for others at once, in one network or in all. How many were asked."""
        return await self._gossip.ask_many(self._wanted() if network is None else [network])

    def may_ask(self, node: bytes) -> bool:
        """Whether the owner lets prompts go to that node, because it was found in the direct network."""
        lead = self.book.get(DIRECT_NETWORK, node) if self._direct and self._ask_found else None
        return lead is not None and lead.first_hand and not lead.gone

    def view(self, network: bytes | None = None) -> dict[str, object]:
        """What this node knows of others, as JSON: its owner's alone, since it says who is in which network."""
        shown = [lead for lead in self.book if network in (None, lead.network)]
        return {
            "direct": self._direct,
            "mdns": self._mdns,
            "records": [lead_view(lead) for lead in sorted(shown, key=lambda each: (each.network, each.node))],
            "lan": [sighting_view(seen) for seen in self._lan.sightings] if network is None else [],
        }

    # Dialing

    def _candidates(self) -> Iterator[Place]:
        """Where somebody may be dialed now: first who keeps the accounts of a network, then in networks where this node
        asks, then elsewhere.
        """
        now = self._now()
        near = {link.session.peer for link in self._peers.links if link.session is not None}
        near |= {attempt.place.node for attempt in self._dialer.attempts.values()} | {self._networks.node}
        wanted, settling = self._wanted(), self._settling()
        found = [lead for lead in self.book if lead.network in wanted and not lead.gone]
        self._chance.shuffle(found)
        for lead in sorted(
            found, key=lambda each: (each.node not in settling, not wanted[each.network], each.failures)
        ):
            if lead.node not in near and now >= lead.due and not self._peers.refuses(lead.node):
                yield lead
        for seen in self._lan.sightings:
            if seen.node not in near and now >= seen.due and not self._peers.refuses(seen.node):
                yield seen

    def _wanted(self) -> dict[bytes, bool]:
        """The networks in which this node looks for others, and whether it asks there."""
        own = {held.id: self._networks.member(held.id) for held in self._networks}
        rooted = {network: MemberRole.CONSUMER in member.roles for network, member in own.items() if member is not None}
        return rooted | ({DIRECT_NETWORK: self._ask_found} if self._direct else {})

    def _settling(self) -> set[bytes | None]:
        """The settlement nodes of this node's networks: without them nothing is served there."""
        return {held.descriptor.settlement for held in self._networks}

    def _dial(self, place: Place, address: Packed) -> PeerLink:
        where = Address(host=str(ipaddress.ip_address(address[0])), port=address[1])
        source = "gossip" if isinstance(place, Lead) else "mdns"
        return self._peers.learn(PeerAddress(node_id=place.node, address=where), source)

    def _not_dialed(self, place: Place) -> None:
        self._failed(place)

    def _failed(self, place: Place, *, disproved: bool = False) -> None:
        now = self._now()
        if not isinstance(place, Lead):
            place.due = now + self.pace.lan_s
            return
        if disproved:
            self.book.disprove(place)
        else:
            self.book.not_found(place, again_at=now + self.pace.redial_s * 2**place.failures)
        if place.gone:
            self._hearsay.untrue(place, now)

    def _believes(self, link: PeerLink, network: bytes) -> bool:
        return self._hearsay.believes(self._informer(link), network, self._now())

    def _belongs(self, link: PeerLink, place: Place) -> bool:
        """Whether the node that was reached is what was looked for."""
        if isinstance(place, Lead) and place.network != DIRECT_NETWORK:
            return link.protocol.proofs.peer(place.network, self._now()) is not None
        return bool(self._talk.shared(link))

    def _useful(self, link: PeerLink) -> bool:
        """Whether this node can ask the peer, work goes on between them, or the peer keeps accounts."""
        if link.calls or link.jobs or (link.session is not None and link.session.peer in self._settling()):
            return True
        asks = [network for network, asked in self._wanted().items() if asked]
        return any(
            bool(link.quotes) if network == DIRECT_NETWORK
            else self._introductions.plays(link, network, MemberRole.PROVIDER)
            for network in asks
        )  # fmt: skip

    def _make_place(self) -> None:
        """Where as many peers were found as may be, let one go that is of no use, for one that may be."""
        if not self._dialer.full or next(self._candidates(), None) is None:
            return
        settled = self._now() - self.pace.settle_s
        for link, attempt in list(self._dialer.attempts.items()):
            if link.usable and attempt.since <= settled and not self._useful(link):
                link.close(ErrorCode.NO_ERROR)
                return

    # Talking

    async def _converse(self) -> None:
        saved = asked = self._now()
        while True:
            self._proved.clear()
            self.book.age(self._now())
            self._gossip.tell_news()
            if self._now() >= asked + self.pace.ask_s:
                asked = self._now()
                self._gossip.ask_somebody(self._wanted())
                self._make_place()
            if self._now() >= saved + self.pace.save_s:
                saved = self._now()
                self._shelf.save(self.book)
            try:
                async with asyncio.timeout(self.pace.ask_s):
                    await self._proved.wait()
            except TimeoutError:
                self._dialer.wake()

    # Inside

    def _informer(self, link: PeerLink) -> Informer:
        where = packed(parse_address(link.address))
        node = link.session.peer if link.session else b""
        return Informer(node=node, host=where[0], beside=where if self._peers.is_named(link) else None)

    def _network_changed(self, network: bytes) -> None:
        if network not in self._networks:
            self.book.forget(network)
        self._lan.look_again()
        self._proved.set()


def packed(address: Address) -> Packed:
    """An address in numbers. A zone is no part of it."""
    return ipaddress.ip_address(address.host.partition("%")[0]).packed, address.port
