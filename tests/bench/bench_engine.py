"""The engine under load, on the default model: many streams, long prompts, prompts behind prompts, second turns.

Rates are tokens per second of all streams together, times are seconds. Engine and raw ONNX Runtime share a session and
take turns within one run, so that their ratio holds on a machine that others use too. The raw loop is the faster of
two: all streams in one run, and each in its own. Requests carry no seed, as a seed's answer is decoded in runs of its
own (`reference_node.engine.runner.ROW_BY_ROW`).
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from reference_node.engine import Device, Engine, EngineOptions
from reference_node.engine.options import default_threads
from reference_node.engine.pool import HostPool, KvShape, choose_capacity
from reference_node.engine.preparation import Preparation
from reference_node.engine.runner import ROW_BY_ROW, PooledRunner
from reference_node.engine.session import Session, open_session
from reference_node.generation import ModelInfo
from reference_node.models import InstalledModel
from tests.bench import other_engines
from tests.bench.asking import SCHEMA, STORY, chat, decode_together, first_token, story_of
from tests.bench.bare_loop import BareLoop
from tests.engine.asking import default_model

STREAMS, PROMPTS = (1, 4, 8, 16), (128, 512, 2048)
SCHEMA_STREAMS = (1, 4)
LONG = 4096
CONTEXT, SHORT_CONTEXT = 8192, 1024
STEPS = 48
SHORT_PROMPTS = 6
PAUSE_S = 0.4
"""At most between short prompts, so that they come at any time within a chunk of the long one."""

ALICE, BOB = b"alice", b"bob"


def run(quick: bool) -> dict[str, Any]:
    """Measures the default export; a full run adds the decoding of q8, which takes all streams in one run."""
    rounds = 2 if quick else 7
    with tempfile.TemporaryDirectory() as home:
        bench = _Bench(default_model(Path(home)))
        figures: dict[str, Any] = {
            "what": f"tokens/s and seconds, default model ({bench.variant}), {default_threads()} threads",
            "against": "raw ONNX Runtime loop on the same session",
            "decode": {streams: asyncio.run(bench.decode(streams, rounds)) for streams in STREAMS},
            "prefill": {length: asyncio.run(bench.prefill(length, rounds)) for length in PROMPTS},
            "behind_a_long_prompt": asyncio.run(bench.behind(1 if quick else 3)),
            "second_turn": asyncio.run(bench.second_turn(1 if quick else 3)),
            "json_schema": {streams: asyncio.run(bench.json_schema(streams, rounds)) for streams in SCHEMA_STREAMS},
        }
        if not quick:
            q8 = _Bench(default_model(Path(home), "q8"))
            figures["decode_q8"] = {streams: asyncio.run(q8.decode(streams, rounds)) for streams in STREAMS}
        return figures | other_engines.run(STREAMS, PROMPTS, 1 if quick else 3)


class _Bench:
    def __init__(self, model: InstalledModel) -> None:
        self._model, self._manifest, self.variant = model, model.manifest, model.manifest.variant
        self._session: Session = open_session(model.folder / self._manifest.graph, EngineOptions(), Device.CPU)
        file = model.folder / "tokenizer.json"
        self._preparation = Preparation(model.manifest, Tokenizer.from_file(str(file)), file)

    def _shape(self, slots: int, context: int) -> KvShape:
        manifest = self._manifest
        shape = KvShape(
            layers=range(manifest.layers), kv_heads=manifest.kv_heads, head_size=manifest.head_size, slots=slots,
            capacity=context, dtype=np.float32,
        )  # fmt: skip
        choose_capacity(EngineOptions(slots=slots, context_limit=context), manifest.context_length, shape.token_bytes)
        return shape

    def _engine(self, slots: int, context: int) -> Engine:
        pool = HostPool(self._shape(slots, context))
        runner = PooledRunner(
            self._session, pool, self._manifest.vocabulary, batched=self.variant not in ROW_BY_ROW
        )  # fmt: skip
        info = ModelInfo(id=self._model.id, digest=self._model.digest, context_length=context, owner="", created=0)
        return Engine(info, self._manifest, self._preparation, runner, device=Device.CPU, queue_limit=2 * slots)

    def _raw(self, slots: int, context: int) -> list[BareLoop]:
        return [
            BareLoop(self._session, self._shape(slots, context), self._manifest.vocabulary, batched=batched)
            for batched in ([True] if slots == 1 else [True, False])
        ]

    async def decode(self, streams: int, rounds: int) -> dict[str, Any]:
        """As many answers as there are streams, at once."""
        engine, raw = self._engine(streams, SHORT_CONTEXT), self._raw(streams, SHORT_CONTEXT)
        prompt = self._encode(engine, STORY)

        async def node() -> float:
            return await decode_together(engine, streams, STEPS)

        faster = max(raw, key=lambda loop: loop.decode_rate(prompt, STEPS))

        async def bare() -> float:
            return faster.decode_rate(prompt, STEPS)

        try:
            return await _compare(node, bare, rounds)
        finally:
            await engine.aclose()

    async def json_schema(self, streams: int, rounds: int) -> dict[str, Any]:
        """Answers that obey a schema, against free ones, on one engine."""
        engine = self._engine(streams, SHORT_CONTEXT)

        async def held() -> float:
            return await decode_together(engine, streams, STEPS, SCHEMA)

        async def free() -> float:
            return await decode_together(engine, streams, STEPS)

        try:
            compared = await _compare(held, free, rounds)
        finally:
            await engine.aclose()
        return {"aim": ">= 0.8", "schema": compared["node"], "free": compared["raw"], "ratio": compared["ratio"]}

    async def prefill(self, length: int, rounds: int) -> dict[str, Any]:
        """One prompt; the engine's time is that until the first token's text."""
        engine, [raw] = self._engine(1, CONTEXT), self._raw(1, CONTEXT)
        text = story_of(engine, length)
        prompt = self._encode(engine, text)

        async def node() -> float:
            return len(prompt) / await first_token(engine, chat(text))

        async def bare() -> float:
            return raw.prefill_rate(prompt)

        try:
            return await _compare(node, bare, rounds)
        finally:
            await engine.aclose()

    async def behind(self, rounds: int) -> dict[str, Any]:
        """Short prompts that come while a long one is prefilled, one at a time, until it is done."""
        engine = self._engine(2, CONTEXT)
        text, pauses = story_of(engine, LONG), random.Random(1)
        short = chat(STORY)
        alone: list[float] = []
        behind: list[float] = []
        try:
            await first_token(engine, short)
            for _ in range(rounds):
                alone += [await first_token(engine, short) for _ in range(SHORT_PROMPTS)]
                long = asyncio.create_task(first_token(engine, chat(text)))
                while True:
                    await asyncio.sleep(pauses.uniform(0, PAUSE_S))
                    wait = await first_token(engine, short)
                    if long.done():
                        break
                    behind.append(wait)
                await long
                alone += [await first_token(engine, short) for _ in range(SHORT_PROMPTS)]
        finally:
            await engine.aclose()
        return {
            "aim": "< 3",
            "alone": round(statistics.median(alone), 3),
            "behind": round(statistics.median(behind), 3),
            "longest": round(max(behind), 3),
            "ratio": round(statistics.median(behind) / statistics.median(alone), 2),
        }

    async def second_turn(self, rounds: int) -> dict[str, Any]:
        """The second turn of a long chat: by its owner, and by another, for whom it is cold."""
        engine = self._engine(2, CONTEXT)
        text = story_of(engine, LONG)
        cold: list[float] = []
        warm: list[float] = []
        try:
            for number in range(rounds):
                opening = f"Chat {number}. {text}"
                await first_token(engine.owned_by(ALICE), chat(opening))
                turn = chat(opening, "The sea is deep, and its story is long.", "What happens next?")
                warm.append(await first_token(engine.owned_by(ALICE), turn))
                cold.append(await first_token(engine.owned_by(BOB), turn))
        finally:
            await engine.aclose()
        ratios = [slow / fast for slow, fast in zip(cold, warm, strict=True)]
        return {
            "aim": ">= 10",
            "cold": round(statistics.median(cold), 3),
            "warm": round(statistics.median(warm), 3),
            "ratio": round(statistics.median(ratios), 1),
        }

    def _encode(self, engine: Engine, text: str) -> list[int]:
        return list(engine.prompt_of(chat(text)))


async def _compare(
    node: Callable[[], Awaitable[float]], bare: Callable[[], Awaitable[float]], rounds: int
) -> dict[str, Any]:
    """Both rates, and the median of the ratios of neighbours, after a warm-up."""
    await node()
    await bare()
    pairs = [(await node(), await bare()) for _ in range(rounds)]
    ours, raw = (statistics.median(values) for values in zip(*pairs, strict=True))
    ratio = statistics.median(mine / other for mine, other in pairs)
    return {"node": round(ours, 1), "raw": round(raw, 1), "ratio": round(ratio, 2)}
