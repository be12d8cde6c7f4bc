"""What is in other slots, or was in this one, changes no bit of an answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from mycellm_proto.content import Sampling
from reference_node.engine import Device, EngineOptions, load_engine
from reference_node.engine.pool import DevicePool, HostPool, KvPool, KvShape
from reference_node.engine.runner import ROW_BY_ROW, PooledRunner, Step
from reference_node.engine.session import open_session
from reference_node.models import InstalledModel, ModelStore
from tests.engine.asking import ask, default_model, request
from tests.models.tiny import VOCABULARY

SLOTS, CAPACITY = 4, 64
OPTIONS = EngineOptions(threads=1, spin=False, slots=SLOTS)
random = np.random.default_rng(1)
PROMPTS = [[int(t) for t in random.integers(4, VOCABULARY, n)] for n in (9, 17, 5, 30)]


def make_runner(model: InstalledModel, *, device_memory: bool = False) -> PooledRunner:
    manifest = model.manifest
    shape = KvShape(
        layers=range(manifest.layers), kv_heads=manifest.kv_heads, head_size=manifest.head_size, slots=SLOTS,
        capacity=CAPACITY, dtype=np.float16 if manifest.variant == "fp16" else np.float32,
    )  # fmt: skip
    pool: KvPool = DevicePool(shape, Device.CPU) if device_memory else HostPool(shape)
    session = open_session(model.folder / manifest.graph, OPTIONS, Device.CPU)
    return PooledRunner(session, pool, manifest.vocabulary, batched=manifest.variant not in ROW_BY_ROW)


def alone(runner: PooledRunner, slot: int, prompt: list[int], count: int) -> list[bytes]:
    logits = runner.prefill(slot, prompt, 0)
    seen = [logits.tobytes()]
    for i in range(count):
        logits = runner.decode([Step(slot, int(logits.argmax()), len(prompt) + i)])[0]
        seen.append(logits.tobytes())
    runner.release(slot, 0)
    return seen


def together(runner: PooledRunner, order: list[int], count: int) -> list[list[bytes]]:
    """Decodes all prompts, admitted one step after another, in slots of the given order."""
    seen: list[list[bytes]] = [[] for _ in PROMPTS]
    next_tokens: dict[int, tuple[int, int]] = {}
    for turn in range(count + len(PROMPTS)):
        if turn < len(PROMPTS):
            logits = runner.prefill(order[turn], PROMPTS[turn], 0)
            seen[turn].append(logits.tobytes())
            next_tokens[turn] = (int(logits.argmax()), len(PROMPTS[turn]))
        running = [row for row in next_tokens if len(seen[row]) <= count]
        if not running:
            break
        rows = runner.decode([Step(order[row], *next_tokens[row]) for row in running])
        for row, logits in zip(running, rows, strict=True):
            seen[row].append(logits.tobytes())
            next_tokens[row] = (int(logits.argmax()), next_tokens[row][1] + 1)
    return [one[: count + 1] for one in seen]


@pytest.mark.parametrize("variant", ["fp32", "int4", "q8", "fp16"])
def test_rows_do_not_influence_each_other(tiny_store: ModelStore, tiny_gguf: Path, variant: str) -> None:
    runner = make_runner(tiny_store.import_(tiny_gguf, id=f"tiny-{variant}", variant=variant))
    expected = [alone(runner, 0, prompt, 8) for prompt in PROMPTS]
    assert together(runner, [0, 1, 2, 3], 8) == expected
    assert together(runner, [2, 3, 0, 1], 8) == expected


def test_rows_that_need_not_be_exact_share_a_run_and_disturb_no_exact_one(
    tiny_store: ModelStore, tiny_gguf: Path
) -> None:
    runner = make_runner(tiny_store.import_(tiny_gguf, id="tiny-int4", variant="int4"))
    expected = [alone(runner, 0, prompt, 8) for prompt in PROMPTS]
    tokens = [int(runner.prefill(slot, prompt, 0).argmax()) for slot, prompt in enumerate(PROMPTS)]
    for turn in range(8):
        steps = [
            Step(slot, tokens[slot], len(prompt) + turn, exact=slot in (1, 3)) for slot, prompt in enumerate(PROMPTS)
        ]
        rows = runner.decode(steps)
        for slot, logits in enumerate(rows):
            wanted = np.frombuffer(expected[slot][turn + 1], np.float32)
            if slot in (1, 3):
                assert logits.tobytes() == expected[slot][turn + 1]
            else:
                np.testing.assert_allclose(logits, wanted, atol=1e-3)
            tokens[slot] = int(wanted.argmax())


def test_a_used_slot_is_as_a_new_one(tiny_model: InstalledModel) -> None:
    used, new = make_runner(tiny_model), make_runner(tiny_model)
    alone(used, 1, PROMPTS[3], 30)
    assert alone(used, 1, PROMPTS[0], 8) == alone(new, 1, PROMPTS[0], 8)


def test_memory_of_a_device_gives_the_same(tiny_model: InstalledModel) -> None:
    host, device = make_runner(tiny_model), make_runner(tiny_model, device_memory=True)
    assert together(host, [0, 1, 2, 3], 8) == together(device, [0, 1, 2, 3], 8)


def test_a_full_slot_beside_running_ones(tiny_model: InstalledModel) -> None:
    runner = make_runner(tiny_model)
    expected = alone(runner, 2, PROMPTS[0], 8)
    runner.prefill(0, (PROMPTS[3] * 3)[:CAPACITY], 0)
    assert alone(runner, 2, PROMPTS[0], 8) == expected


async def test_a_seeded_answer_is_the_same_in_any_company(tiny_model: InstalledModel) -> None:
    engine = await load_engine(tiny_model, options=OPTIONS)
    wanted = [
        request(text, max_tokens=40, sampling=Sampling(temperature=800_000, seed=9))
        for text in ("the", "in it", "x" * 50)
    ]
    try:
        expected = [await ask(engine, one) for one in wanted]
        for _ in range(3):
            assert await asyncio.gather(*(ask(engine, one) for one in wanted)) == expected
            assert await asyncio.gather(*(ask(engine, one) for one in wanted[::-1])) == expected[::-1]
            free = request("the", max_tokens=40, sampling=Sampling(temperature=800_000))
            answers = await asyncio.gather(*(ask(engine, one) for one in (free, wanted[0], free, wanted[1])))
            assert answers[1::2] == expected[:2]
    finally:
        await engine.aclose()


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["int4", "fp32", "q8"])
def test_rows_of_the_default_model_do_not_influence_each_other(tmp_path: Path, variant: str) -> None:
    runner = make_runner(default_model(tmp_path, variant))
    expected = [alone(runner, 0, prompt, 6) for prompt in PROMPTS]
    assert together(runner, [3, 1, 0, 2], 6) == expected
