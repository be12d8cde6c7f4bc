"""What the owner decides while the node runs is enforced on the wire, not only shown: each control over real QUIC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from mycellm_proto.content import FinishReason
from mycellm_proto.economy import DIRECT_NETWORK
from mycellm_proto.errors import ErrorCode
from mycellm_proto.keys import SigningKey
from mycellm_proto.nodeid import encode_node_id
from reference_node.generation import Delta, Event, Finished, GenerationError, Generator
from reference_node.identity import Identity
from reference_node.node import node as node_module
from reference_node.node import turns
from reference_node.owner import Changes
from reference_node.store import RECEIPTS_FILE
from reference_node.store.audit import open_archive

from .conftest import StartNode
from .scripted import Scripted
from .test_remote import ask, collect
from .watched import PATIENCE_S, WatchedNode

Pair = tuple[WatchedNode, WatchedNode, Identity, Scripted]


@pytest.fixture
async def pair(start_node: StartNode, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """A provider, a consumer that has found its model, the consumer's identity, and the provider's engine."""
    monkeypatch.setattr(node_module, "ADVERTISE_S", 0.0)
    engine = Scripted(words=("word ",) * 20)
    provider = await start_node("provider", engine)
    consumer, identity = await start_node("consumer", peers=(provider,))
    await consumer.found()
    # So that the next request leaves in the same moment: it crosses what the provider then has to say.
    await consumer.catalog._consumer.sequences.take(DIRECT_NETWORK, provider[1].node_id)
    return provider[0], consumer, identity, engine


def name(identity: Identity) -> str:
    return encode_node_id(identity.node_id)


async def refused(generator: Generator, code: ErrorCode) -> GenerationError:
    """What a request under an offer that was made before is refused with."""
    with pytest.raises(GenerationError) as caught:
        await collect(generator, ask())
    assert caught.value.code is code
    return caught.value


async def begun(engine: Scripted, generator: Generator) -> AsyncGenerator[Event, None]:
    """An answer that has said three words and waits for the engine's gate."""
    engine._pause_at = 3
    events = generator.generate(ask())
    async with asyncio.timeout(PATIENCE_S):
        words = 0
        while words < 3:
            words += isinstance(await anext(events), Delta)
    return events


async def waits(provider: WatchedNode) -> None:
    """Return once a request waits for a place."""
    async with asyncio.timeout(PATIENCE_S):
        while not provider._service.turns.waiting:  # noqa: ASYNC110 - nothing says that one begins to wait
            await asyncio.sleep(0.01)


async def rest(events: AsyncGenerator[Event, None]) -> Finished:
    async with asyncio.timeout(PATIENCE_S):
        found = [event async for event in events]
    assert isinstance(found[-1], Finished)
    return found[-1]


def quoted(consumer: WatchedNode) -> tuple[int, int] | None:
    """The prices in the newest MODELS that a consumer has of its one peer."""
    [link] = consumer._peers.links
    return (link.quotes[0][0].price_in, link.quotes[0][0].price_out) if link.quotes else None


async def test_new_prices_go_out_at_once_and_what_runs_keeps_its_own(pair: Pair) -> None:
    provider, consumer, _, engine = pair
    events = await begun(engine, await consumer.found())
    provider.owner.change(Changes(price_in=7, price_out=9))
    await consumer.until(lambda: quoted(consumer) == (7, 9))
    engine.gate.set()
    await rest(events)
    await collect(await consumer.found(), ask())
    await provider.aclose()  # with it all is written
    with open_archive(provider._settings.home / RECEIPTS_FILE) as archive:
        assert archive is not None
        billed = [each.record.claim for each in archive.receipts() if each.record is not None]
    assert sorted(billed) == sorted([5 * 1 + 20 * 4, 5 * 7 + 20 * 9])


async def test_a_pause_takes_offers_back_and_refuses_those_that_crossed(pair: Pair) -> None:
    provider, consumer, _, engine = pair
    before = await consumer.found()
    running = await begun(engine, before)
    provider.owner.change(Changes(paused=True))
    await refused(before, ErrorCode.UNKNOWN_MODEL)
    await consumer.until(lambda: consumer.catalog.find("scripted") is None)
    engine.gate.set()
    assert (await rest(running)).reason is FinishReason.STOP  # what runs goes on
    assert len(engine.requests) == 1
    provider.owner.change(Changes(paused=False))
    assert await collect(await consumer.found(), ask())


async def test_a_restart_keeps_what_was_changed(start_node: StartNode) -> None:
    provider, identity = await start_node("provider", Scripted())
    provider.owner.change(Changes(price_in=3, paused=True))
    await provider.aclose()
    again, _ = await start_node("provider", Scripted(), price_in="8")
    assert (again.owner.controls.price_in, again.owner.controls.paused) == (3, True)
    consumer, _ = await start_node("consumer", peers=((again, identity),))
    await consumer.until(lambda: consumer.peers()[0].state == "connected")
    assert consumer.catalog.find("scripted") is None
    again.owner.change(Changes(reset=("paused", "price_in")))
    await consumer.found()
    await consumer.until(lambda: quoted(consumer) == (8, 4))


async def test_a_blocked_peer_loses_its_answers_its_connection_and_every_later_one(pair: Pair) -> None:
    provider, consumer, identity, engine = pair
    events = await begun(engine, await consumer.found())
    provider.owner.change(Changes(block=(name(identity),)))
    finished = await rest(events)
    assert (finished.reason, finished.output_tokens) == (FinishReason.SHUTDOWN, 3)  # billed for what was delivered
    await consumer.until(lambda: "NOT_ALLOWED" in consumer.peers()[0].state)
    await provider.until(lambda: not provider._peers.links)
    consumer._peers._configured[0].changed.set()  # it dials again, and is put out again
    await provider.until(lambda: any(link.session for link in provider._peers.links))
    await provider.until(lambda: not provider._peers.links)
    assert consumer.catalog.find("scripted") is None
    provider.owner.change(Changes(unblock=(name(identity),)))
    engine.gate.set()
    assert await collect(await consumer.found(), ask())


async def test_a_request_of_a_blocked_peer_that_crosses_is_not_allowed(pair: Pair) -> None:
    provider, consumer, identity, engine = pair
    before = await consumer.found()
    running = await begun(engine, before)  # keeps the connection until it is billed
    provider.owner.change(Changes(block=(name(identity),)))
    await refused(before, ErrorCode.NOT_ALLOWED)
    await rest(running)


async def test_a_blocked_provider_is_not_used(pair: Pair) -> None:
    provider, consumer, _, engine = pair
    consumer.owner.change(Changes(block=(name(provider._identity),)))
    assert consumer.catalog.find("scripted") is None
    await consumer.until(lambda: "blocked" in consumer.peers()[0].state or not consumer._peers.links)
    assert not engine.requests
    consumer.owner.change(Changes(unblock=(name(provider._identity),)))
    await consumer.found()


async def test_who_is_off_the_allow_list_gets_nothing_more(pair: Pair) -> None:
    provider, consumer, identity, engine = pair
    before = await consumer.found()
    provider.owner.change(Changes(allow=(encode_node_id(SigningKey(bytes(32)).public),), disallow=("any",)))
    await refused(before, ErrorCode.NOT_ALLOWED)
    await consumer.until(lambda: consumer.catalog.find("scripted") is None)
    assert not engine.requests
    provider.owner.change(Changes(allow=(name(identity),)))
    assert await collect(await consumer.found(), ask())
    before = await consumer.found()
    provider.owner.change(Changes(disallow=(name(identity),)))
    await refused(before, ErrorCode.NOT_ALLOWED)


async def test_a_smaller_allowance_refuses_the_next_request(pair: Pair) -> None:
    provider, consumer, _, engine = pair
    provider.owner.change(Changes(allowance=10))
    error = await refused(await consumer.found(), ErrorCode.INSUFFICIENT_CREDIT)
    assert error.limit == 10
    assert not engine.requests
    provider.owner.change(Changes(allowance=10_000_000))
    assert await collect(await consumer.found(), ask())


async def test_a_smaller_purse_refuses_before_anything_is_sent(pair: Pair) -> None:
    _, consumer, _, engine = pair
    consumer.owner.change(Changes(max_spend=10))
    error = await refused(await consumer.found(), ErrorCode.CEILING_TOO_LOW)
    assert error.limit == 10
    assert not engine.requests


async def test_a_model_that_is_not_shared_in_a_network_is_neither_offered_nor_served_there(pair: Pair) -> None:
    provider, consumer, _, engine = pair
    before = await consumer.found()
    provider.owner.change(Changes(share={"direct": ("another",)}))
    await refused(before, ErrorCode.UNKNOWN_MODEL)
    await consumer.until(lambda: consumer.catalog.find("scripted") is None)
    assert not engine.requests
    for models in (("another", "scripted"), None):
        provider.owner.change(Changes(share={"direct": models, "ab" * 32: ()}))
        assert await collect(await consumer.found(), ask())
        provider.owner.change(Changes(share={"direct": ()}))
        await consumer.until(lambda: consumer.catalog.find("scripted") is None)


async def test_the_places_for_peers_are_a_bound_and_the_rest_waits(pair: Pair) -> None:
    provider, consumer, _, engine = pair
    provider.owner.change(Changes(peer_slots=1))
    generator = await consumer.found()
    events = await begun(engine, generator)
    second = asyncio.create_task(collect(generator, ask()))
    await waits(provider)
    assert len(engine.requests) == 1
    provider.owner.change(Changes(peer_slots=2))  # and is let in as soon as there is room
    async with asyncio.timeout(PATIENCE_S):
        while len(engine.requests) < 2:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    engine.gate.set()
    await rest(events)
    assert isinstance((await second)[-1], Finished)
    assert engine.requests[1].deadline_ms < engine.requests[0].deadline_ms  # it has waited already


async def test_who_waits_too_long_for_a_place_is_told_to_come_back(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    provider, consumer, _, engine = pair
    monkeypatch.setattr(turns, "PATIENCE_S", 0.05)
    provider.owner.change(Changes(peer_slots=1))
    generator = await consumer.found()
    events = await begun(engine, generator)
    assert (await refused(generator, ErrorCode.BUSY)).retry_after == turns.RETRY_S
    with pytest.raises(GenerationError) as caught:
        await collect(generator, ask(deadline_ms=1))
    assert caught.value.code in (ErrorCode.DEADLINE_EXCEEDED, ErrorCode.TIMEOUT)
    engine.gate.set()
    await rest(events)
    assert await collect(generator, ask())  # nothing was lost on the way


async def test_what_waits_when_the_pause_comes_is_not_served(pair: Pair) -> None:
    provider, consumer, _, engine = pair
    provider.owner.change(Changes(peer_slots=1))
    generator = await consumer.found()
    events = await begun(engine, generator)
    waiting = asyncio.create_task(refused(generator, ErrorCode.UNKNOWN_MODEL))
    await waits(provider)
    provider.owner.change(Changes(paused=True))
    engine.gate.set()
    await rest(events)
    await waiting
    assert len(engine.requests) == 1


async def test_many_changes_do_not_flood_the_peers(start_node: StartNode) -> None:
    """CTL-005: an owner's script may change prices a hundred times; a peer takes one frame a second."""
    provider = await start_node("provider", Scripted())
    consumer, _ = await start_node("consumer", peers=(provider,))
    await consumer.found()
    for price in range(1, 101):
        provider[0].owner.change(Changes(price_in=price))
    await consumer.until(lambda: quoted(consumer) == (100, 4))
    assert await collect(await consumer.found(), ask())
