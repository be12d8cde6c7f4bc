"""Handlers that remember, and endpoints that are closed after the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from reference_node.quic import Endpoint, Link, LinkHandler

DEADLINE = 10
"""Seconds that a test waits for anything at most; none waits that long unless it fails."""


class Recorder:
    """A handler that keeps what it hears, and can act on it."""

    def __init__(self, on_ready: Callable[[Link], None] | None = None) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.link: Link | None = None
        self.binding = b""
        self.received: dict[int, bytearray] = {}
        self.on_ready = on_ready
        self.on_data: Callable[[Link, int, bytes, bool], None] | None = None
        self._changed = asyncio.Event()

    def link_ready(self, link: Link, binding: bytes) -> None:
        self.link, self.binding = link, binding
        self._note("ready")
        if self.on_ready is not None:
            self.on_ready(link)

    def stream_data(self, stream_id: int, data: bytes, fin: bool) -> None:
        self.received.setdefault(stream_id, bytearray()).extend(data)
        self._note("data", stream_id, fin)
        if self.on_data is not None:
            assert self.link is not None
            self.on_data(self.link, stream_id, data, fin)

    def stream_reset(self, stream_id: int, code: int) -> None:
        self._note("reset", stream_id, code)

    def stop_sending(self, stream_id: int, code: int) -> None:
        self._note("stop", stream_id, code)

    def link_closed(self, code: int, by_peer: bool) -> None:
        self._note("closed", code, by_peer)

    @property
    def kinds(self) -> list[object]:
        return [call[0] for call in self.calls]

    def has(self, stream_id: int, data: bytes) -> bool:
        """Whether exactly ``data`` has come on a stream."""
        return bytes(self.received.get(stream_id, b"")) == data

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def ready(self) -> Link:
        await self.until(lambda: self.link is not None or "closed" in self.kinds)
        assert self.link is not None, self.calls
        return self.link

    async def closed(self) -> tuple[object, ...]:
        await self.until(lambda: "closed" in self.kinds)
        assert self.kinds.count("closed") == 1
        assert self.kinds[-1] == "closed"
        return self.calls[-1][1:]

    def _note(self, *call: object) -> None:
        self.calls.append(call)
        self._changed.set()


class Host:
    """An endpoint and the handlers of what it accepted."""

    def __init__(self, make: Callable[[], LinkHandler | None] | None = None) -> None:
        self.accepted: list[Recorder] = []
        self._make = make
        self._came = asyncio.Event()
        self.endpoint: Endpoint

    def accept(self) -> LinkHandler | None:
        if self._make is not None:
            return self._make()
        self.accepted.append(Recorder())
        self._came.set()
        return self.accepted[-1]

    async def accepted_number(self, count: int) -> None:
        async with asyncio.timeout(DEADLINE):
            while len(self.accepted) < count:
                self._came.clear()
                await self._came.wait()

    def dial(self, other: Host, handler: Recorder | None = None) -> Recorder:
        handler = handler or Recorder()
        self.endpoint.dial(*other.endpoint.address, handler)
        return handler

    async def link_to(self, other: Host) -> tuple[Recorder, Recorder]:
        """Both handlers of a new connection, ready and past the handshake."""
        dialled = self.dial(other)
        link = await dialled.ready()
        answering = other.accepted[-1]
        link.write(2, b"first", True)
        await answering.until(lambda: 2 in answering.received)
        return dialled, answering


@asynccontextmanager
async def host(
    address: str = "127.0.0.1", *, accept: Callable[[], LinkHandler | None] | None = None
) -> AsyncIterator[Host]:
    made = Host(accept)
    made.endpoint = await Endpoint.open(address, 0, made.accept)
    try:
        yield made
    finally:
        await made.endpoint.aclose()


@asynccontextmanager
async def two_hosts() -> AsyncIterator[tuple[Host, Host]]:
    async with host() as one, host() as other:
        yield one, other


def state_of(endpoint: Endpoint) -> int:
    """How many entries an endpoint keeps for its connections, in all its tables."""
    tables = (endpoint._routes, endpoint._links, endpoint._half_open, endpoint._closing, endpoint._marked)
    return sum(len(table) for table in tables)
