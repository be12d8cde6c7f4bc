"""The models that can be asked now: the local ones first, then those of peers that may be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mycellm_proto.economy import DIRECT_NETWORK
from mycellm_proto.membership import MemberRole

from ..config.sharing import DIRECT
from ..engine import LOCAL_OWNER
from ..networks import NetworkError
from . import clock
from .remote import RemoteModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mycellm_proto.economy import Quote

    from ..generation import Generator, ModelInfo
    from ..networks import Introductions, Networks
    from .local import LocalModels
    from .peer_link import PeerLink
    from .peers import Peers
    from .remote import Consumer


class NodeCatalog:
    """Implements `Catalog`. A prompt goes to no peer but a configured one, or in a network to a proved provider of it:
    who merely connected is not trusted.
    """

    def __init__(
        self,
        local: LocalModels,
        peers: Peers,
        consumer: Consumer,
        networks: Networks,
        introductions: Introductions,
    ) -> None:
        self._local = local
        self._networks = networks
        self._introductions = introductions
        self._peers = peers
        self._consumer = consumer
        self._first_seen: dict[str, int] = {}

    def models(self) -> Sequence[ModelInfo]:
        """Every model once: those of this machine, then those of peers, the longest context first.

        A quote does not say what a model does; one that embeds reads less than one to chat with.
        """
        found: dict[str, ModelInfo] = {}
        found.update((info.id, info) for info in self._local.infos())
        for remote in sorted(self._remote(), key=lambda model: (-model.quote.context_length, model.quote.model)):
            found.setdefault(remote.quote.model, remote.info)
        return list(found.values())

    def find(self, model_id: str, owner: bytes | None = None) -> Generator | None:
        """Who serves ``model_id``: this node, else the offering peer with the fewest requests of ours.

        ``MODEL@NETWORK`` asks in that network alone (its name or id, or ``direct``), and never this node itself.
        """
        if (local := self._local.find(model_id, LOCAL_OWNER if owner is None else owner)) is not None:
            return local
        offers = [remote for remote in self._remote() if remote.quote.model == model_id]
        if not offers and (named := self._named(model_id)) is not None:
            model, network = named
            offers = [r for r in self._remote() if (r.quote.model, r.quote.network) == (model, network)]
        return min(offers, key=lambda remote: len(remote.link.calls), default=None)

    def _named(self, model_id: str) -> tuple[str, bytes] | None:
        model, at, name = model_id.rpartition("@")
        if not at:
            return None
        if name == DIRECT:
            return model, DIRECT_NETWORK
        try:
            return model, self._networks.find(name).id
        except NetworkError:
            return None

    def _remote(self) -> Iterator[RemoteModel]:
        for link in self._peers.links:
            if link.session is None or not link.session.pinned:
                continue
            for quote, signed in link.quotes:
                if clock.now() < quote.expires and self._may_ask(link, link.session.peer, quote):
                    created = self._first_seen.setdefault(quote.model, int(clock.now()))
                    yield RemoteModel(self._consumer, link, quote, signed, created)

    def _may_ask(self, link: PeerLink, peer: bytes, quote: Quote) -> bool:
        """Whether prompts may go there: in the direct network where the owner named the peer, else by membership."""
        network = quote.network
        if network == DIRECT_NETWORK:
            return self._peers.trusts(peer)
        if self._peers.refuses(peer) or not self._networks.plays(network, MemberRole.CONSUMER, quote.model_digest):
            return False
        return self._introductions.plays(link, network, MemberRole.PROVIDER)
