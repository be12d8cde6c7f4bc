"""The prefix cache: what an owner's next request skips, that nobody else's does, and that no bit of an answer
changes.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from mycellm_proto.content import Sampling
from reference_node.engine import LOCAL_OWNER, Engine, EngineOptions, load_engine
from reference_node.engine.decoder import DecoderRunner
from reference_node.engine.loop import LONE_CHUNK
from reference_node.engine.options import Device
from reference_node.engine.runner import Runner, Step
from reference_node.engine.session import open_session
from reference_node.generation import Finished
from reference_node.models import InstalledModel, ModelStore
from tests.engine.asking import ask, default_model, request
from tests.engine.fake import FakeRunner
from tests.engine.looping import engine, held, prompt
from tests.engine.test_isolation import OPTIONS, PROMPTS, make_runner

ALICE, BOB = b"a" * 32, b"b" * 32
CHAT = [*range(200, 400)]


async def fed(made: Engine, runner: FakeRunner, owner: bytes | None, tokens: list[int]) -> int:
    """Prompt tokens that were prefilled for a request."""
    before = len(runner.calls)
    text, finished = await ask(made.owned_by(owner) if owner else made, request(prompt(*tokens), max_tokens=3))
    assert text == prompt(*range(tokens[-1] + 1, tokens[-1] + 4))
    assert finished.input_tokens == len(tokens)
    return sum(what[1] for kind, what in runner.calls[before:] if kind == "prefill" and isinstance(what, tuple))


async def test_an_owners_next_turn_skips_what_was_prefilled() -> None:
    runner = FakeRunner()
    async with engine(runner) as made:
        assert await fed(made, runner, ALICE, CHAT) == 200
        turn = [*CHAT, 400, 401, 402, 1, 2]
        assert await fed(made, runner, ALICE, turn) == 5  # the answer was decoded, so it is prefilled
        assert await fed(made, runner, ALICE, turn) == 2
        assert await fed(made, runner, ALICE, [*CHAT[:150], 5, 6]) == 2


async def test_what_the_cache_saved_is_counted_for_its_owner_alone() -> None:
    async with engine(FakeRunner()) as made:
        counts, wanted = [], request(prompt(*range(1, 41)), max_tokens=1)
        for owner in (ALICE, ALICE, BOB):
            *_, finished = [event async for event in made.owned_by(owner).generate(wanted)]
            assert isinstance(finished, Finished)
            counts.append(finished.cached_tokens)
    assert counts == [0, 38, 0]


async def test_the_same_prompt_of_another_owner_is_prefilled_whole() -> None:
    runner = FakeRunner(slots=4)
    async with engine(runner) as made:
        for owner in (ALICE, BOB, LOCAL_OWNER, None, None):
            assert await fed(made, runner, owner, CHAT) == 200
        assert await fed(made, runner, BOB, CHAT) == 2


async def test_without_the_cache_nothing_is_skipped() -> None:
    runner = FakeRunner()
    async with engine(runner, prefix_cache=False) as made:
        assert [await fed(made, runner, ALICE, CHAT) for _ in range(2)] == [200, 200]


async def test_a_running_answers_prompt_is_copied_for_its_owner_alone() -> None:
    runner = FakeRunner(slots=3)
    async with engine(runner) as made:
        alice = made.owned_by(ALICE)
        async with aclosing(alice.generate(request(prompt(*CHAT), max_tokens=500))) as running:
            for _ in range(3):
                await anext(running)
            assert await fed(made, runner, ALICE, [*CHAT, 7, 8]) == 2
            assert await fed(made, runner, BOB, [*CHAT, 7, 8]) == 202
    assert [what for kind, what in runner.calls if kind == "copy"] == [(0, 1, 200)]


async def test_a_prompt_cancelled_on_its_way_leaves_its_chunks() -> None:
    runner = FakeRunner(slots=1)
    async with engine(runner) as made:
        with held(runner) as gate:
            events = made.owned_by(ALICE).generate(request(prompt(*CHAT, *CHAT)))
            await anext(events)
            await gate.entered()
            await events.aclose()
        assert await asyncio.to_thread(runner.wait_for_release, 1)
        assert await fed(made, runner, ALICE, [*CHAT, *CHAT]) == 400 - LONE_CHUNK


async def test_a_copy_that_fails_fails_its_request_and_leaves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    runner = FakeRunner(slots=2)

    def fail(source: int, target: int, count: int) -> None:
        raise ValueError("memory")

    async with engine(runner) as made:
        await fed(made, runner, ALICE, CHAT)
        copy, runner.copy = runner.copy, fail  # type: ignore[method-assign]
        with pytest.raises(Exception, match="INTERNAL"):
            await fed(made, runner, ALICE, [*CHAT[:50], 1, 2])
        runner.copy = copy  # type: ignore[method-assign]
        assert await fed(made, runner, ALICE, [*CHAT[:50], 1, 2]) == 2
        assert await fed(made, runner, ALICE, [*CHAT, 1, 2]) == 2
    assert "a step of the engine failed" in caplog.text


LONG = [token for one in PROMPTS for token in one][:56]


def answer_bytes(runner: Runner, slot: int, tokens: list[int], start: int) -> list[bytes]:
    """Prefills what is behind ``start`` and decodes; the logits of each step."""
    logits = runner.prefill(slot, tokens[start:], start)
    seen = [logits.tobytes()]
    for i in range(4):
        logits = runner.decode([Step(slot, int(logits.argmax()), len(tokens) + i)])[0]
        seen.append(logits.tobytes())
    return seen


def check_hits(runner: Runner, cuts: tuple[int, ...]) -> None:
    """From every cut, in place and through a copy, after an earlier answer: as if the prompt had been fed whole."""
    cold = answer_bytes(runner, 0, LONG, 0)
    for cut in cuts:
        runner.release(0, cut)
        runner.prefill(1, LONG[:9], 0)
        runner.decode([Step(1, 5, 9)])  # its run may take slots 0 and 2 along
        assert answer_bytes(runner, 0, LONG, cut) == cold, cut
        runner.copy(0, 2, cut)
        runner.decode([Step(1, 6, 10), Step(0, 7, len(LONG) + 4)])
        assert answer_bytes(runner, 2, LONG, cut) == cold, cut
        runner.release(2, 0)


@pytest.mark.parametrize("variant", ["fp32", "int4", "q8", "fp16"])
def test_a_hit_changes_no_bit(tiny_store: ModelStore, tiny_gguf: Path, variant: str) -> None:
    model = tiny_store.import_(tiny_gguf, id=f"tiny-{variant}", variant=variant)
    check_hits(make_runner(model), (2, 3, 31, 53, 54))


def test_a_hit_changes_no_bit_of_an_imported_graphs_answer(tiny_decoder: InstalledModel) -> None:
    manifest = tiny_decoder.manifest
    session = open_session(tiny_decoder.folder / manifest.graph, OPTIONS, Device.CPU)
    check_hits(DecoderRunner(session, manifest, OPTIONS, Device.CPU), (2, 31, 54))


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["int4", "fp32", "q8"])
def test_a_hit_changes_no_bit_of_the_default_models_answer(tmp_path: Path, variant: str) -> None:
    check_hits(make_runner(default_model(tmp_path, variant)), (2, 17, 54))


async def test_a_conversation_goes_on_as_if_it_were_new(tiny_model: InstalledModel) -> None:
    """Every turn of one owner, beside others, is what an engine without a cache answers."""
    cached = await load_engine(tiny_model, options=OPTIONS)
    plain = await load_engine(tiny_model, options=EngineOptions(threads=1, spin=False, slots=2, prefix_cache=False))
    alice, bob, text = cached.owned_by(ALICE), cached.owned_by(BOB), "the cat in it "
    try:
        for turn in range(4):
            wanted = request(text, max_tokens=12, sampling=Sampling(temperature=900_000, seed=turn))
            expected = await ask(plain, wanted)
            answers = await asyncio.gather(*(ask(owner, wanted) for owner in (alice, bob, alice)))
            assert answers == [expected] * 3
            text += expected[0] + " and then the "
    finally:
        await cached.aclose()
        await plain.aclose()
