"""The networks of a node: what it holds of each, the authorities that it is, and who is told of changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mycellm_proto.errors import RemoteProtocolError
from mycellm_proto.membership import MemberRole
from mycellm_proto.networks import DataHandling

from .authority import Authority
from .errors import AmbiguousNetworkError, NetworkError, UnknownNetworkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mycellm_proto.membership import VerifiedMember

    from .authority import Terms
    from .folder import NetworksFolder
    from .held import HeldNetwork

MAX_NETWORKS = 64
"""Networks of one node: each is asked for on each connection that this node makes."""


class Networks:
    """Every network of ``node`` (its public key). Seconds are since 1970."""

    def __init__(self, folder: NetworksFolder, node: bytes, now: Callable[[], float]) -> None:
        self.node = node
        self._folder = folder
        self._now = now
        self._held: dict[bytes, HeldNetwork] = {}
        self._subscribers: list[Callable[[bytes], None]] = []
        for held in folder.load(now()):
            self._set(held)
        self._authorities: dict[bytes, Authority] = {}
        for held in self._held.values():
            if (authority := Authority.load(folder, held, node)) is not None:
                self._authorities[held.id] = authority

    def __iter__(self) -> Iterator[HeldNetwork]:
        """The networks, by name."""
        return iter(sorted(self._held.values(), key=lambda held: (held.name, held.id)))

    def __contains__(self, network: bytes) -> bool:
        return network in self._held

    def get(self, network: bytes) -> HeldNetwork | None:
        """The network with that id."""
        return self._held.get(network)

    def find(self, name: str) -> HeldNetwork:
        """The network with that name or id, as people write it. Raises `NetworkError`."""
        found = [held for held in self if name in (held.name, held.id.hex())]
        if not found:
            raise UnknownNetworkError(name)
        if len(found) > 1:
            raise AmbiguousNetworkError(name)
        return found[0]

    def member(self, network: bytes) -> VerifiedMember | None:
        """This node as a member, or None where it is not one (any more)."""
        held = self._held.get(network)
        try:
            return None if held is None else held.member(self.node, self._now())
        except RemoteProtocolError:
            return None

    def plays(self, network: bytes, role: MemberRole, model_digest: bytes) -> bool:
        """Whether this node may be ``role`` for that model now, by its membership, the allow-list and the roll."""
        held, member = self._held.get(network), self.member(network)
        if held is None or member is None or role not in member.roles:
            return False
        return held.descriptor.allows(model_digest) and held.standing.fresh(self._now())

    def stays_on_node(self, network: bytes) -> bool:
        """Whether content is handed to no other system in that network, or nobody here knows."""
        held = self._held.get(network)
        return held is None or held.descriptor.data_handling is not DataHandling.OPEN

    # Changes

    def subscribe(self, told: Callable[[bytes], None]) -> None:
        """Call ``told`` with a network's id after each change of it."""
        self._subscribers.append(told)

    def keep(self, held: HeldNetwork) -> None:
        """Hold a network that was joined, or what is new of one. Raises `HomeError`, `NetworkError`."""
        if held.id not in self._held and len(self._held) >= MAX_NETWORKS:
            raise NetworkError(f"This node is in {MAX_NETWORKS} networks already. `network leave` one of them.")
        before, held = self._held.get(held.id), self._as_confirmed(held)
        if held == before:
            return
        if before is not None:  # who is out is out, even where that cannot be kept
            self._set(held)
        self._folder.save(held)
        if before is None:
            self._set(held)

    def confirmed(self, network: bytes) -> None:
        """The settlement node has just said that what is held is the newest."""
        if (held := self._held.get(network)) is not None:
            self._set(held.confirmed(self._now()))

    def leave(self, network: bytes) -> None:
        """Forget a network. Raises `HomeError`, `NetworkError` for an authority's own, whose keys would be lost."""
        if network in self._authorities:
            folder = self._folder.path(network)
            raise NetworkError(f"This node is the network's authority. Move {folder} away if that is meant.")
        self._folder.forget(network)
        self._held.pop(network, None)
        self._tell(network)

    # Authorities

    def authority(self, network: bytes) -> Authority:
        """The authority of a network. Raises `NetworkError` where it is elsewhere."""
        if network not in self._authorities:
            raise NetworkError("This node is not the network's authority: its keys are in another home.")
        return self._authorities[network]

    def is_authority(self, network: bytes) -> bool:
        """Whether this node is the network's authority."""
        return network in self._authorities

    def create(self, terms: Terms) -> HeldNetwork:
        """A new network, with this node as its authority. Raises `NetworkError`, `HomeError`."""
        if len(self._held) >= MAX_NETWORKS:
            raise NetworkError(f"This node is in {MAX_NETWORKS} networks already.")
        if any(held.name == terms.name for held in self):
            raise NetworkError(f"This node is in a network named {terms.name!r} already. Choose another name.")
        authority = Authority.create(self._folder, terms, self.node, self._now())
        self._authorities[authority.held.id] = authority
        self._set(authority.held)
        return authority.held

    def changed(self, network: bytes) -> None:
        """The authority of this node has issued something: a roll, or a descriptor."""
        self._set(self._as_confirmed(self._authorities[network].held))

    def _as_confirmed(self, held: HeldNetwork) -> HeldNetwork:
        """``held``, given out by the settlement node when what was known before was."""
        before = self._held.get(held.id)
        if before is None or before.standing.renewed is None:
            return held
        return replace(held, standing=replace(held.standing, renewed=before.standing.renewed))

    def _set(self, held: HeldNetwork) -> None:
        if held.descriptor.settlement == self.node:  # nobody knows better
            held = held.confirmed(self._now())
        self._held[held.id] = held
        self._tell(held.id)

    def _tell(self, network: bytes) -> None:
        for told in self._subscribers:
            told(network)
