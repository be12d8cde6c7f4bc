"""An engine over a runner without a model, prompts of which every token is known, and a hand on its steps."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tokenizers import Tokenizer, decoders, models

from reference_node.engine import Device, Engine
from reference_node.engine.preparation import Preparation
from reference_node.generation import ModelInfo
from reference_node.models import GenerationDefaults, GraphIo, Manifest
from tests.engine.fake import VOCABULARY, FakeRunner

MANIFEST = Manifest(
    id="m", variant="fp32", owner="o", license="l", source="00", exporter="e", io=GraphIo.POOLED, graph="g",
    context_length=4096, layers=1, kv_heads=1, head_size=1, vocabulary=VOCABULARY, end_tokens=(900,), bos_token="",
    eos_token="", chat_template="{{ messages[0].content }}", generation=GenerationDefaults(), files=(),
)  # fmt: skip
INFO = ModelInfo(id="m", digest=bytes(32), context_length=1024, owner="o", created=0)


def word_tokenizer() -> Tokenizer:
    """Token n is the character 0x4e00 + n, so that a prompt of n characters is n tokens."""
    vocabulary = {chr(0x4E00 + i): i for i in range(VOCABULARY)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def preparation() -> Preparation:
    tokenizer = word_tokenizer()
    return Preparation(MANIFEST, tokenizer, tokenizer.to_str())


def prompt(*tokens: int) -> str:
    return "".join(chr(0x4E00 + token) for token in tokens)


@asynccontextmanager
async def engine(
    runner: FakeRunner,
    *,
    queue_limit: int = 8,
    clock: Callable[[], float] = lambda: 0.0,
    prefix_cache: bool = True,
) -> AsyncIterator[Engine]:
    made = Engine(
        INFO, MANIFEST, preparation(), runner, device=Device.CPU, queue_limit=queue_limit, clock=clock,
        prefix_cache=prefix_cache,
    )  # fmt: skip
    try:
        yield made
    finally:
        await made.aclose()


class Gate:
    """Holds a runner's calls until it is opened."""

    def __init__(self) -> None:
        self._entered, self._open = asyncio.Event(), threading.Event()
        self._loop = asyncio.get_running_loop()

    def block(self) -> None:
        self._loop.call_soon_threadsafe(self._entered.set)
        assert self._open.wait(30)

    async def entered(self) -> None:
        await asyncio.wait_for(self._entered.wait(), 30)

    def open(self) -> None:
        self._open.set()


class held:  # noqa: N801  it reads as a statement
    def __init__(self, runner: FakeRunner) -> None:
        self._runner, self._gate = runner, Gate()

    def __enter__(self) -> Gate:
        self._runner.before = self._gate.block
        return self._gate

    def __exit__(self, *_error: object) -> None:
        self._runner.before = lambda: None
        self._gate.open()
