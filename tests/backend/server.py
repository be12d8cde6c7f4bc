"""An OpenAI-compatible server in process that does exactly what a test says, byte by byte."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

Answer = AsyncIterator[bytes]

WORDS = ("Hello", ", ", "world")
READ = 7


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


def head(status: int = 200, kind: str = "application/json", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Status", f"content-type: {kind}", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def piece(finish: str | None = None, usage: dict[str, Any] | None = None, **delta: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event({"object": "chat.completion.chunk", "choices": [choice], "usage": usage})


def usage(read: int = READ, written: int = len(WORDS) + 1) -> bytes:
    return event({"choices": [], "usage": {"prompt_tokens": read, "completion_tokens": written}})


DONE = b"data: [DONE]\n\n"
STREAM = head(200, "text/event-stream; charset=utf-8")


async def said(*pieces: bytes) -> Answer:
    for each in pieces:
        yield each


def streamed(*pieces: bytes) -> Answer:
    return said(STREAM, *pieces)


def whole(value: object, status: int = 200, **headers: str) -> Answer:
    return said(head(status, **headers), json.dumps(value).encode())


def counts(asked: Asked) -> bool:
    return bool(asked.body["max_tokens"] == 1)


def plain(asked: Asked) -> Answer:
    if counts(asked):
        return streamed(piece(content="H", finish="length"), usage(written=1), DONE)
    words = [piece(content=word) for word in WORDS]
    return streamed(piece(role="assistant", content=""), *words, piece(finish="stop"), usage(), DONE)


class Server:
    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.models: list[dict[str, Any]] = [{"id": "big", "object": "model", "owned_by": "x", "max_model_len": 4096}]
        self.answer: Callable[[Asked], Answer] = plain
        self.listing: Callable[[Asked], Answer] = lambda _: whole({"object": "list", "data": self.models})
        self.left = asyncio.Event()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def posts(self) -> list[Asked]:
        return [each for each in self.asked if each.method == "POST"]

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, path, _ = lines[0].split(" ")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            asked = Asked(method, path, headers, json.loads(body) if body else None)
            self.asked.append(asked)
            answer = self.listing(asked) if path == "/v1/models" else self.answer(asked)
            gone = asyncio.ensure_future(self._watch(reader))
            async for each in answer:
                writer.write(each)
                await writer.drain()
            gone.cancel()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()

    async def _watch(self, reader: asyncio.StreamReader) -> None:
        if not await reader.read(1):
            self.left.set()
