"""FIND and ANNOUNCE, asked and answered. SPEC.md section "Discovery".

A record of a rooted network passes between two nodes that have both shown there, on that connection, that they are its
members, and nowhere else; those of the direct network pass only while this node takes part in discovery.
"""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING

from mycellm_proto.calls import Procedure
from mycellm_proto.economy import DIRECT_NETWORK
from mycellm_proto.errors import ErrorCode, ProtocolError
from mycellm_proto.limits import MAX_FOUND
from mycellm_proto.network_calls import Empty, decode_item, encode_item
from mycellm_proto.records import Announce, Find, Found, read_record

from .. import log
from ..procedures import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from mycellm_proto.signed import Signed

    from ..networks import Networks
    from ..node.peer_link import PeerLink
    from ..procedures import Procedures
    from .book import Book
    from .informer import Informer
    from .own import OwnRecords

NO_ROOM_MS = 60_000
"""When whoever found no room in the book may try again."""

_log = logging.getLogger(__name__)


class Talk:
    """``direct`` says whether this node takes part in the direct network; ``informer`` who is at a link; ``heard`` is
    called when the book has something new; ``now`` gives seconds since 1970.
    """

    def __init__(
        self,
        book: Book,
        own: OwnRecords,
        networks: Networks,
        *,
        direct: bool,
        now: Callable[[], float],
        informer: Callable[[PeerLink], Informer],
        heard: Callable[[], None],
    ) -> None:
        self._book = book
        self._own = own
        self._networks = networks
        self._direct = direct
        self._now = now
        self._informer = informer
        self._heard = heard
        self._chance = random.SystemRandom()

    def serve(self, procedures: Procedures) -> None:
        """Answer both."""
        procedures.serve(Procedure.FIND, self._find)
        procedures.serve(Procedure.ANNOUNCE, self._announce)

    def shared(self, link: PeerLink) -> list[bytes]:
        """The networks in which this node and the peer of ``link`` take part, and have shown it to each other."""
        if not link.usable:
            return []
        rooted = [held.id for held in self._networks if link.protocol.proofs.mutual(held.id, self._now())]
        return [DIRECT_NETWORK, *rooted] if self._direct else rooted

    # What this node asks

    async def tell(self, link: PeerLink, signed: Signed) -> None:
        """ANNOUNCE a record of this node's. Raises `CallError`, and `RemoteProtocolError` for a strange answer."""
        decode_item(Empty, await link.call(Procedure.ANNOUNCE, Announce(record=signed).encode()))

    async def ask(self, link: PeerLink, network: bytes, most: int = MAX_FOUND) -> int:
        """FIND. How many records were new. Raises `CallError`, `RemoteProtocolError`."""
        named = network if network == DIRECT_NETWORK else link.protocol.proofs.ask(network)
        found = Found.decode(await link.call(Procedure.FIND, Find(network=named, most=most).encode()))
        new, informer = 0, self._informer(link)
        for signed in found.records[:most]:
            before = len(self._book)
            try:
                self._book.hear(network, signed, informer, self._now())
            except ProtocolError as error:
                log.event(_log, logging.INFO, "discovery.bad_record", peer=link.peer_name, broken=error.requirement)
                break  # nobody honest passes such a thing on: the rest is not believed either
            new += len(self._book) - before
        self._heard()
        return new

    # What this node answers

    async def _find(self, link: PeerLink, arguments: bytes) -> bytes:
        find = Find.decode(arguments)
        network = self._asked(link, find.network)
        own = self._own.current(network)
        records = [] if own is None else [own[1]]
        peer = link.session.peer if link.session else b""
        most = find.most - len(records)
        records += self._book.give(network, most, to=peer, now=self._now(), chance=self._chance)
        return Found(records=tuple(records)).encode()

    async def _announce(self, link: PeerLink, arguments: bytes) -> bytes:
        signed = Announce.decode(arguments).record
        record = read_record(signed, now=self._now())
        if link.session is None or record.node != link.session.peer:  # DSC-016
            raise Refusal(ErrorCode.NOT_ALLOWED)
        self._require(link, record.network)
        if self._book.hear(record.network, signed, self._informer(link), self._now()) is None:
            held = self._book.get(record.network, record.node)
            if held is None:
                raise Refusal(ErrorCode.BUSY, retry_after_ms=NO_ROOM_MS)
        self._heard()
        return encode_item(Empty())

    def _asked(self, link: PeerLink, named: bytes) -> bytes:
        network = named if named == DIRECT_NETWORK else link.protocol.proofs.asked(named)
        if network is None:
            raise Refusal(ErrorCode.NOT_MEMBER)
        self._require(link, network)
        return network

    def _require(self, link: PeerLink, network: bytes) -> None:
        """DSC-014, DSC-017: the peer takes part in ``network`` as this node does."""
        if network == DIRECT_NETWORK:
            if not self._direct:
                raise Refusal(ErrorCode.UNSUPPORTED)
        elif not link.protocol.proofs.mutual(network, self._now()):
            raise Refusal(ErrorCode.NOT_MEMBER)
