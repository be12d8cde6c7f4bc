"""What the adapter's node does with networks: joins one, or is the authority of one."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from mycellm_proto import codec
from mycellm_proto.membership import MemberRole, Proof
from mycellm_proto.networks import DESCRIPTOR, network_id
from mycellm_proto.signed import Signed

from ..networks import HeldNetwork, Networks, terms
from ..networks.held import hold
from ..node import clock

if TYPE_CHECKING:
    from ..node import Node


class NetworkVerbs:
    """The verbs, on a running node. Each raises `NetworkError` or `ProtocolError` where the node does not do that."""

    _node: Node

    def join(self, descriptor: str, membership: str, roll: str | None, node_certificate: str | None = None) -> None:
        """Be a member by what an authority has signed, as JOIN gives it."""
        networks = self._node.networks
        certificate = None if node_certificate is None else _signed(node_certificate)
        held = _read(
            networks, _signed(descriptor), Proof(membership=_signed(membership), node_certificate=certificate), roll
        )
        networks.keep(held)

    def create_network(self, admission: str, *, settled: bool = False) -> dict[str, Any]:
        """A network whose authority, and perhaps settlement node, this node is."""
        words = terms(
            f"conformance-{secrets.token_hex(4)}",
            kind="public" if admission == "OPEN" else "private",
            admission=admission,
            settlement="self" if settled else None,
            models=None,
            data_handling="open",
            node=self._node.desk.node,
        )
        return {"network": self._node.desk.create(words)["created"]["id"]}

    def invite(self, network: str, uses: int, roles: int, quota: int, seconds: int) -> dict[str, Any]:
        """The text of an invite."""
        made = self._node.desk.invite(
            network, self._node.where_reached(), uses=uses, roles=MemberRole(roles), quota=quota, life_s=seconds
        )
        return {"invite": made["invite"]}

    def withdraw_invite(self, network: str, invite: str) -> None:
        """Let an invite be used no more."""
        self._node.desk.withdraw(network, invite)

    def admit(self, network: str, member: str, roles: int, quota: int) -> None:
        """Name a key."""
        self._node.desk.admit(network, bytes.fromhex(member), roles=MemberRole(roles), quota=quota)

    def revoke(self, network: str, member: str) -> None:
        """Put a member out."""
        self._node.desk.revoke(network, bytes.fromhex(member))


def _read(networks: Networks, descriptor: Signed, proof: Proof, roll: str | None) -> HeldNetwork:
    """What the node holds of the network from now on."""
    return hold(
        network=network_id(bytes(DESCRIPTOR.read_item(descriptor.body)["root"])),
        descriptor=descriptor,
        proof=proof,
        roll=None if roll is None else _signed(roll),
        node=networks.node,
        now=clock.now(),
    )


def _signed(encoded: str) -> Signed:
    value = codec.decode(bytes.fromhex(encoded))
    assert isinstance(value, list)  # what the suite sends has its shape
    body, signature = value
    assert isinstance(body, bytes)
    assert isinstance(signature, bytes)
    return Signed(body=body, signature=signature)
