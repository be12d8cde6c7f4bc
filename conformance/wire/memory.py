"""Links to a node in the same process: what one side writes is what the other reads, in the loop's next turn."""

from __future__ import annotations

import asyncio
from typing import Any

from conformance.honest.connection import Connection
from conformance.honest.node import ALPN, Node

from .link import DEADLINE, GoneError, Link, Listening, Manner, OverdueError, Recorder

_REFUSED = 0x100 + 120
"""TLS alert no_application_protocol as a QUIC error (RFC 9001 section 4.8)."""


class MemoryLink(Link):
    """A link whose carrier is a function call."""

    connection: Connection

    def deliver(self, what: Any, **details: Any) -> None:
        """The node did something."""
        if not self.over:
            self._took(what, **details)

    def opened(self, binding: bytes) -> None:
        """The channel binding is there."""
        self._opened(binding)

    def release(self) -> None:
        """Nothing is held."""
        self.connection.lost()

    def _send(self, stream: int, data: bytes, fin: bool) -> None:
        self._later(self.connection.received, stream, data, fin)

    def _reset(self, stream: int, code: int) -> None:
        self._later(self.connection.was_reset, stream)

    def _stop(self, stream: int, code: int) -> None:
        self._later(self.connection.was_reset, stream)

    def _close(self, code: int, reason: str) -> None:
        self._later(self.connection.lost)

    def _later(self, action: Any, *arguments: Any) -> None:
        asyncio.get_running_loop().call_soon(action, *arguments)


class MemoryPort:
    """The node's side of a memory link."""

    def __init__(self, link: MemoryLink) -> None:
        self._link = link

    def write(self, stream: int, data: bytes, fin: bool = False) -> None:
        """Bytes of a stream."""
        self._link.deliver("data", stream=stream, data=data, fin=fin)

    def reset(self, stream: int, code: int = 0) -> None:
        """RESET_STREAM."""
        self._link.deliver("reset", stream=stream, code=code)

    def stop(self, stream: int, code: int = 0) -> None:
        """STOP_SENDING."""
        self._link.deliver("stop", stream=stream, code=code)

    def close(self, code: int, reason: str = "") -> None:
        """CONNECTION_CLOSE of the application."""
        self._link.deliver("close", code=code, facts={"layer": "application", "reason": reason})

    def ping(self) -> None:
        """PING."""
        self._link.deliver("transport", facts={"ping": True})


class MemoryListening(Listening):
    """A place where nodes in this process dial the suite."""

    def __init__(self, recorder: Recorder, address: str, manner: Manner) -> None:
        self.address = address
        self._manner = manner
        self._tickets = False
        self._recorder = recorder
        self._arrived: asyncio.Queue[MemoryLink] = asyncio.Queue()
        self._closed = False

    def arrive(self, node: Node, connection: type[Connection], expected: bytes | None) -> Connection | None:
        """``node`` dials: its side of the connection, if anybody listens."""
        if self._closed or (self._manner is Manner.ODD_CERTIFICATE and node.distrusts_certificates):
            return None
        link = MemoryLink(self._recorder, initiates=False)
        binding = node.entropy.take(32)
        link.connection = connection(node, MemoryPort(link), binding, expected)
        link.deliver("transport", facts=node.client_hello(resumes=self._tickets))
        self._tickets = self._manner is Manner.TICKETS
        link.opened(binding)
        link.connection.opened()
        self._arrived.put_nowait(link)
        return link.connection

    async def accept(self, within: float = DEADLINE) -> MemoryLink:
        """The next connection that a node dialed. Raises `OverdueError`."""
        try:
            async with asyncio.timeout(within):
                return await self._arrived.get()
        except TimeoutError:
            raise OverdueError("a connection of the target") from None

    def close(self) -> None:
        """Listen no more."""
        self._closed = True


def dial(recorder: Recorder, node: Node, connection: type[Connection], *, alpn: str = ALPN) -> MemoryLink:
    """A connection to ``node``, which responds. Raises `GoneError` for another protocol than ``alpn``."""
    link = MemoryLink(recorder, initiates=True)
    binding = node.entropy.take(32)
    link.connection = connection(node, MemoryPort(link), binding)
    refused = node.refuses(alpn)
    if refused:
        link.deliver("close", code=_REFUSED, facts={"layer": "transport", "reason": ""})
        raise GoneError
    link.deliver("transport", facts=node.transport(alpn))
    link.opened(binding)
    link.connection.opened()
    return link
