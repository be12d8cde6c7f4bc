"""Nodes of one network that find each other, over real QUIC."""

from __future__ import annotations

from mycellm_proto.economy import DIRECT_NETWORK
from mycellm_proto.membership import MemberRole
from reference_node.node.remote import RemoteModel

from ..node.conftest import StartNode
from ..node.scripted import Scripted
from ..node.test_networks import create, invite
from ..node.test_remote import ask, collect
from ..node.watched import WatchedNode


def knows(node: WatchedNode, network: bytes) -> set[bytes]:
    return {lead.node for lead in node.discovery.book.of(network) if not lead.gone}


async def test_members_find_each_other_through_the_authoritys_node(start_node: StartNode) -> None:
    engine = Scripted()
    authority, root = await start_node("authority")
    network = create(authority)
    provider, who = await start_node("provider", engine)
    consumer, _ = await start_node("consumer")
    await provider.desk.join(invite(authority, roles=MemberRole.PROVIDER))
    await consumer.desk.join(invite(authority))
    remote = await consumer.found("scripted@lab")
    assert isinstance(remote, RemoteModel)
    await collect(remote, ask())
    assert len(engine.requests) == 1
    assert knows(consumer, network) == {root.node_id, who.node_id}
    assert knows(consumer, DIRECT_NETWORK) == set()
    sources = {peer.node_id: peer.source for peer in consumer.peers()}
    assert sources[root.text] == "network"
    assert sources[who.text] in ("gossip", "came")  # each of the two dials the other
