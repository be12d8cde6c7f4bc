"""The far side of `bench_remote`, in a process of its own: a scripted provider, and a bare aioquic server.

Started with the sizes of the bare server as arguments; says where both listen in one JSON line, and ends when its
standard input does.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from mycellm_proto.nodeid import encode_node_id
from reference_node.config import resolve
from reference_node.generation import Generator
from reference_node.identity import load_or_create
from tests.node.scripted import Scripted
from tests.node.watched import WatchedNode

from .bare import Sizes, bare

WORD = "four"


async def start(home: Path, engine: Generator | None, *peers: str) -> tuple[WatchedNode, str]:
    """A node, and how others name it."""
    flags = {"home": (str(home),), "quic": ("127.0.0.1:0",), "no_model": ("true",), "peer": peers}
    identity = load_or_create(home)
    node = await WatchedNode.start(resolve(flags, {}).settings, identity, engine)
    return node, f"{encode_node_id(identity.node_id)}@{node.health()['quic']}"


async def _main(request: int, answer: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        provider, address = await start(Path(folder) / "provider", Scripted(words=(WORD,)))
        async with bare(Sizes(request=request, answer=answer)) as server:
            print(json.dumps({"provider": address, "bare": server.port}), flush=True)
            await asyncio.to_thread(sys.stdin.read)
        await provider.aclose()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2])))
