"""An engine that several ask: each consumer is an owner of its own, and so is this node's HTTP API."""

from __future__ import annotations

import pytest

from mycellm_proto.errors import ErrorCode
from reference_node.generation import Finished, GenerationError, Generator
from tests.engine.asking import request
from tests.engine.fake import FakeRunner
from tests.engine.looping import engine, held, prompt

from .conftest import StartNode

CHAT = [*range(200, 400)]


async def fed(generator: Generator, runner: FakeRunner) -> int:
    """Prompt tokens that were prefilled for one request."""
    before = len(runner.calls)
    events = [event async for event in generator.generate(request(prompt(*CHAT), max_tokens=3))]
    assert events[-1].reason.name == "LENGTH"  # type: ignore[union-attr]
    return sum(what[1] for kind, what in runner.calls[before:] if kind == "prefill" and isinstance(what, tuple))


async def test_no_consumer_goes_on_from_anothers_prompt(start_node: StartNode) -> None:
    runner = FakeRunner(slots=4)
    async with engine(runner) as made:
        provider = await start_node("provider", made)
        asking = [(await start_node(name, peers=(provider,)))[0] for name in ("alice", "bob")]
        alice, bob = [await node.found("m") for node in asking]
        local = provider[0].catalog.find("m")
        assert local is not None
        assert [await fed(one, runner) for one in (alice, alice)] == [200, 2]
        assert [await fed(one, runner) for one in (bob, bob)] == [200, 2]
        assert [await fed(one, runner) for one in (local, local, alice)] == [200, 2, 2]
        await provider[0].aclose()


async def test_a_full_queue_is_said_to_the_consumer_with_a_time(start_node: StartNode) -> None:
    runner = FakeRunner(slots=1)
    async with engine(runner, queue_limit=1) as made:
        provider = await start_node("provider", made)
        consumer, _ = await start_node("consumer", peers=(provider,))
        found = await consumer.found("m")
        with held(runner) as gate:
            running = found.generate(request(prompt(1), max_tokens=1))
            await anext(running)
            await gate.entered()
            waiting = found.generate(request(prompt(1), max_tokens=1))
            await anext(waiting)
            with pytest.raises(GenerationError) as caught:
                await anext(found.generate(request(prompt(1))))
            assert caught.value.code is ErrorCode.BUSY
            assert caught.value.retry_after is not None
            assert caught.value.retry_after >= 1
        for events in (running, waiting):
            assert isinstance([event async for event in events][-1], Finished)
        await provider[0].aclose()
