"""A backend's models over QUIC: offered, paid for and ended like a node's own; not where content stays on the node."""

from __future__ import annotations

import asyncio

import pytest

from mycellm_proto.content import FinishReason, Sampling
from mycellm_proto.economy import DIRECT_NETWORK
from mycellm_proto.errors import ErrorCode
from mycellm_proto.membership import MemberRole
from reference_node.engine import LOCAL_OWNER
from reference_node.generation import Delta, Finished, GenerationError, Started
from reference_node.networks import terms
from reference_node.node.remote import RemoteModel
from reference_node.scripted import ScriptedEngine
from reference_node.store import RECEIPTS_FILE
from reference_node.store.audit import open_archive
from tests.node.conftest import StartNode, start_node
from tests.node.watched import WatchedNode

from .conftest import ask, collect
from .server import DONE, READ, WORDS, Answer, Server, counts, piece, plain, streamed, usage

__all__ = ["start_node"]


def network(node: WatchedNode, name: str, handling: str) -> bytes:
    made = terms(
        name, kind="private", admission=None, settlement=None, models=None, data_handling=handling,
        node=node.networks.node,
    )  # fmt: skip
    node.desk.create(made)
    return node.networks.find(name).id


async def billed(node: WatchedNode) -> list[tuple[int, int]]:
    """What the closes of this node's receipts bill: input and output tokens."""
    await node._background.settle(2)
    with open_archive(node._settings.home / RECEIPTS_FILE) as archive:
        assert archive is not None
        closes = [audited.close for audited in archive.receipts()]
    return [(close.input_tokens, close.output_tokens) for close in closes if close is not None]


async def test_a_peer_is_answered_by_the_backend_and_pays_its_count(server: Server, start_node: StartNode) -> None:
    provider = await start_node("provider", backend=server.url)
    consumer, _ = await start_node("consumer", peers=(provider,))
    remote = await consumer.found("big")
    assert isinstance(remote, RemoteModel)
    assert (remote.quote.price_in, remote.quote.price_out, remote.quote.context_length) == (1, 4, 4096)
    events = await collect(remote, ask())
    assert events[0] == Started(input_tokens=READ)
    assert "".join(each.text for each in events if isinstance(each, Delta)) == "".join(WORDS)
    assert events[-1] == Finished(reason=FinishReason.STOP, input_tokens=READ, output_tokens=4)
    assert await billed(consumer) == [(READ, 4)]


async def test_a_parameter_that_it_does_not_apply_is_refused_by_name(server: Server, start_node: StartNode) -> None:
    provider = await start_node("provider", backend=server.url)
    consumer, _ = await start_node("consumer", peers=(provider,))
    with pytest.raises(GenerationError) as caught:
        await collect(await consumer.found("big"), ask(sampling=Sampling(top_k=5)))
    assert (caught.value.code, caught.value.parameter) == (ErrorCode.UNSUPPORTED, "top_k")
    assert server.posts == []


async def test_more_pieces_than_tokens_cost_the_peer_nothing(server: Server, start_node: StartNode) -> None:
    pieces = (*(piece(content="x") for _ in range(8)), piece(finish="stop"), usage(written=2), DONE)
    server.answer = lambda asked: plain(asked) if counts(asked) else streamed(*pieces)
    provider = await start_node("provider", backend=server.url)
    consumer, _ = await start_node("consumer", peers=(provider,))
    with pytest.raises(GenerationError):
        await collect(await consumer.found("big"), ask())
    assert await billed(consumer) == []
    events = await collect(await consumer.found("big"), ask())
    assert events[-1] == Finished(reason=FinishReason.STOP, input_tokens=READ, output_tokens=2)
    assert await billed(consumer) == [(READ, 2)]


async def test_a_peer_that_leaves_ends_the_request_at_the_backend(server: Server, start_node: StartNode) -> None:
    async def endless() -> Answer:
        async for each in streamed(piece(content="x")):
            yield each
        await server.left.wait()

    server.answer = lambda asked: plain(asked) if counts(asked) else endless()
    provider = await start_node("provider", backend=server.url)
    consumer, _ = await start_node("consumer", peers=(provider,))
    events = (await consumer.found("big")).generate(ask())
    assert isinstance(await anext(events), Started)
    assert isinstance(await anext(events), Delta)
    await events.aclose()
    async with asyncio.timeout(10):
        await server.left.wait()


async def test_a_backend_that_goes_is_withdrawn_from_peers_and_offered_again(
    server: Server, start_node: StartNode
) -> None:
    provider = await start_node("provider", backend=server.url)
    consumer, _ = await start_node("consumer", peers=(provider,))
    remote = await consumer.found("big")
    assert provider[0].health()["backend"] == {
        "state": "up", "detail": "", "models": ("big",), "refused": {}, "active": 0,
    }  # fmt: skip
    await server.stop()
    with pytest.raises(GenerationError):
        await collect(remote, ask())
    await consumer.until(lambda: consumer.catalog.find("big") is None)
    assert provider[0].health()["status"] == "starting"
    assert provider[0].health()["backend"]["state"] == "down"  # type: ignore[index]
    await server.start()
    assert isinstance((await collect(await consumer.found("big"), ask()))[-1], Finished)


async def test_where_content_stays_on_the_node_a_proxied_model_is_not_offered(
    server: Server, start_node: StartNode
) -> None:
    """The node's own model is offered in both networks, the backend's in the open one alone."""
    provider, _ = await start_node("provider", ScriptedEngine(), backend=server.url)
    strict, free = network(provider, "strict", "on_node"), network(provider, "free", "open")
    member, _ = await start_node("member")
    for name in ("strict", "free"):
        invite = provider.desk.invite(name, provider.where_reached(), uses=1, roles=MemberRole.CONSUMER)["invite"]
        await member.desk.join(str(invite))
    for known in ("scripted@strict", "scripted@free", "big@free"):
        await member.found(known)
    offered = {(quote.model, quote.network) for link in member._peers.links for quote, _ in link.quotes}
    assert {network for model, network in offered if model == "big"} == {free, DIRECT_NETWORK}
    assert {network for model, network in offered if model == "scripted"} == {strict, free, DIRECT_NETWORK}
    assert member.catalog.find("big@strict") is None
    assert isinstance((await collect(await member.found("big@free"), ask()))[-1], Finished)
    assert len(server.posts) == 2


async def test_where_content_stays_on_the_node_a_proxied_model_is_not_served_either(
    server: Server, start_node: StartNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member that holds a quote all the same, as before the backend took a model's name: no word reaches it."""
    provider, _ = await start_node("provider", backend=server.url)
    network(provider, "strict", "on_node")
    member, _ = await start_node("member")
    service = provider._service
    monkeypatch.setattr(service, "offers", lambda *_: True)
    invite = provider.desk.invite("strict", provider.where_reached(), uses=1, roles=MemberRole.CONSUMER)["invite"]
    await member.desk.join(str(invite))
    remote = await member.found("big@strict")
    with pytest.raises(GenerationError) as caught:
        await collect(remote, ask("nobody else reads this"))
    assert caught.value.code is ErrorCode.UNKNOWN_MODEL
    assert server.posts == []
    assert await billed(member) == []


async def test_the_nodes_own_model_hides_one_of_the_same_name(server: Server, start_node: StartNode) -> None:
    server.models[0]["id"] = "scripted"
    node, _ = await start_node("node", ScriptedEngine(), backend=server.url)
    await node.until(lambda: node.health()["backend"]["state"] == "up")  # type: ignore[index]
    assert [info.proxied for info in node.catalog.models()] == [False]
    found = node.local.find("scripted", LOCAL_OWNER)
    assert found is not None
    assert not found.info.proxied
