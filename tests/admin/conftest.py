"""The admin API of a node without QUIC, on the real HTTP stack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reference_node.admin import Drain, create_admin, drain_routes, model_routes, owner_routes
from reference_node.api import ApiServer
from reference_node.config import resolve
from reference_node.node.local import LocalModels
from reference_node.owner import Owner
from tests.api.conftest import Reply, Served
from tests.api.fakes import FakeNode

KEY = "mya-0123456789abcdef"


@dataclass
class Provider(FakeNode):
    """A node whose peers' requests are a number."""

    owner: Owner = field(kw_only=True)
    running: int = 0
    held: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def serve(self, requests: int) -> None:
        self.running = requests
        self.over.clear() if requests else self.over.set()

    def hold(self, held: bool) -> None:
        self.held = held

    async def idle(self) -> None:
        await self.over.wait()

    async def end_answers(self) -> int:
        ended = self.running
        self.serve(0)
        return ended


@dataclass
class Admin(Served):
    """A running API with the admin API in it."""

    home: Path = field(kw_only=True)
    provider: Provider = field(kw_only=True)
    drain: Drain | None = None
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        sent = {"authorization": f"Bearer {KEY}", "content_type": "application/json"}
        return await self.ask(method, f"/admin/v1{path}", b"" if body is None else body, **(sent | headers))

    async def controls(self) -> dict[str, Any]:
        return {name: each["value"] for name, each in (await self.call("GET", "/owner")).json["controls"].items()}


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Admin]:
    home = tmp_path / "home"
    settings = resolve({"home": (str(home),), "api": ("127.0.0.1:0",), "model": ("fake-chat",)}, {}).settings
    node = Provider(owner=Owner.open(settings))
    node.over.set()
    left, local = asyncio.Event(), LocalModels(settings, None, lambda: None)
    server = await ApiServer.start(
        node,
        settings,
        None,
        lambda exchanges: create_admin(
            KEY,
            [owner_routes(node.owner), model_routes(local), drain_routes(Drain(node, exchanges, left.set))],
        ),
    )
    yield Admin(server=server, node=node, key=None, home=home, provider=node, left=left)
    await server.aclose(0)
