"""Nodes of one network that find each other, over real QUIC."""

from __future__ import annotations

from mycellm_proto.economy import DIRECT_NETWORK
from mycellm_proto.membership import MemberRole
from mycellm_proto.nodeid import encode_node_id
from reference_node.identity import Identity
from reference_node.node.remote import RemoteModel

from ..node.conftest import StartNode
from ..node.scripted import Scripted
from ..node.test_networks import create, invite
from ..node.test_remote import ask, collect
from ..node.watched import WatchedNode
from .conftest import Watch


def knows(node: WatchedNode, network: bytes) -> set[bytes]:
    """Of whom a node would tell others."""
    return {lead.node for lead in node.discovery.book.of(network) if not lead.gone}


def meets(node: WatchedNode) -> set[bytes]:
    """With whom a node is connected."""
    return {link.session.peer for link in node._peers.links if link.session is not None}


def target(node: WatchedNode, who: Identity) -> str:
    return f"{encode_node_id(who.node_id)}@{node.health()['quic']}"


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


async def test_four_strangers_find_each_other_through_one_bootstrap(start_node: StartNode, watch: Watch) -> None:
    hub, who = await start_node("hub", discover="true")
    nodes = [await start_node(f"node-{number}", bootstrap=target(hub, who)) for number in range(4)]
    ids = {identity.node_id for _, identity in nodes} | {who.node_id}
    await watch.until(
        lambda: all(meets(node) == knows(node, DIRECT_NETWORK) == ids - {identity.node_id} for node, identity in nodes)
    )
    assert knows(hub, DIRECT_NETWORK) == ids - {who.node_id}


async def test_prompts_go_to_no_stranger_that_was_found_unless_the_owner_says_so(
    start_node: StartNode, watch: Watch
) -> None:
    engine = Scripted()
    hub, who = await start_node("hub", discover="true")
    _, found = await start_node("provider", engine, bootstrap=target(hub, who))
    careful, _ = await start_node("careful", bootstrap=target(hub, who))
    bold, _ = await start_node("bold", bootstrap=target(hub, who), ask_found="true")
    await watch.until(lambda: {found.node_id} <= meets(careful) & meets(bold))
    await careful.until(lambda: any(link.quotes for link in careful._peers.links))
    assert careful.catalog.find("scripted") is None
    assert careful.catalog.find("scripted@direct") is None
    await collect(await bold.found("scripted"), ask())
    assert len(engine.requests) == 1


async def test_a_member_that_leaves_is_forgotten_by_all(start_node: StartNode, watch: Watch) -> None:
    authority, root = await start_node("authority")
    network = create(authority)
    staying, stays = await start_node("staying", found_peers="0")  # it hears of it from the authority's node
    leaving, left = await start_node("leaving", found_peers="0")
    for node in (staying, leaving):
        await node.desk.join(invite(authority))
    await watch.until(lambda: left.node_id in knows(staying, network) & knows(authority, network))
    await leaving.aclose()
    await watch.until(lambda: left.node_id not in knows(staying, network) | knows(authority, network))
    assert knows(staying, network) == {root.node_id}
    assert knows(authority, network) == {stays.node_id}


async def test_a_restart_finds_the_network_again_without_its_authority(start_node: StartNode, watch: Watch) -> None:
    authority, root = await start_node("authority")
    network = create(authority)
    provider, who = await start_node("provider", Scripted())
    consumer, _ = await start_node("consumer")
    await provider.desk.join(invite(authority, roles=MemberRole.PROVIDER))
    await consumer.desk.join(invite(authority))
    await consumer.found("scripted@lab")
    await watch.until(lambda: who.node_id in knows(consumer, network))
    for lead in consumer.discovery.book.of(network):
        if lead.node == who.node_id:
            consumer.discovery.book.found_at(lead)
    await consumer.aclose()
    await authority.aclose()
    again, _ = await start_node("consumer")
    await watch.until(lambda: who.node_id in meets(again))
    await again.found("scripted@lab")
    assert root.node_id not in meets(again)


async def test_the_sequence_of_a_record_grows_over_a_restart(start_node: StartNode) -> None:
    first, who = await start_node("node", discover="true")
    before = first.discovery._own.current(DIRECT_NETWORK)
    await first.aclose()
    again, same = await start_node("node", discover="true")
    after = again.discovery._own.current(DIRECT_NETWORK)
    assert before is not None
    assert after is not None
    assert who.node_id == same.node_id
    assert before[0].sequence < after[0].sequence
