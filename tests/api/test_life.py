"""The life of an exchange: disconnects, deadlines, silence, shutdown, limits. All on real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mycellm_proto.content import ChatRequest, FinishReason
from reference_node.api import ApiServer, PortInUseError, admission, exchange, server
from reference_node.config import parse_address
from reference_node.generation import Delta, Event, Finished, Started

from .conftest import Served, Starter, encode, read_reply
from .fakes import Endless, FakeNode, hello

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

BODY = json.dumps({"model": "fake-chat", "messages": [{"role": "user", "content": "Hi"}]}).encode()
STREAM = json.dumps({"model": "fake-chat", "messages": [{"role": "user", "content": "Hi"}], "stream": True}).encode()


async def begin(api: Served, body: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await api.connect()
    headers = {"host": api.where, "content-length": str(len(body))}
    writer.write(encode("POST", "/v1/chat/completions", body, headers))
    return reader, writer


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the connection ends without another byte, by an end or a reset."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("body", [BODY, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize("started", [True, False])
async def test_who_disconnects_stops_the_work(api: Served, body: bytes, started: bool) -> None:
    endless = Endless(started=started)
    api.play(endless)
    _, writer = await begin(api, body)
    await endless.silent.wait()
    assert not endless.closed.is_set()
    writer.close()
    await asyncio.wait_for(endless.closed.wait(), 5)


async def test_who_disconnects_amid_a_stream_stops_the_work(api: Served) -> None:
    endless = Endless("Hel", "lo")
    api.play(endless)
    reader, writer = await begin(api, STREAM)
    await reader.readuntil(b'"lo"')
    writer.close()
    await asyncio.wait_for(endless.closed.wait(), 5)


async def test_who_does_not_read_holds_the_work_back(api: Served) -> None:
    produced = 0

    async def flood(_request: ChatRequest) -> AsyncGenerator[Event, None]:
        nonlocal produced
        yield Started(input_tokens=1)
        while True:
            produced += 1
            yield Delta(text="x" * 10_000, tokens=1)

    api.play(flood)
    _, writer = await begin(api, STREAM)
    seen = -1
    while seen != produced:  # until the buffers between are full
        seen = produced
        for _ in range(200):
            await asyncio.sleep(0)
    assert produced < 10_000
    writer.close()


async def test_a_silent_stream_is_kept_alive(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "KEEP_ALIVE_S", 0.02)
    go_on = asyncio.Event()

    async def slow(_request: ChatRequest) -> AsyncGenerator[Event, None]:
        yield Started(input_tokens=5)
        await go_on.wait()
        yield Finished(reason=FinishReason.STOP, input_tokens=5, output_tokens=1)

    api.play(slow)
    reader, writer = await begin(api, STREAM)
    await reader.readuntil(b": keep-alive\n\n")
    await reader.readuntil(b": keep-alive\n\n")
    go_on.set()
    await reader.readuntil(b"data: [DONE]\n\n")
    writer.close()


@pytest.mark.parametrize("stream", [True, False])
async def test_a_deadline_ends_what_does_not_end_itself(
    api: Served, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    monkeypatch.setattr(exchange, "DEADLINE_GRACE_S", 0.0)
    for texts in ((), ("half",)):
        endless = Endless(*texts)
        api.play(endless)
        body = STREAM if stream else BODY
        reply = await api.ask("POST", "/v1/chat/completions", body, x_request_timeout_ms="50")
        if stream and texts:
            assert json.loads(reply.events[-1])["error"]["code"] == "deadline_exceeded"
        else:
            assert (reply.status, reply.error["code"]) == (504, "deadline_exceeded")
        assert endless.closed.is_set()


async def test_the_end_of_the_node_is_told(start: Starter) -> None:
    api = await start()
    endless = Endless("half")
    api.play(endless)
    reader, writer = await begin(api, STREAM)
    await reader.readuntil(b'"half"')
    await api.server.aclose(0)
    rest = (await reader.read()).decode()
    assert "shutting_down" in rest
    assert "[DONE]" not in rest
    assert endless.closed.is_set()
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await api.connect()


async def test_what_runs_may_finish_within_the_grace(start: Starter) -> None:
    api = await start()
    go_on = asyncio.Event()

    async def slow(_request: ChatRequest) -> AsyncGenerator[Event, None]:
        yield Started(input_tokens=5)
        yield Delta(text="half", tokens=1)
        await go_on.wait()
        yield Finished(reason=FinishReason.STOP, input_tokens=5, output_tokens=1)

    api.play(slow)
    reader, writer = await begin(api, STREAM)
    await reader.readuntil(b'"half"')
    kept_reader, kept_writer = await api.connect()  # a connection from before the end
    kept_writer.write(encode("GET", "/health", b"", {"host": api.where}))
    assert (await read_reply(kept_reader)).status == 200
    closing = asyncio.ensure_future(api.server.aclose(30))
    await asyncio.sleep(0)
    kept_writer.write(encode("POST", "/chat/completions", BODY, {"host": api.where, "content-length": str(len(BODY))}))
    refused = await read_reply(kept_reader)
    assert (refused.status, refused.error["code"]) == (503, "shutting_down")
    go_on.set()
    await reader.readuntil(b"data: [DONE]\n\n")
    await closing
    for each in (writer, kept_writer):
        each.close()


async def test_exchanges_are_bounded(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MAX_EXCHANGES", 1)
    api = await start()
    endless = Endless()
    api.play(endless)
    _, writer = await begin(api, BODY)
    await endless.silent.wait()
    reply = await api.chat()
    assert (reply.status, reply.headers["retry-after"]) == (429, "1")
    writer.close()
    await endless.closed.wait()
    for _ in range(3):  # a refused request gives its place back
        assert (await api.chat(n=0)).status == 400


async def test_the_memory_for_bodies_is_bounded(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MAX_HELD_BYTES", len(BODY) + 10)
    endless = Endless()
    api.play(endless)
    _, writer = await begin(api, BODY)
    await endless.silent.wait()
    assert (await api.chat()).status == 429
    writer.close()
    await endless.closed.wait()
    api.play(hello)
    for _ in range(2):
        assert (await api.ask("POST", "/chat/completions", BODY)).status == 200


async def test_a_head_that_does_not_come_is_given_up(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_TIMEOUT_S", 0.05)
    reader, writer = await api.connect()
    writer.write(b"GET /health HTTP/1.1\r\nho")
    assert await ended(reader)
    writer.close()


async def test_a_head_has_a_deadline_on_a_kept_connection_too(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = await api.connect()
    monkeypatch.setattr(server, "HEAD_TIMEOUT_S", 0.05)
    writer.write(encode("GET", "/health", b"", {"host": api.where}))
    assert (await read_reply(reader)).status == 200
    writer.write(b"GET /health HTTP/1.1\r\nho")
    assert await ended(reader)
    writer.close()


async def test_an_answer_outlives_the_deadline_of_heads(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_TIMEOUT_S", 0.05)
    monkeypatch.setattr(exchange, "KEEP_ALIVE_S", 0.04)
    api.play(Endless())
    reader, writer = await begin(api, STREAM)
    for _ in range(4):
        await reader.readuntil(b": keep-alive\n\n")
    writer.close()


async def test_connections_are_bounded(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 1)
    _, first = await api.connect()
    reader, second = await api.connect()
    assert await ended(reader)
    for writer in (first, second):
        writer.close()


async def test_pipelined_requests_are_answered_in_order(api: Served) -> None:
    reader, writer = await api.connect()
    headers = {"host": api.where, "content-length": str(len(BODY))}
    writer.write(encode("POST", "/v1/chat/completions", BODY, headers) * 2)
    for _ in range(2):
        assert (await read_reply(reader)).json["choices"][0]["message"]["content"] == "Hello, world"
    writer.close()


async def test_a_taken_port_is_one_sentence(start: Starter) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = parse_address(f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(PortInUseError, match="another program listens there"):
            await ApiServer.start(FakeNode(), replace(start.settings, api=address), None)
