"""What the adapter's owner does with networks: the verbs that join one, and those of an authority."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from conformance import dcbor
from conformance.members import Proof, Signed

from .authority import Authority, serial_of
from .initiator import Initiator
from .rules import RefusedError

if TYPE_CHECKING:
    from .connection import Connection
    from .node import Node

ADDRESS = "127.0.0.1:1"
"""Where a node in memory says that it is: nothing listens there."""


class Owner:
    """The verbs on a running node, whose connections are ``links``."""

    authority_of: type[Authority] = Authority
    links: Sequence[Connection]

    def running(self) -> Node:
        """The node. Raises `RefusedError` where there is none."""
        raise NotImplementedError

    async def join(
        self, *, descriptor: str, membership: str, roll: str | None, node_certificate: str | None = None
    ) -> dict[str, Any]:
        """Be a member, and ask everybody whom it has dialed for the network."""
        certificate = None if node_certificate is None else _signed(node_certificate)
        proof = Proof(membership=_signed(membership), certificate=certificate)
        network = self.running().join(_signed(descriptor), proof, None if roll is None else _signed(roll))
        for link in self.links:
            if isinstance(link, Initiator) and link.session is not None:
                link.meet(network)
        return {}

    async def create_network(self, *, admission: str, settled: bool = False) -> dict[str, Any]:
        """A network whose authority the node is."""
        node = self.running()
        authority = self.authority_of(node, admission, settled=settled)
        node.authorities[authority.network] = authority
        return {"network": authority.network.hex()}

    async def invite(self, *, network: str, uses: int, roles: int, quota: int, seconds: int) -> dict[str, Any]:
        """An invite."""
        text = self.authority(network).invite(uses=uses, roles=roles, quota=quota, seconds=seconds, address=ADDRESS)
        return {"invite": text}

    async def withdraw_invite(self, *, network: str, invite: str) -> dict[str, Any]:
        """The invite makes nobody a member any more."""
        self.authority(network).withdraw(serial_of(invite))
        return {}

    async def admit(self, *, network: str, member: str, roles: int, quota: int) -> dict[str, Any]:
        """Name a key."""
        self.authority(network).admit(bytes.fromhex(member), roles, quota)
        return {}

    async def revoke(self, *, network: str, member: str) -> dict[str, Any]:
        """Put a member out."""
        self.authority(network).put_out(bytes.fromhex(member))
        return {}

    def authority(self, network: str) -> Authority:
        """That of a network. Raises `RefusedError`."""
        found = self.running().authorities.get(bytes.fromhex(network))
        if found is None:
            raise RefusedError("NOT_ALLOWED")
        return found


def _signed(encoded: str) -> Signed:
    """A signed object, as the lines write it."""
    value: Signed = dcbor.decode(bytes.fromhex(encoded))
    return value
