"""The decode loop over a runner without a model: batching, fairness, bounds, deadlines, cancellation and failures."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from mycellm_proto.content import ChatRequest, FinishReason, Sampling
from mycellm_proto.errors import ErrorCode
from reference_node.engine import Device, Engine
from reference_node.engine.job import OUTPUT_LIMIT, Job
from reference_node.engine.loop import COMPANY_SECONDS, LONE_CHUNK, PAST_COST, PREFILL_CHUNK, chunk_size
from reference_node.engine.runner import Logits
from reference_node.engine.slots import MIN_ROWS
from reference_node.generation import Delta, Event, Finished, GenerationError, Generator, Started
from tests.engine.asking import ask, check, request, text_of
from tests.engine.fake import FakeRunner
from tests.engine.looping import INFO, MANIFEST, engine, held, preparation, prompt


async def test_an_answer_ends_with_the_end_token() -> None:
    async with engine(FakeRunner()) as made:
        text, finished = await ask(made, request(prompt(897), max_tokens=10))
    assert text == prompt(898, 899)
    assert finished == Finished(reason=FinishReason.STOP, input_tokens=1, output_tokens=3)


async def test_an_answer_ends_at_its_length() -> None:
    async with engine(FakeRunner()) as made:
        text, finished = await ask(made, request(prompt(1, 5), max_tokens=3))
    assert (text, finished.reason, finished.output_tokens) == (prompt(6, 7, 8), FinishReason.LENGTH, 3)


async def test_an_answer_ends_at_a_stop_sequence_without_it() -> None:
    async with engine(FakeRunner()) as made:
        text, finished = await ask(made, request(prompt(5), stop=(prompt(8, 9),), max_tokens=50))
    assert (text, finished.reason, finished.output_tokens) == (prompt(6, 7), FinishReason.STOP, 4)


async def test_held_text_comes_out_at_the_end() -> None:
    async with engine(FakeRunner()) as made:
        text, finished = await ask(made, request(prompt(5), stop=(prompt(8, 9),), max_tokens=3))
    assert (text, finished.reason) == (prompt(6, 7, 8), FinishReason.LENGTH)


async def test_a_prompt_that_fills_the_context_is_refused() -> None:
    async with engine(FakeRunner()) as made:
        with pytest.raises(GenerationError) as caught:
            await ask(made, request(prompt(*[1] * 1024)))
        assert (caught.value.code, caught.value.limit, caught.value.actual) == (ErrorCode.CONTEXT_TOO_LONG, 1023, 1024)
        _, finished = await ask(made, request(prompt(*[1] * 1020), max_tokens=100_000))
        assert (finished.reason, finished.output_tokens) == (FinishReason.LENGTH, 4)


@pytest.mark.parametrize(
    "wrong",
    [request(max_tokens=0), request(""), request(sampling=Sampling(top_p=-1))],
    ids=["tokens", "prompt", "top_p"],
)
async def test_malformed_requests_are_refused(wrong: ChatRequest) -> None:
    async with engine(FakeRunner()) as made:
        with pytest.raises(GenerationError) as caught:
            await ask(made, wrong)
        assert caught.value.code is ErrorCode.MALFORMED


async def test_requests_share_decode_steps() -> None:
    runner = FakeRunner(slots=3)
    async with engine(runner) as made:
        with held(runner):
            running = [made.generate(request(prompt(start), max_tokens=20)) for start in (1, 101, 201)]
            for events in running:
                await anext(events)
        texts = [text_of([event async for event in events]) for events in running]
    assert texts == [prompt(*range(start + 1, start + 21)) for start in (1, 101, 201)]
    assert runner.calls.count(("decode", [0, 1, 2])) >= 17


async def test_a_long_prompt_comes_in_chunks_between_the_steps_of_others() -> None:
    runner = FakeRunner(slots=3)
    async with engine(runner) as made:
        with held(runner):
            running = [made.generate(request(prompt(*[1] * count), max_tokens=40)) for count in (1, 700, 1)]
            for events in running:
                await anext(events)
        finished = [
            check([Started(input_tokens=n), *[e async for e in events]])
            for n, events in zip((1, 700, 1), running, strict=True)
        ]
    assert [one.output_tokens for one in finished] == [40, 40, 40]
    # Prompts take turns, a chunk at a time, and whoever is ready decodes after each.
    kinds = "".join(kind[0] for kind, _ in runner.calls)
    assert [what for kind, what in runner.calls if kind == "prefill"] == [
        (0, 1, 0), (1, PREFILL_CHUNK, 0), (2, 1, 0),
        *((1, *chunk) for chunk in chunks(700, PREFILL_CHUNK)[1:]),
    ]  # fmt: skip
    assert kinds.startswith("pdpdpdpdpd")


async def test_a_prompt_that_comes_during_a_chunk_is_next_after_it() -> None:
    runner = FakeRunner(slots=2)
    async with engine(runner) as made:
        with held(runner) as gate:
            long = made.generate(request(prompt(*[1] * 700), max_tokens=1))
            await anext(long)
            await gate.entered()
            short = made.generate(request(prompt(1, 2, 3), max_tokens=1))
            await anext(short)
        for events in (long, short):
            assert isinstance([event async for event in events][-1], Finished)
    # The long one was alone at first, and gets smaller chunks from then on.
    assert [what for kind, what in runner.calls if kind == "prefill"] == [
        (0, LONE_CHUNK, 0), (1, 3, 0), *((0, *chunk) for chunk in chunks(700, PREFILL_CHUNK, LONE_CHUNK)),
    ]  # fmt: skip


async def test_company_is_expected_for_a_while() -> None:
    runner, clock = FakeRunner(slots=2), Clock()
    async with engine(runner, clock=clock) as made:

        async def fed() -> list[tuple[int, int]]:
            before = len(runner.calls)
            await ask(made, request(prompt(*[1] * 300), max_tokens=1))
            return [what[1:] for kind, what in runner.calls[before:] if kind == "prefill" and isinstance(what, tuple)]

        assert await fed() == chunks(300, LONE_CHUNK)
        await asyncio.gather(*(ask(made, request(prompt(1), max_tokens=50)) for _ in range(2)))
        assert await fed() == chunks(300, PREFILL_CHUNK)
        clock.now = COMPANY_SECONDS
        assert await fed() == chunks(300, LONE_CHUNK)


def chunks(length: int, most: int, start: int = 0) -> list[tuple[int, int]]:
    """Size and start of each chunk of a prompt."""
    found = []
    while start < length:
        found.append((chunk_size(start, length - start, most), start))
        start += found[-1][0]
    return found


@pytest.mark.parametrize("most", [PREFILL_CHUNK, LONE_CHUNK])
@pytest.mark.parametrize("length", [1, 2, 64, 65, 66, 129, 255, 256, 257, 258, 500, 4095, 4096, 8191])
def test_chunks_get_shorter_and_none_is_one_token_of_several(length: int, most: int) -> None:
    sizes = [size for size, _ in chunks(length, most)]
    assert sum(sizes) == length
    assert sizes[0] in (min(length, most), most - 1)
    assert min(sizes) >= min(length, MIN_ROWS)
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(sizes))


def test_a_chunk_is_half_as_long_where_a_token_costs_twice_as_much() -> None:
    assert [chunk_size(fed, 9999, 64) for fed in (0, PAST_COST, 3 * PAST_COST)] == [64, 32, 16]
    assert chunk_size(1 << 20, 9999, 64) == MIN_ROWS + 1


async def first(made: Generator, wanted: ChatRequest) -> object:
    async with aclosing(made.generate(wanted)) as events:
        return await anext(events)


async def test_a_full_queue_is_said_with_advice() -> None:
    runner = FakeRunner(slots=1)
    async with engine(runner, queue_limit=1) as made:
        with held(runner) as gate:
            one = made.generate(request(max_tokens=1, text=prompt(1)))
            await anext(one)
            await gate.entered()
            two = made.generate(request(max_tokens=1, text=prompt(1)))
            await anext(two)
            with pytest.raises(GenerationError) as caught:
                await first(made, request(prompt(1)))
            assert (caught.value.code, caught.value.limit) == (ErrorCode.BUSY, 1)
            assert caught.value.retry_after is not None
            assert caught.value.retry_after >= 1
        assert check([Started(input_tokens=1), *[event async for event in one]]).reason is FinishReason.LENGTH
        assert check([Started(input_tokens=1), *[event async for event in two]]).reason is FinishReason.LENGTH


async def test_a_slot_is_given_on_before_the_end_of_its_answer_is_read() -> None:
    runner = FakeRunner(slots=1)
    async with engine(runner, clock=time.monotonic) as made:
        with held(runner) as gate:
            unread = made.generate(request(prompt(1), max_tokens=1))
            await anext(unread)
            await gate.entered()
            next_one = made.generate(request(prompt(1), max_tokens=1, deadline_ms=20_000))
            await anext(next_one)
        assert [event async for event in next_one][-1] == Finished(
            reason=FinishReason.LENGTH, input_tokens=1, output_tokens=1, cached_tokens=0
        )
        await unread.aclose()


async def test_one_owners_burst_leaves_room_in_the_queue_and_is_not_everybodys_wait() -> None:
    runner = FakeRunner(slots=1)
    async with engine(runner, queue_limit=4) as made:
        greedy, other = made.owned_by(b"greedy"), made.owned_by(b"other")
        with held(runner) as gate:
            running = greedy.generate(request(prompt(1), max_tokens=1))
            await anext(running)
            await gate.entered()
            waiting = [greedy.generate(request(prompt(2 + i), max_tokens=1)) for i in range(3)]
            for events in waiting:
                await anext(events)
            with pytest.raises(GenerationError) as caught:
                await first(greedy, request(prompt(5)))
            assert (caught.value.code, caught.value.limit) == (ErrorCode.BUSY, 4)
            late = other.generate(request(prompt(9, 9), max_tokens=1))
            await anext(late)
        for events in (running, *waiting, late):
            assert isinstance([event async for event in events][-1], Finished)
    # The other's request, of two tokens, came last and waits for one of the burst, not for three.
    assert [what for kind, what in runner.calls if kind == "prefill"][2] == (0, 2, 0)


async def test_closing_the_iterator_frees_the_slot() -> None:
    runner = FakeRunner(slots=1)
    async with engine(runner) as made:
        async with aclosing(made.generate(request(prompt(1), max_tokens=1000))) as events:
            assert isinstance(await anext(events), Started)
            assert isinstance(await anext(events), Delta)
        assert await asyncio.to_thread(runner.wait_for_release, 1)
        text, _ = await ask(made, request(prompt(5), max_tokens=1))
        assert text == prompt(6)


async def test_cancelling_while_queued_leaves_the_queue() -> None:
    runner = FakeRunner(slots=1)
    async with engine(runner, queue_limit=1) as made:
        with held(runner) as gate:
            one = made.generate(request(prompt(1), max_tokens=1))
            await anext(one)
            await gate.entered()
            two = made.generate(request(prompt(1), max_tokens=1))
            await anext(two)
            await two.aclose()
        await one.aclose()
        assert (await ask(made, request(prompt(5), max_tokens=1)))[0] == prompt(6)
    assert runner.released.count(0) == 2


async def test_a_slow_reader_pauses_only_its_own_slot() -> None:
    runner = FakeRunner(slots=2)
    async with engine(runner) as made, aclosing(made.generate(request(prompt(1), max_tokens=800))) as slow:
        assert isinstance(await anext(slow), Started)
        _, finished = await ask(made, request(prompt(1), max_tokens=300))
        assert finished.output_tokens == 300
        steps = sum(isinstance(what, list) and 0 in what for _, what in runner.calls)
        assert steps <= OUTPUT_LIMIT
        events = [event async for event in slow]
        assert check([Started(input_tokens=1), *events]).output_tokens == 800
        assert text_of(events) == prompt(*range(2, 802))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_deadline_ends_an_answer_where_it_is() -> None:
    runner, clock = FakeRunner(), Clock()
    async with engine(runner, clock=clock) as made:
        async with aclosing(made.generate(request(prompt(1), max_tokens=1000, deadline_ms=5000))) as events:
            seen = [await anext(events), await anext(events)]
            clock.now = 5.0
            seen += [event async for event in events]
        finished = check(seen)
        assert finished.reason is FinishReason.DEADLINE
        assert 1 <= finished.output_tokens < 1000
        assert text_of(seen) == prompt(*range(2, 2 + finished.output_tokens))


async def test_a_deadline_passes_while_queued() -> None:
    runner, clock = FakeRunner(slots=1), Clock()
    async with engine(runner, clock=clock) as made:
        with held(runner) as gate:
            one = made.generate(request(prompt(1), max_tokens=1, deadline_ms=60_000))
            await anext(one)
            await gate.entered()
            two = made.generate(request(prompt(1), max_tokens=1, deadline_ms=1000))
            await anext(two)
            clock.now = 1.0
        assert [event async for event in two] == [
            Finished(reason=FinishReason.DEADLINE, input_tokens=1, output_tokens=0, cached_tokens=0)
        ]
        await one.aclose()


async def test_a_deadline_is_kept_while_the_reader_does_not_read() -> None:
    """The engine's thread waits without work, and still wakes for it."""
    async with engine(FakeRunner(), clock=time.monotonic) as made:
        async with aclosing(made.generate(request(prompt(1), max_tokens=800, deadline_ms=300))) as events:
            await anext(events)
            runner_is_paused = asyncio.Event()
            asyncio.get_running_loop().call_later(0.4, runner_is_paused.set)
            await runner_is_paused.wait()
            rest = [event async for event in events]
        assert check([Started(input_tokens=1), *rest]).reason is FinishReason.DEADLINE
        assert len(rest) <= OUTPUT_LIMIT + 1


async def test_a_failing_step_fails_its_requests_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    runner = FakeRunner(slots=1)

    def fail() -> None:
        raise ValueError("kernel")

    async with engine(runner) as made:
        runner.before = fail
        with pytest.raises(GenerationError) as caught:
            await ask(made, request(prompt(1)))
        assert caught.value.code is ErrorCode.INTERNAL
        runner.before = lambda: None
        assert (await ask(made, request(prompt(5), max_tokens=1)))[0] == prompt(6)
    assert "a step of the engine failed" in caplog.text


async def test_a_failure_in_one_answers_text_fails_that_one(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Job.take

    def fail_for_seven(job: Job, logits: Logits) -> bool:
        if list(job.prompt) == [7]:
            raise ValueError("text")
        return take(job, logits)

    monkeypatch.setattr(Job, "take", fail_for_seven)
    runner = FakeRunner(slots=2)
    async with engine(runner) as made:
        with held(runner):
            good, bad = (made.generate(request(prompt(start), max_tokens=20)) for start in (1, 7))
            await anext(good)
            await anext(bad)
        with pytest.raises(GenerationError) as caught:
            await anext(bad)
        assert caught.value.code is ErrorCode.INTERNAL
        assert text_of([event async for event in good]) == prompt(*range(2, 22))
    assert "a step of the engine failed" in caplog.text


async def test_a_thread_that_dies_leaves_nobody_waiting(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = FakeRunner(slots=1)
    monkeypatch.setattr(threading, "excepthook", lambda _arguments: None)

    def die() -> None:
        raise SystemExit

    async with engine(runner) as made:
        runner.before = die
        with pytest.raises(GenerationError) as caught:
            await ask(made, request(prompt(1)))
        assert caught.value.code is ErrorCode.INTERNAL
        with pytest.raises(GenerationError):
            await ask(made, request(prompt(1)))
    assert "the engine's thread failed" in caplog.text


def wait_for_closing(made: Engine) -> None:
    with made._loop._changed:
        assert made._loop._changed.wait_for(lambda: made._loop._closing, 30)


async def test_closing_the_engine_ends_what_runs_and_refuses_what_comes() -> None:
    runner = FakeRunner(slots=1)
    async with engine(runner) as made:
        with held(runner) as gate:
            one, two = (made.generate(request(prompt(1), max_tokens=500)) for _ in range(2))
            await anext(one)
            await anext(two)
            await gate.entered()
            closing = asyncio.create_task(made.aclose())
            await asyncio.to_thread(wait_for_closing, made)
        await closing
        for events in (one, two):
            seen = [Started(input_tokens=1), *[event async for event in events]]
            assert check(seen).reason is FinishReason.SHUTDOWN
        with pytest.raises(GenerationError) as caught:
            await ask(made, request(prompt(1)))
        assert caught.value.code is ErrorCode.SHUTTING_DOWN


def test_a_reader_whose_event_loop_is_gone_frees_its_slot() -> None:
    runner, go = FakeRunner(slots=1), threading.Event()
    runner.before = lambda: None if go.wait(30) else pytest.fail("never told to go")

    async def start() -> tuple[Engine, AsyncGenerator[Event, None]]:
        made = Engine(INFO, MANIFEST, preparation(), runner, device=Device.CPU, queue_limit=1, clock=lambda: 0.0)
        events = made.generate(request(prompt(1), max_tokens=500))
        await anext(events)
        return made, events

    loop = asyncio.new_event_loop()
    made, events = loop.run_until_complete(start())
    loop.close()
    go.set()
    assert runner.wait_for_release(1)
    asyncio.run(made.aclose())
    asyncio.run(events.aclose())
