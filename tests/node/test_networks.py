"""Networks between real nodes: who comes in, who is asked, and who is out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mycellm_proto.calls import Procedure
from mycellm_proto.economy import DIRECT_NETWORK
from mycellm_proto.errors import ErrorCode
from mycellm_proto.keys import SigningKey
from mycellm_proto.membership import AccountEpoch, MemberRole, NodeCertificate, NodeRight
from mycellm_proto.network_calls import Prove, encode_item
from mycellm_proto.networks import CreditPolicy
from mycellm_proto.nodeid import encode_node_id
from reference_node.config import PeerAddress
from reference_node.generation import GenerationError, Generator
from reference_node.identity import Identity
from reference_node.keyring import KeyringError, install, write_certificate, write_epoch
from reference_node.networks import NetworkError, terms
from reference_node.node import Node, clock
from reference_node.node.remote import RemoteModel
from reference_node.procedures import CallError

from .conftest import StartNode
from .scripted import Scripted
from .test_remote import ask, collect
from .watched import WatchedNode

Started = tuple[WatchedNode, Identity]


def create(node: Node, name: str = "lab", *, models: list[bytes] | None = None) -> bytes:
    """A network whose authority is ``node``, without accounts."""
    words = {"kind": "private", "admission": None, "settlement": None, "data_handling": "open"}
    node.desk.create(terms(name, **words, models=models, node=node.networks.node))  # type: ignore[arg-type]
    return node.networks.find(name).id


def invite(node: Node, name: str = "lab", uses: int = 1, roles: MemberRole = MemberRole.CONSUMER) -> str:
    return str(node.desk.invite(name, node.where_reached(), uses=uses, roles=roles)["invite"])


async def found(node: WatchedNode, model: str) -> Generator:
    await node.until(lambda: node.catalog.find(model) is not None)
    generator = node.catalog.find(model)
    assert generator is not None
    return generator


async def test_a_member_is_served_in_the_network_and_a_stranger_is_not(start_node: StartNode) -> None:
    engine = Scripted()
    authority = await start_node("authority", engine, allow=_nobody())
    network = create(authority[0])
    member, _ = await start_node("member")
    stranger, _ = await start_node("stranger", peers=(authority,))
    await member.desk.join(invite(authority[0]))
    remote = await found(member, "scripted@lab")
    assert isinstance(remote, RemoteModel)
    assert remote.quote.network == network
    await collect(remote, ask())
    assert len(engine.requests) == 1
    assert stranger.catalog.find("scripted") is None
    assert [quote for link in stranger._peers.links for quote, _ in link.quotes] == []


async def test_a_request_for_one_network_never_reaches_a_peer_that_is_in_another(start_node: StartNode) -> None:
    red, blue = Scripted(), Scripted()
    one = await start_node("one", red)
    two = await start_node("two", blue)
    create(one[0], "red")
    create(two[0], "blue")
    member, _ = await start_node("member")
    await member.desk.join(invite(one[0], "red"))
    await member.desk.join(invite(two[0], "blue"))
    await found(member, "scripted@blue")
    for _ in range(4):
        await collect(await found(member, "scripted@red"), ask())
    assert (len(red.requests), len(blue.requests)) == (4, 0)
    assert member.catalog.find("scripted@direct") is None
    assert member.catalog.find("scripted@green") is None


async def test_a_revoked_member_loses_its_offers_on_the_links_that_stand(start_node: StartNode) -> None:
    engine = Scripted()
    authority = await start_node("authority", engine)
    create(authority[0])
    member, who = await start_node("member")
    await member.desk.join(invite(authority[0]))
    remote = await found(member, "scripted@lab")
    authority[0].desk.revoke("lab", who.node_id)
    with pytest.raises(GenerationError) as refused:
        await collect(remote, ask())
    assert refused.value.code is ErrorCode.NOT_MEMBER
    assert engine.requests == []
    await member.until(lambda: member.catalog.find("scripted@lab") is None)
    with pytest.raises(NetworkError):
        await member.desk.join(invite(authority[0]))


async def test_an_invite_for_two_lets_in_two_of_eight_that_ask_at_once(start_node: StartNode) -> None:
    authority = await start_node("authority")
    create(authority[0])
    text = invite(authority[0], uses=2)
    asking = [(await start_node(f"node-{number}"))[0] for number in range(8)]
    answers = await asyncio.gather(*(node.desk.join(text) for node in asking), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, NetworkError)]
    assert (len(answers) - len(refused), len(refused)) == (2, 6)
    assert {error.code for error in refused} == {ErrorCode.INVITE_SPENT}
    members = authority[0].desk.members("lab")
    assert [row["used"] for row in members["invites"]] == [2]
    assert len(members["members"]) == 3
    inside = next(node for node, answer in zip(asking, answers, strict=True) if not isinstance(answer, Exception))
    await inside.desk.join(text)  # its answer may have been lost: asking again uses nothing up
    assert [row["used"] for row in authority[0].desk.members("lab")["invites"]] == [2]


@pytest.mark.parametrize(("kind", "admission"), [("public", "open"), ("private", "authority")])
async def test_without_an_invite_a_network_is_joined_by_its_id_where_it_lets_one_in(
    start_node: StartNode, kind: str, admission: str
) -> None:
    authority, at = await start_node("authority", Scripted())
    words = {"models": None, "data_handling": "open", "node": at.node_id}
    authority.desk.create(terms("lab", kind=kind, admission=admission, settlement=None, **words))  # type: ignore[arg-type]
    network = authority.networks.find("lab").id
    member, who = await start_node("member")
    where = PeerAddress(node_id=at.node_id, address=authority.where_reached()[0])
    with pytest.raises(NetworkError):
        invite(authority)
    with pytest.raises(NetworkError):
        await member.desk.join_at(bytes(32), where)
    if admission == "authority":
        with pytest.raises(NetworkError):
            await member.desk.join_at(network, where)
        authority.desk.admit("lab", who.node_id, roles=MemberRole.CONSUMER, quota=0)
    await member.desk.join_at(network, where)
    await collect(await found(member, "scripted@lab"), ask())


async def test_a_withdrawn_and_a_foreign_invite_let_nobody_in(start_node: StartNode) -> None:
    authority = await start_node("authority")
    create(authority[0])
    create(authority[0], "other")
    member, _ = await start_node("member")
    text = invite(authority[0])
    authority[0].desk.withdraw("lab", text)
    with pytest.raises(NetworkError) as spent:
        await member.desk.join(text)
    assert spent.value.code is ErrorCode.INVITE_SPENT
    for broken in ("mycellm-invite:", text[:-1], text.swapcase(), "https://example.org/"):
        with pytest.raises(NetworkError):
            await member.desk.join(broken)
    assert list(member.networks) == []


async def test_a_member_without_the_role_neither_asks_nor_provides(start_node: StartNode) -> None:
    engine = Scripted()
    authority = await start_node("authority")
    create(authority[0])
    provider = await start_node("provider", engine)
    await provider[0].desk.join(invite(authority[0], roles=MemberRole.CONSUMER))
    consumer, _ = await start_node("consumer", peers=(provider,))
    await consumer.desk.join(invite(authority[0], roles=MemberRole.PROVIDER))
    await consumer.until(lambda: consumer.catalog.find("scripted@direct") is not None)
    assert consumer.catalog.find("scripted@lab") is None


async def test_a_model_that_the_network_does_not_list_is_neither_offered_nor_served(start_node: StartNode) -> None:
    authority = await start_node("authority", Scripted())
    create(authority[0], models=[b"\x11" * 32])
    member, _ = await start_node("member", peers=(authority,))
    await member.desk.join(invite(authority[0]))
    await member.until(lambda: member.catalog.find("scripted@direct") is not None)
    assert member.catalog.find("scripted@lab") is None
    networks = {quote.network for link in member._peers.links for quote, _ in link.quotes}
    assert networks == {DIRECT_NETWORK}


async def test_who_is_not_in_a_network_learns_nothing_by_asking_for_it(start_node: StartNode) -> None:
    authority = await start_node("authority")
    network = create(authority[0])
    stranger, _ = await start_node("stranger", peers=(authority,))
    await stranger.until(lambda: any(link.usable for link in stranger._peers.links))
    link = next(iter(stranger._peers.links))
    for blinded in (network, bytes(32)):
        with pytest.raises(CallError) as refused:
            await link.call(Procedure.PROVE, encode_item(Prove(blind=blinded)))
        assert refused.value.code is ErrorCode.NOT_MEMBER


async def test_an_account_s_node_joins_and_the_account_withdraws_its_certificate(
    start_node: StartNode, tmp_path: Path
) -> None:
    engine, account, now = Scripted(), SigningKey(b"\x05" * 32), int(clock.now())
    authority = await start_node("authority", engine)
    create(authority[0])
    member, who = await start_node("member")
    certificate = NodeCertificate(
        account=account.public,
        node=who.node_id,
        rights=NodeRight.CONSUME,
        epoch=0,
        issued=now,
        expires=now + 86_400,
    )
    install(tmp_path / "member", write_certificate(certificate.sign(account)), node=who.node_id, now=now)
    await member.desk.join(invite(authority[0]))
    await collect(await found(member, "scripted@lab"), ask())
    rows = authority[0].desk.members("lab")["members"]
    assert rows[1]["member"] == encode_node_id(account.public)

    forged = AccountEpoch(account=account.public, epoch=1).sign(SigningKey(b"\x06" * 32))
    with pytest.raises(KeyringError):
        await member.desk.revoke_certificates("lab", write_epoch(forged))
    stranger = AccountEpoch(account=SigningKey(b"\x07" * 32).public, epoch=1).sign(SigningKey(b"\x07" * 32))
    with pytest.raises(NetworkError):
        await member.desk.revoke_certificates("lab", write_epoch(stranger))
    assert member.catalog.find("scripted@lab") is not None

    statement = write_epoch(AccountEpoch(account=account.public, epoch=1).sign(account))
    await member.desk.revoke_certificates("lab", statement)
    await member.until(lambda: member.catalog.find("scripted@lab") is None)
    with pytest.raises(NetworkError):  # the old certificate lets nobody in any more, and uses no invite up
        await member.desk.join(invite(authority[0]))
    assert [row["used"] for row in authority[0].desk.members("lab")["invites"]] == [1, 0]


async def test_a_restart_keeps_the_networks_of_authority_and_member(start_node: StartNode) -> None:
    engine = Scripted()
    authority, _ = await start_node("authority", engine)
    network = create(authority)
    member, _ = await start_node("member")
    await member.desk.join(invite(authority, uses=5))
    again = (await start_node("member"))[0]
    assert [held.id for held in again.networks] == [network]
    await collect(await found(again, "scripted@lab"), ask())
    assert authority.networks.find("lab").descriptor.credit_policy is CreditPolicy.BILATERAL


async def test_terms_that_do_not_agree_make_no_network(start_node: StartNode) -> None:
    node, who = await start_node("node")
    words = {"models": None, "data_handling": "open", "node": who.node_id}
    with pytest.raises(NetworkError):
        node.desk.create(terms("a", kind="org", admission=None, settlement=None, **words))  # type: ignore[arg-type]
    with pytest.raises(NetworkError):
        node.desk.create(terms("a", kind="private", admission="open", settlement=None, **words))  # type: ignore[arg-type]
    with pytest.raises(NetworkError):
        node.desk.create(terms("Not A Name", kind="private", admission=None, settlement=None, **words))  # type: ignore[arg-type]
    assert list(node.networks) == []


def _nobody() -> str:
    """A node id that nobody has: only that one is allowed in the direct network."""
    return encode_node_id(SigningKey(b"\x09" * 32).public)
