from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import openai
import pytest

from reference_node.api import ApiServer
from reference_node.config import Settings, resolve

from .fakes import FakeNode, Script, Scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@dataclass
class Reply:
    """An HTTP answer as it came over the socket."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]

    @property
    def events(self) -> list[str]:
        return [block.removeprefix("data: ") for block in self.body.decode().split("\n\n") if block]


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = b""
    if headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    elif "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    return Reply(status=int(head[0].split()[1]), headers=headers, body=body)


def encode(method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Served:
    """A running API."""

    server: ApiServer
    node: FakeNode
    key: str | None
    clients: list[openai.AsyncOpenAI] = field(default_factory=list)

    @property
    def where(self) -> str:
        return str(self.server.address)

    @property
    def model(self) -> Scripted:
        return self.node.generators[0]

    def play(self, script: Script) -> None:
        self.model.script = script

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.server.address.port)

    async def ask(self, method: str, path: str, body: bytes | object = b"", **headers: str) -> Reply:
        """One request on a connection of its own. ``headers`` write _ for -; an empty value leaves a header out."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"host": self.where, "content-length": str(len(raw))}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        reader, writer = await self.connect()
        try:
            writer.write(encode(method, path, raw, {name: value for name, value in sent.items() if value}))
            return await read_reply(reader)
        finally:
            writer.close()
            await writer.wait_closed()

    async def chat(self, **fields: object) -> Reply:
        body: dict[str, object] = {"model": "fake-chat", "messages": [{"role": "user", "content": "Hi"}]}
        return await self.ask("POST", "/v1/chat/completions", body | fields)

    def sdk(self) -> openai.AsyncOpenAI:
        client = openai.AsyncOpenAI(base_url=f"http://{self.where}/v1", api_key=self.key or "none", max_retries=0)
        self.clients.append(client)
        return client


class Starter:
    """Starts APIs and ends them with the test."""

    def __init__(self, home: Path) -> None:
        flags = {"home": (str(home),), "api": ("127.0.0.1:0",), "model": ("fake-chat",)}
        self.settings = resolve(flags, {}).settings
        self.running: list[Served] = []

    async def __call__(self, node: FakeNode | None = None, *, key: str | None = None, **changes: Any) -> Served:
        settings: Settings = replace(self.settings, **changes)
        node = node or FakeNode()
        served = Served(server=await ApiServer.start(node, settings, key), node=node, key=key)
        self.running.append(served)
        return served

    async def aclose(self) -> None:
        for served in self.running:
            for client in served.clients:
                await client.close()
            await served.server.aclose(0)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Starter]:
    starter = Starter(tmp_path / "home")
    yield starter
    await starter.aclose()


@pytest.fixture
async def api(start: Starter) -> Served:
    return await start()


@pytest.fixture(params=["local", "remote"])
async def scripted(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Served]:
    """The API with the scripted engine, on this node and on a peer over QUIC: every test runs on both."""
    from .both import serve_scripted

    async with AsyncExitStack() as stack:
        served = await serve_scripted(stack, tmp_path, request.param, default_model="scripted")
        yield served
        for client in served.clients:
            await client.close()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What a test opens is closed after it."""
    async with AsyncExitStack() as stack:
        yield stack
