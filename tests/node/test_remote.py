"""A request served by a peer: text, parameters, receipts, and every way in which it can end early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from mycellm_proto.content import ChatRequest, Content, FinishReason, Message, Role, Sampling
from mycellm_proto.errors import ErrorCode
from mycellm_proto.keys import SigningKey
from mycellm_proto.nodeid import encode_node_id
from reference_node.generation import Delta, Event, Finished, GenerationError, Generator, Started
from reference_node.node import probe
from reference_node.quic import Endpoint
from reference_node.quic.addresses import SocketAddress

from .conftest import StartNode
from .scripted import Scripted
from .watched import PATIENCE_S


def ask(**changes: object) -> ChatRequest:
    values: dict[str, object] = {
        "model": "scripted",
        "messages": (Message(role=Role.SYSTEM, content="Be brief."), Message(role=Role.USER, content="Hi")),
        "max_tokens": 64,
        "deadline_ms": 10_000,
    }
    return ChatRequest(**(values | changes))  # type: ignore[arg-type]


async def collect(generator: Generator, request: Content) -> list[Event]:
    async with asyncio.timeout(PATIENCE_S):
        return [event async for event in generator.generate(request)]


async def test_a_peer_answers_with_every_parameter_as_it_was_asked(start_node: StartNode) -> None:
    engine = Scripted()
    provider = await start_node("provider", engine)
    consumer, _ = await start_node("consumer", peers=(provider,))
    request = ask(
        stop=("a", "b"),
        sampling=Sampling(
            temperature=700_000,
            top_p=900_000,
            top_k=40,
            min_p=50_000,
            presence_penalty=-2_000_000,
            frequency_penalty=2_000_000,
            seed=2**64 - 1,
        ),
    )
    events = await collect(await consumer.found(), request)
    assert events[0] == Started(input_tokens=5)
    assert "".join(event.text for event in events if isinstance(event, Delta)) == "Hello, world"
    assert events[-1] == Finished(reason=FinishReason.STOP, input_tokens=5, output_tokens=3)
    assert engine.requests == [request]


async def test_text_leaves_before_the_engine_is_asked_for_more(
    start_node: StartNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine whose next event is there already must not hold the first token back."""
    sent: list[int] = []
    send = Endpoint.send

    def counted(endpoint: Endpoint, datagram: bytes, address: SocketAddress) -> None:
        sent.append(len(datagram))
        send(endpoint, datagram, address)

    monkeypatch.setattr(Endpoint, "send", counted)

    class Eager(Scripted):
        async def generate(self, request: Content) -> AsyncGenerator[Event, None]:
            async for event in super().generate(request):
                before = len(sent)
                yield event
                assert not isinstance(event, Delta) or len(sent) > before

    consumer, _ = await start_node("consumer", peers=(await start_node("provider", Eager()),))
    events = await collect(await consumer.found(), ask())
    assert events[-1] == Finished(reason=FinishReason.STOP, input_tokens=5, output_tokens=3)


async def test_a_consumer_that_leaves_stops_the_work(start_node: StartNode) -> None:
    engine = Scripted(words=("word ",) * 50, pause_at=3)
    provider = await start_node("provider", engine)
    consumer, _ = await start_node("consumer", peers=(provider,))
    generator = await consumer.found()
    events = generator.generate(ask())
    async with asyncio.timeout(PATIENCE_S):
        while not isinstance(await anext(events), Delta):
            pass
        await events.aclose()
        await engine.stopped.wait()


async def test_an_error_before_the_first_token_keeps_its_code_and_counts(start_node: StartNode) -> None:
    engine = Scripted()
    engine.error = GenerationError(ErrorCode.CONTEXT_TOO_LONG, limit=100, actual=250)
    provider = await start_node("provider", engine)
    consumer, _ = await start_node("consumer", peers=(provider,))
    with pytest.raises(GenerationError) as caught:
        await collect(await consumer.found(), ask())
    assert (caught.value.code, caught.value.limit, caught.value.actual) == (ErrorCode.CONTEXT_TOO_LONG, 100, 250)


async def test_a_busy_peer_says_when_to_come_back(start_node: StartNode) -> None:
    engine = Scripted()
    engine.error = GenerationError(ErrorCode.BUSY, retry_after=1.5)
    provider = await start_node("provider", engine)
    consumer, _ = await start_node("consumer", peers=(provider,))
    with pytest.raises(GenerationError) as caught:
        await collect(await consumer.found(), ask())
    assert (caught.value.code, caught.value.retry_after) == (ErrorCode.BUSY, 1.5)


async def test_an_engine_that_fails_midway_ends_the_answer_with_a_bill(start_node: StartNode) -> None:
    engine = Scripted()
    engine.error, engine.error_after = GenerationError(ErrorCode.INTERNAL), 2
    provider = await start_node("provider", engine)
    consumer, _ = await start_node("consumer", peers=(provider,))
    events = await collect(await consumer.found(), ask())
    assert events[-1] == Finished(reason=FinishReason.FAILED, input_tokens=5, output_tokens=2)


async def test_a_ceiling_ends_the_answer_where_the_money_does(start_node: StartNode) -> None:
    engine = Scripted(words=("word ",) * 500)
    provider = await start_node("provider", engine)
    consumer, _ = await start_node("consumer", peers=(provider,), max_spend="300")
    events = await collect(await consumer.found(), ask(max_tokens=400))
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.reason is FinishReason.CEILING
    assert finished.output_tokens == (300 - 5) // 4


async def test_a_price_past_the_purse_is_refused_before_anything_is_sent(start_node: StartNode) -> None:
    engine = Scripted()
    provider = await start_node("provider", engine, price_out="1000")
    consumer, _ = await start_node("consumer", peers=(provider,), max_spend="300")
    with pytest.raises(GenerationError) as caught:
        await collect(await consumer.found(), ask())
    assert caught.value.code is ErrorCode.CEILING_TOO_LOW
    assert not engine.requests


async def test_max_tokens_crosses(start_node: StartNode) -> None:
    provider = await start_node("provider", Scripted(words=("a",) * 60))
    consumer, _ = await start_node("consumer", peers=(provider,))
    events = await collect(await consumer.found(), ask(max_tokens=5))
    assert events[-1] == Finished(reason=FinishReason.LENGTH, input_tokens=5, output_tokens=5)


async def test_a_node_that_is_not_allowed_sees_and_gets_nothing(start_node: StartNode) -> None:
    stranger = encode_node_id(SigningKey(bytes(32)).public)
    provider = await start_node("provider", Scripted(), allow=stranger)
    consumer, _ = await start_node("consumer", peers=(provider,))
    await consumer.until(lambda: consumer.peers()[0].state == "connected")
    assert consumer.catalog.models() == []
    assert consumer.peers()[0].models == ()


async def test_a_provider_that_stops_bills_what_it_delivered(start_node: StartNode) -> None:
    engine = Scripted(words=("word ",) * 50, pause_at=3)
    provider = await start_node("provider", engine)
    consumer, _ = await start_node("consumer", peers=(provider,))
    events = (await consumer.found()).generate(ask())
    async with asyncio.timeout(PATIENCE_S):
        while not isinstance(await anext(events), Delta):
            pass
        _, rest = await asyncio.gather(provider[0].aclose(), _rest(events))
    assert isinstance(rest[-1], Finished)
    assert rest[-1].reason is FinishReason.SHUTDOWN


async def test_a_lost_peer_is_an_error_and_is_found_again(start_node: StartNode) -> None:
    engine = Scripted()
    provider = await start_node("provider", engine)
    consumer, _ = await start_node("consumer", peers=(provider,))
    await consumer.found()
    address = str(provider[0].health()["quic"])
    await provider[0].aclose()
    await consumer.until(lambda: consumer.catalog.find("scripted") is None)
    await start_node("provider", engine, quic=address)
    assert await collect(await consumer.found(), ask())


async def test_many_requests_at_once_on_one_link(start_node: StartNode) -> None:
    provider = await start_node("provider", Scripted(words=("word ",) * 40))
    consumer, _ = await start_node("consumer", peers=(provider,))
    generator = await consumer.found()
    answers = await asyncio.gather(*(collect(generator, ask()) for _ in range(30)))
    assert all(isinstance(events[-1], Finished) and events[-1].output_tokens == 40 for events in answers)


async def test_a_probe_learns_the_id_and_no_more(start_node: StartNode) -> None:
    provider, identity = await start_node("provider", Scripted())
    host, _, port = str(provider.health()["quic"]).rpartition(":")
    _, prober = await start_node("prober")
    found_id = await probe(host, int(port), prober)
    assert found_id.node_id == identity.node_id


async def _rest(events: AsyncGenerator[Event, None]) -> list[Event]:
    return [event async for event in events]


async def test_a_peer_that_proves_another_id_gets_nothing(start_node: StartNode) -> None:
    provider, _ = await start_node("provider", Scripted())
    other = encode_node_id(SigningKey(bytes(32)).public)
    consumer, _ = await start_node("consumer", peer=f"{other}@{provider.health()['quic']}")
    await consumer.until(lambda: "WRONG_PEER" in consumer.peers()[0].state)
    assert consumer.catalog.models() == []


async def test_a_node_that_merely_connects_is_not_asked(start_node: StartNode) -> None:
    provider = await start_node("provider", Scripted())
    visitor, _ = await start_node("visitor", Scripted(model="trap"), peers=(provider,))
    await visitor.found()
    assert [model.id for model in provider[0].catalog.models()] == ["scripted"]
    assert provider[0].catalog.find("trap") is None


async def test_a_request_that_no_credit_covers_says_what_is_needed(start_node: StartNode) -> None:
    provider = await start_node("provider", Scripted(), allowance="10")
    consumer, _ = await start_node("consumer", peers=(provider,))
    with pytest.raises(GenerationError) as caught:
        await collect(await consumer.found(), ask())
    assert (caught.value.code, caught.value.limit) == (ErrorCode.INSUFFICIENT_CREDIT, 10)
    assert caught.value.actual is not None
    assert caught.value.actual > 10


async def test_of_a_peers_models_the_one_with_the_longest_context_comes_first(start_node: StartNode) -> None:
    """An embedding model, which a quote does not tell from others, must not be the one that is chatted with."""
    peer = await start_node("peer", Scripted(model="zeta"))
    short = Scripted(model="alpha")
    short._info = replace(short.info, context_length=512)
    other = await start_node("other", short)
    consumer, _ = await start_node("consumer", peers=(peer, other))
    await consumer.until(lambda: len(consumer.catalog.models()) == 2)
    assert [info.id for info in consumer.catalog.models()] == ["zeta", "alpha"]
