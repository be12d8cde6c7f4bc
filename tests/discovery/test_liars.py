"""Peers that lie about others, ask for what is not theirs, or want a node to dial: none of it works."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from mycellm_proto.calls import Procedure
from mycellm_proto.economy import DIRECT_NETWORK
from mycellm_proto.errors import ErrorCode
from mycellm_proto.invite import Address
from mycellm_proto.keys import SigningKey
from mycellm_proto.limits import MAX_FOUND
from mycellm_proto.records import Announce, Find, Found, Record, read_record
from mycellm_proto.signed import Signed
from reference_node.discovery.discovery import packed
from reference_node.node import clock
from reference_node.node.peer_link import PeerLink
from reference_node.node.peers import Peers
from reference_node.procedures import CallError

from ..node.conftest import StartNode
from ..node.test_networks import create, invite
from ..node.watched import WatchedNode
from .conftest import Watch
from .test_finding import knows, meets, target


def key(number: int) -> SigningKey:
    return SigningKey(number.to_bytes(32, "big"))


def record(signer: SigningKey, *addresses: Address, network: bytes = DIRECT_NETWORK, sequence: int = 1) -> Signed:
    now = int(clock.now())
    return Record(
        node=signer.public, sequence=sequence, network=network, addresses=addresses, issued=now, expires=now + 3600
    ).sign(signer)


def where(node: WatchedNode) -> Address:
    return packed(node._peers.listening)


def link_to(node: WatchedNode, peer: bytes) -> PeerLink:
    [link] = [link for link in node._peers.links if link.session is not None and link.session.peer == peer]
    return link


def tells(liar: WatchedNode, *records: Signed) -> None:
    """From now on ``liar`` answers every FIND with these."""

    async def find(link: PeerLink, arguments: bytes) -> bytes:
        return Found(records=records[:MAX_FOUND]).encode()

    liar.procedures.serve(Procedure.FIND, find)


def told(node: WatchedNode, network: bytes) -> list[bytes]:
    """Of whom ``node`` tells others."""
    given = node.discovery.book.give(network, MAX_FOUND, to=b"", now=clock.now(), chance=Random(1))
    return [read_record(signed, now=clock.now()).node for signed in given]


async def refusal(link: PeerLink, procedure: Procedure, arguments: bytes) -> ErrorCode:
    with pytest.raises(CallError) as refused:
        await link.call(procedure, arguments)
    return refused.value.code


async def test_only_its_own_node_announces_a_record(start_node: StartNode, watch: Watch) -> None:
    hub, who = await start_node("hub", discover="true")
    node, _ = await start_node("node", bootstrap=target(hub, who))
    await watch.until(lambda: who.node_id in meets(node))
    link = link_to(node, who.node_id)
    await watch.until(lambda: len(knows(hub, DIRECT_NETWORK)) == 1)
    held = knows(hub, DIRECT_NETWORK)
    foreign = Announce(record=record(key(1), where(node))).encode()
    assert await refusal(link, Procedure.ANNOUNCE, foreign) is ErrorCode.NOT_ALLOWED
    forged = Signed(body=record(node._identity.key, where(node)).body, signature=bytes(64))
    assert await refusal(link, Procedure.ANNOUNCE, Announce(record=forged).encode()) is ErrorCode.MALFORMED
    assert await refusal(link, Procedure.ANNOUNCE, b"\xa0") is ErrorCode.MALFORMED
    assert knows(hub, DIRECT_NETWORK) == held


async def test_without_the_owners_word_a_node_takes_no_part_in_the_direct_network(
    start_node: StartNode, watch: Watch
) -> None:
    quiet = await start_node("quiet")
    node, who = await start_node("node", discover="true", peers=(quiet,))
    await watch.until(lambda: quiet[1].node_id in meets(node))
    link = link_to(node, quiet[1].node_id)
    asked = Find(network=DIRECT_NETWORK, most=8).encode()
    assert await refusal(link, Procedure.FIND, asked) is ErrorCode.UNSUPPORTED
    told = Announce(record=record(node._identity.key, where(node), sequence=9)).encode()
    assert await refusal(link, Procedure.ANNOUNCE, told) is ErrorCode.UNSUPPORTED
    assert len(quiet[0].discovery.book) == 0
    assert [peer.source for peer in quiet[0].peers()] == ["came"]
    assert who.node_id not in {peer.target.node_id for peer in quiet[0]._peers._configured}


async def test_a_member_of_two_networks_tells_neither_of_the_other(start_node: StartNode, watch: Watch) -> None:
    red, blue = await start_node("red"), await start_node("blue")
    networks = {name: create(node, name) for name, (node, _) in (("red", red), ("blue", blue))}
    both, who = await start_node("both")
    await both.desk.join(invite(red[0], "red"))
    await both.desk.join(invite(blue[0], "blue"))
    await watch.until(lambda: all(knows(node, networks[name]) for name, (node, _) in (("red", red), ("blue", blue))))
    await watch.until(lambda: all(knows(both, network) for network in networks.values()))
    assert knows(both, networks["red"]) == {red[1].node_id}
    assert knows(both, networks["blue"]) == {blue[1].node_id}
    link = link_to(blue[0], who.node_id)  # the authority of the one asks for the other, and for what it cannot name
    for network in (networks["red"], link.protocol.proofs.ask(networks["red"]), bytes(32)):
        asked = Find(network=network, most=64).encode()
        assert await refusal(link, Procedure.FIND, asked) is ErrorCode.NOT_MEMBER
    smuggled = Announce(record=record(blue[0]._identity.key, where(blue[0]), network=networks["red"])).encode()
    assert await refusal(link, Procedure.ANNOUNCE, smuggled) is ErrorCode.NOT_MEMBER
    asked = Find(network=DIRECT_NETWORK, most=64).encode()
    assert await refusal(link, Procedure.FIND, asked) is ErrorCode.UNSUPPORTED
    assert {lead.network for lead in blue[0].discovery.book} == {networks["blue"]}
    assert {lead.network for lead in red[0].discovery.book} == {networks["red"]}
    assert red[1].node_id not in meets(blue[0])


async def test_who_has_not_shown_itself_is_told_nothing(start_node: StartNode, watch: Watch) -> None:
    authority, root = await start_node("authority")
    network = create(authority)
    member, _ = await start_node("member")
    await member.desk.join(invite(authority))
    await watch.until(lambda: bool(knows(authority, network)))
    stranger, _ = await start_node("stranger", peers=((authority, root),))
    await watch.until(lambda: root.node_id in meets(stranger))
    link = link_to(stranger, root.node_id)
    for named in (network, link.protocol.proofs.ask(network)):  # it knows the id, and is no member
        assert await refusal(link, Procedure.FIND, Find(network=named, most=8).encode()) is ErrorCode.NOT_MEMBER
    told = Announce(record=record(stranger._identity.key, where(stranger), network=network)).encode()
    assert await refusal(link, Procedure.ANNOUNCE, told) is ErrorCode.NOT_MEMBER


async def test_an_address_that_proves_another_id_is_not_believed_again(start_node: StartNode, watch: Watch) -> None:
    hub, who = await start_node("hub", discover="true")
    bystander, _ = await start_node("bystander")
    tells(hub, record(key(1), where(bystander)), record(key(2), (bytes((10, 0, 0, 1)), 4242)))
    victim, _ = await start_node("victim", bootstrap=target(hub, who))
    book = victim.discovery.book

    def is_gone() -> bool:
        lead = book.get(DIRECT_NETWORK, key(1).public)
        return lead is not None and lead.gone

    await watch.until(is_gone)
    unreachable = book.get(DIRECT_NETWORK, key(2).public)
    assert unreachable is not None
    assert unreachable.addresses == ()
    assert set(told(victim, DIRECT_NETWORK)) <= {who.node_id}


async def test_a_member_that_names_strangers_as_members_is_found_out(start_node: StartNode, watch: Watch) -> None:
    authority, root = await start_node("authority")
    network = create(authority)
    stranger, other = await start_node("stranger")
    tells(authority, record(other.key, where(stranger), network=network))
    member, _ = await start_node("member")
    await member.desk.join(invite(authority))

    def is_doubted() -> bool:
        lead = member.discovery.book.get(network, other.node_id)
        return lead is not None and lead.failures > 0

    await watch.until(is_doubted)
    assert set(told(member, network)) <= {root.node_id}
    assert [link for link in stranger._peers.links if stranger.discovery._talk.shared(link)] == []


async def test_a_flood_of_leads_makes_a_node_dial_one_at_a_time_and_only_so_many(
    start_node: StartNode, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, who = await start_node("hub", discover="true")
    others = [await start_node(f"other-{number}", discover="true") for number in range(4)]
    real = [record(identity.key, where(node), sequence=int(clock.now()) + 99) for node, identity in others]
    tells(hub, *real, *(record(key(number), (bytes((8, 8, 4, 4)), 40000 + number)) for number in range(1, 60)))
    dialed: list[tuple[str, float]] = []
    standing: list[int] = []
    original = Peers.learn

    def learn(peers: Peers, target: object, source: str) -> PeerLink:
        if peers is victim._peers:
            standing.append(len(victim.discovery._dialer.attempts))
            address = str(target.address)  # type: ignore[attr-defined]
            dialed.append((address, clock.now()))
            if not address.startswith("127."):
                raise OSError("tests stay on this machine")
        return original(peers, target, source)  # type: ignore[arg-type]

    monkeypatch.setattr(Peers, "learn", learn)
    victim, _ = await start_node("victim", bootstrap=target(hub, who), found_peers="2")
    await watch.until(lambda: len(victim.discovery._dialer.attempts) == 2)
    await watch.until(lambda: len(victim.discovery.book) >= 63)
    assert max(standing) < 2
    for (_, before), (_, after) in pairwise(dialed):
        assert after - before >= victim.discovery.pace.dial_s
    for place in {place for place, _ in dialed}:
        times = [when for each, when in dialed if each == place]
        assert all(b - a >= victim.discovery.pace.redial_s for a, b in pairwise(times))


async def test_with_no_place_for_found_peers_nothing_is_dialed(start_node: StartNode, watch: Watch) -> None:
    hub, who = await start_node("hub", discover="true")
    other, there = await start_node("other", bootstrap=target(hub, who), found_peers="0")
    alone, _ = await start_node("alone", bootstrap=target(hub, who), found_peers="0")
    await watch.until(lambda: there.node_id in knows(alone, DIRECT_NETWORK))
    assert alone.discovery._dialer.attempts == {}
    assert {peer.source for peer in alone.peers()} == {"configured"}
    assert meets(other) == {who.node_id}
