"""A scripted model behind the real HTTP stack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mycellm_proto.content import Content, FinishReason, Operation
from mycellm_proto.features import FEATURES
from reference_node.generation import Abilities, Delta, Event, Finished, Generator, ModelInfo, Started

Script = Callable[[Any], AsyncGenerator[Event, None]]


EVERYTHING = Abilities(operations=frozenset(Operation), parameters=frozenset(FEATURES))


def info(model_id: str = "fake-chat", context: int = 2048) -> ModelInfo:
    return ModelInfo(
        id=model_id,
        digest=bytes(32),
        context_length=context,
        owner="tests",
        created=1_700_000_000,
        abilities=EVERYTHING,
    )


async def hello(_request: Content) -> AsyncGenerator[Event, None]:
    """Five tokens in, "Hello, world" in three tokens and an end-of-text out."""
    yield Started(input_tokens=5)
    for text in ("Hel", "", "lo, world"):
        yield Delta(text=text, tokens=1)
    yield Finished(reason=FinishReason.STOP, input_tokens=5, output_tokens=4)


def ends(reason: FinishReason, *texts: str) -> Script:
    async def script(_request: Content) -> AsyncGenerator[Event, None]:
        yield Started(input_tokens=5)
        for text in texts:
            yield Delta(text=text, tokens=1)
        yield Finished(reason=reason, input_tokens=5, output_tokens=len(texts))

    return script


def raises(error: Exception, *texts: str, started: bool = True) -> Script:
    async def script(_request: Content) -> AsyncGenerator[Event, None]:
        if started:
            yield Started(input_tokens=5)
        for text in texts:
            yield Delta(text=text, tokens=1)
        raise error

    return script


class Endless:
    """Says its texts, then nothing more; knows whether it was closed."""

    def __init__(self, *texts: str, started: bool = True) -> None:
        self.texts = texts
        self.started = started
        self.silent = asyncio.Event()
        self.closed = asyncio.Event()

    async def __call__(self, _request: Content) -> AsyncGenerator[Event, None]:
        try:
            if self.started:
                yield Started(input_tokens=5)
            for text in self.texts:
                yield Delta(text=text, tokens=1)
            self.silent.set()
            await asyncio.Event().wait()
        finally:
            self.closed.set()


@dataclass
class Scripted:
    """A generator that follows a script and keeps what it was asked."""

    script: Script = hello
    info: ModelInfo = field(default_factory=info)
    requests: list[Any] = field(default_factory=list)

    def generate(self, request: Content) -> AsyncGenerator[Event, None]:
        self.requests.append(request)
        return self.script(request)


@dataclass
class FakeNode:
    """A node with scripted models; the first is the default one."""

    generators: list[Scripted] = field(default_factory=lambda: [Scripted()])
    is_ready: bool = True
    status: str = "ok"
    quic: str = "127.0.0.1:7420"
    owners: list[bytes | None] = field(default_factory=list)

    @property
    def catalog(self) -> FakeNode:
        return self

    def models(self) -> Sequence[ModelInfo]:
        return [generator.info for generator in self.generators]

    def find(self, model_id: str, owner: bytes | None = None) -> Generator | None:
        self.owners.append(owner)
        return next((generator for generator in self.generators if generator.info.id == model_id), None)

    def ready(self) -> bool:
        return self.is_ready

    def health(self) -> dict[str, object]:
        peer = {"node_id": "myc1peer", "address": "127.0.0.1:1", "state": "connected", "models": [], "latency_ms": 1.5}
        return {
            "status": self.status,
            "progress": {"stage": "convert", "done": 1, "total": 4, "detail": "fake"},
            "node_id": "myc1fake",
            "quic": self.quic,
            "models": [generator.info.id for generator in self.generators],
            "peers": [peer],
        }
