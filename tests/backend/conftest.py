"""A backend that answers as told, and a node that names it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mycellm_proto.content import ChatRequest, Message, Role
from reference_node.backend import Backend, BackendState, ProxiedModel
from reference_node.config import Settings, resolve
from reference_node.engine import LOCAL_OWNER
from reference_node.generation import Event

from .server import Server

KEY = "key-of-the-cluster"


class Watched:
    """A `Backend` under watch, and what it told."""

    def __init__(self, settings: Settings) -> None:
        self.changes = 0
        self._told = asyncio.Event()
        self.backend = Backend(settings, self._changed)
        self.task = asyncio.create_task(self.backend.watch())

    def _changed(self) -> None:
        self.changes += 1
        self._told.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not holds():
                self._told.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):  # states change without a word as well
                        await self._told.wait()

    async def model(self, name: str = "big", owner: bytes = LOCAL_OWNER) -> ProxiedModel:
        await self.until(lambda: self.backend.find(name, owner) is not None)
        found = self.backend.find(name, owner)
        assert found is not None
        return found

    async def down(self) -> str:
        await self.until(lambda: self.backend.status().state is BackendState.DOWN)
        return self.backend.status().detail


Watch = Callable[..., Awaitable[Watched]]


def ask(text: str = "Hi", **more: Any) -> ChatRequest:
    message = Message(role=Role.USER, content=text)
    return replace(ChatRequest(model="big", messages=(message,), max_tokens=64, deadline_ms=20_000), **more)


async def collect(model: Any, request: Any, into: list[Event] | None = None) -> list[Event]:
    """All events; ``into`` keeps those before an error."""
    events: list[Event] = [] if into is None else into
    async for event in model.generate(request):
        events.append(event)  # noqa: PERF401 - a comprehension would lose them
    return events


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def watch(server: Server, tmp_path: Path) -> AsyncIterator[Watch]:
    made: list[Watched] = []

    async def start(**flags: str | tuple[str, ...]) -> Watched:
        given = {"home": str(tmp_path), "backend": server.url} | flags
        texts = {name: value if isinstance(value, tuple) else (value,) for name, value in given.items()}
        settings = resolve(texts, {"MYCELLM_BACKEND_KEY": KEY}).settings
        made.append(Watched(settings))
        return made[-1]

    yield start
    for each in made:
        each.task.cancel()
        await asyncio.wait([each.task])
        await each.backend.aclose()
