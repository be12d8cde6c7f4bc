"""The models that can be asked now: the local ones first, then those of the peers that this node was told to use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mycellm_proto.economy import DIRECT_NETWORK

from ..engine import LOCAL_OWNER
from . import clock
from .remote import RemoteModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..generation import Generator, ModelInfo
    from .local import LocalModels
    from .peers import Peers
    from .remote import Consumer


class NodeCatalog:
    """Implements `Catalog`. A prompt goes to no peer but a configured one: who merely connected is not trusted."""

    def __init__(self, local: LocalModels, peers: Peers, consumer: Consumer) -> None:
        self._local = local
        self._peers = peers
        self._consumer = consumer
        self._first_seen: dict[str, int] = {}

    def models(self) -> Sequence[ModelInfo]:
        """Every model once."""
        found: dict[str, ModelInfo] = {}
        found.update((info.id, info) for info in self._local.infos())
        for remote in sorted(self._remote(), key=lambda model: model.quote.model):
            found.setdefault(remote.quote.model, remote.info)
        return list(found.values())

    def find(self, model_id: str, owner: bytes | None = None) -> Generator | None:
        """Who serves ``model_id``: this node, else the offering peer with the fewest requests of ours."""
        if (local := self._local.find(model_id, LOCAL_OWNER if owner is None else owner)) is not None:
            return local
        offers = [remote for remote in self._remote() if remote.quote.model == model_id]
        return min(offers, key=lambda remote: len(remote.link.calls), default=None)

    def _remote(self) -> Iterator[RemoteModel]:
        trusted = self._peers.trusted
        for link in self._peers.links:
            if link.session is None or not link.session.pinned or link.session.peer not in trusted:
                continue
            for quote, signed in link.quotes:
                if quote.network == DIRECT_NETWORK and clock.now() < quote.expires:
                    created = self._first_seen.setdefault(quote.model, int(clock.now()))
                    yield RemoteModel(self._consumer, link, quote, signed, created)
