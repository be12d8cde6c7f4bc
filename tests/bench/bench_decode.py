"""The engine's speed on the default model: decode against a bare ONNX Runtime loop, prefill, starts, and agreement of
text.

Rates are tokens per second, times are seconds. Node and bare loop share a session and take turns within one run, so
that their ratio holds on a machine that others use too.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from mycellm_proto.content import ChatRequest, Message, Role, Sampling
from reference_node.engine import Device, Engine, EngineOptions
from reference_node.engine.pool import HostPool, KvShape
from reference_node.engine.preparation import Preparation
from reference_node.engine.runner import ROW_BY_ROW, PooledRunner
from reference_node.engine.session import open_session
from reference_node.generation import Delta, Finished, ModelInfo
from reference_node.models import InstalledModel
from tests.bench.asking import chat
from tests.bench.bare_loop import BareLoop
from tests.engine.asking import agreement, default_model, prompts

VARIANTS = ("int4", "fp32", "q8")
ROOT = Path(__file__).resolve().parents[2]
STORY = "Write a long story about the sea."
DECODED, PREFILLED, CAPACITY = 64, 512, 1024

FIRST_TOKEN = """
import asyncio, sys, time
from pathlib import Path
from mycellm_proto.content import ChatRequest, Message, Role, Sampling
from reference_node.engine import EngineOptions, load_engine
from reference_node.generation import Delta
from reference_node.models import ModelStore
async def main(cache, home, variant):
    engine = await load_engine(ModelStore(Path(cache), Path(home)).ensure_default(variant))
    asked = (Message(role=Role.USER, content="Hello"),)
    request = ChatRequest(model="m", messages=asked, max_tokens=4, deadline_ms=60000, sampling=Sampling(temperature=0))
    async for event in engine.generate(request):
        if isinstance(event, Delta):
            print("first", flush=True)
            break
    await engine.aclose()
asyncio.run(main(*sys.argv[1:]))
"""


def run(quick: bool) -> dict[str, Any]:
    """Measures every export; a quick run takes fewer rounds and prompts."""
    with tempfile.TemporaryDirectory() as home:
        figures: dict[str, Any] = {
            name: _measure(default_model(Path(home), name), 3 if quick else 9) for name in VARIANTS
        }
        for name in VARIANTS:
            figures[name] |= _starts(name)
        asked = prompts()[: 10 if quick else 50]
        for name in ("int4", "q8"):
            same, _ = asyncio.run(agreement(Path(home), name, asked))
            figures[name]["agreement_with_fp32"] = f"{sum(same)}/{len(same)}"
    return figures


def _measure(model: InstalledModel, rounds: int) -> dict[str, Any]:
    manifest, options = model.manifest, EngineOptions(slots=1)
    session = open_session(model.folder / manifest.graph, options, Device.CPU)
    shape = KvShape(
        layers=range(manifest.layers), kv_heads=manifest.kv_heads, head_size=manifest.head_size, slots=1,
        capacity=CAPACITY, dtype=np.float32,
    )  # fmt: skip
    runner = PooledRunner(session, HostPool(shape), manifest.vocabulary, batched=manifest.variant not in ROW_BY_ROW)
    file = model.folder / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(file))
    preparation = Preparation(manifest, tokenizer, file)
    bare = BareLoop(session, shape, manifest.vocabulary, batched=True)
    return asyncio.run(_interleaved(model, preparation, runner, bare=bare, rounds=rounds))


async def _interleaved(
    model: InstalledModel, preparation: Preparation, runner: PooledRunner, *, bare: BareLoop, rounds: int
) -> dict[str, Any]:
    info = ModelInfo(id=model.id, digest=model.digest, context_length=CAPACITY, owner="", created=0)
    engine = Engine(info, model.manifest, preparation, runner, device=Device.CPU, queue_limit=1)
    prompt = list(engine.prompt_of(chat(STORY)))
    long = preparation.encode(" ".join(["The sea is deep."] * 300))[:PREFILLED]
    await _node_round(engine)
    bare.decode_rate(prompt, DECODED - 1)
    node, raw, first, prefill = [], [], [], []
    for _ in range(rounds):
        rate, wait = await _node_round(engine)
        node.append(rate)
        first.append(wait)
        raw.append(bare.decode_rate(prompt, DECODED - 1))
        prefill.append(bare.prefill_rate(long))
    await engine.aclose()
    return {
        "node_decode": round(statistics.median(node), 1),
        "bare_decode": round(statistics.median(raw), 1),
        "node_over_bare": round(statistics.median(a / b for a, b in zip(node, raw, strict=True)), 3),
        "prefill": round(statistics.median(prefill)),
        "warm_first_token": round(statistics.median(first), 3),
    }


async def _node_round(engine: Engine) -> tuple[float, float]:
    """Tokens per second after the first token, and seconds until it."""
    messages = (Message(role=Role.USER, content=STORY),)
    request = ChatRequest(
        model="m", messages=messages, max_tokens=DECODED, deadline_ms=120_000, sampling=Sampling(temperature=0)
    )
    began, first, count = time.perf_counter(), 0.0, 0
    async for event in engine.generate(request):
        if isinstance(event, Delta):
            first = first or time.perf_counter()
            count += event.tokens
        elif isinstance(event, Finished):
            assert count == DECODED
    return (DECODED - 1) / (time.perf_counter() - first), first - began


def _starts(variant: str) -> dict[str, float]:
    """Seconds of a new process until its first token: with nothing converted yet, then with everything there."""
    with tempfile.TemporaryDirectory() as empty:
        cold, warm = (_first_token(Path(empty), variant) for _ in range(2))
    return {"first_start": round(cold, 2), "later_start": round(warm, 2)}


def _first_token(folder: Path, variant: str) -> float:
    command = [sys.executable, "-c", FIRST_TOKEN, str(folder / "cache"), str(folder / "home"), variant]
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "first\n"
        return time.perf_counter() - began


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=1))
