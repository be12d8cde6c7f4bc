"""The far side of `bench_http`: the node's HTTP layer over a generator that costs nothing, or uvicorn alone.

``node`` serves a real `ApiServer`, whose answers are made of ready tokens. ``raw FILE`` serves the events and the body
in that file, which the node wrote before. Says its port in a JSON line, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import uvicorn

from mycellm_proto.content import ChatRequest, FinishReason
from reference_node.api import ApiServer
from reference_node.config import resolve
from reference_node.generation import Delta, Event, Finished, Started
from tests.api.fakes import FakeNode, Scripted

MODEL = "fake-chat"
WORD = "four"


async def tokens(request: ChatRequest) -> AsyncGenerator[Event, None]:
    """As many tokens as are asked for less one; they are there at once, but others run between them, as in life."""
    yield Started(input_tokens=5)
    token = Delta(text=WORD, tokens=1)
    for _ in range(request.max_tokens - 1):
        await asyncio.sleep(0)
        yield token
    yield Finished(reason=FinishReason.STOP, input_tokens=5, output_tokens=request.max_tokens)


class Raw:
    """An application of nothing but the server's own work: the same events, one a write, and the same body."""

    def __init__(self, events: list[str], body: str) -> None:
        self._events = [event.encode() for event in events]
        self._body = body.encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        asked = b""
        while (message := await receive()).get("more_body"):
            asked += message["body"]
        asked += message["body"]
        if b'"stream": true' not in asked:
            await self._start(send, b"application/json", [(b"content-length", str(len(self._body)).encode())])
            await send({"type": "http.response.body", "body": self._body})
            return
        await self._start(send, b"text/event-stream; charset=utf-8", [])
        for event in self._events:
            await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _start(self, send: Any, kind: bytes, more: list[tuple[bytes, bytes]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind), *more]})


async def _node() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = resolve({"home": (folder,), "api": ("127.0.0.1:0",), "model": (MODEL,)}, {}).settings
        server = await ApiServer.start(FakeNode([Scripted(tokens)]), settings, None)
        print(json.dumps({"port": server.address.port}), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await server.aclose(0)


async def _raw(recorded: dict[str, Any]) -> None:
    # with the protocol's number, without which asyncio would not turn Nagle's algorithm off
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        config = uvicorn.Config(Raw(**recorded), log_level="error", access_log=False, http="h11", lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listening]))
        print(json.dumps({"port": listening.getsockname()[1]}), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        server.should_exit = True
        await serving


if __name__ == "__main__":
    asyncio.run(_node() if sys.argv[1] == "node" else _raw(json.loads(Path(sys.argv[2]).read_text())))
