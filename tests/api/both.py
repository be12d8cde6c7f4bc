"""The scripted engine behind the real HTTP API: on the node that is asked, and on a peer of it over QUIC."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from mycellm_proto.nodeid import encode_node_id
from reference_node.api import ApiServer
from reference_node.config import resolve
from reference_node.identity import load_or_create
from reference_node.scripted import ScriptedEngine
from tests.node.watched import WatchedNode

from .conftest import Served

if TYPE_CHECKING:
    from pathlib import Path

LOCAL, REMOTE = "local", "remote"


async def start_node(
    stack: AsyncExitStack, home: Path, engine: ScriptedEngine | None = None, **flags: str
) -> tuple[WatchedNode, Any, bytes]:
    home.mkdir(mode=0o700, parents=True)  # noqa: ASYNC240 - a test's own folder
    given = {"home": str(home), "quic": "127.0.0.1:0", "api": "127.0.0.1:0", "no_model": "true"} | flags
    settings = resolve({name: (value,) for name, value in given.items()}, {}).settings
    identity = load_or_create(home)
    node = await WatchedNode.start(settings, identity, engine)
    stack.push_async_callback(node.aclose)
    return node, settings, identity.node_id


async def serve_scripted(stack: AsyncExitStack, home: Path, where: str, key: str | None = None, **flags: str) -> Served:
    """An API whose model ``scripted`` is on its own node, or on a peer."""
    if where == LOCAL:
        node, settings, _ = await start_node(stack, home / "a", ScriptedEngine(), **flags)
    else:
        provider, _, node_id = await start_node(stack, home / "b", ScriptedEngine())
        peer = f"{encode_node_id(node_id)}@{provider.health()['quic']}"
        node, settings, _ = await start_node(stack, home / "a", None, peer=peer, **flags)
        await node.until(lambda: node.catalog.find("scripted") is not None)
    server = await ApiServer.start(node, settings, key)
    stack.push_async_callback(server.aclose, 0)
    return Served(server=server, node=node, key=key)  # type: ignore[arg-type]  # a node, and no fake
