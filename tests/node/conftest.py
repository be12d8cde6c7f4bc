"""Two nodes in one process, joined by real QUIC on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from mycellm_proto.nodeid import encode_node_id
from reference_node.config import resolve
from reference_node.generation import Generator
from reference_node.identity import Identity, load_or_create

from .watched import WatchedNode

StartNode = Callable[..., Awaitable[tuple[WatchedNode, Identity]]]


@pytest.fixture
async def start_node(tmp_path: Path) -> AsyncIterator[StartNode]:
    """Starts a node with a home of its own; ``peers`` are nodes to use. All are closed at the end."""
    async with AsyncExitStack() as stack:

        async def start(
            name: str,
            engine: Generator | None = None,
            peers: tuple[tuple[WatchedNode, Identity], ...] = (),
            **flags: str,
        ) -> tuple[WatchedNode, Identity]:
            home = tmp_path / name
            home.mkdir(mode=0o700, exist_ok=True)
            given: dict[str, tuple[str, ...]] = {"home": (str(home),), "quic": ("127.0.0.1:0",), "no_model": ("true",)}
            targets = tuple(f"{encode_node_id(who.node_id)}@{node.health()['quic']}" for node, who in peers)
            given |= {key: (value,) for key, value in flags.items()} | ({"peer": targets} if targets else {})
            identity = load_or_create(home)
            node = await WatchedNode.start(resolve(given, {}).settings, identity, engine)
            stack.push_async_callback(node.aclose)
            return node, identity

        yield start
