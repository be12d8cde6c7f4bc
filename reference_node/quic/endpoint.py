"""One UDP socket that dials and accepts QUIC connections."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Self, cast

from mycellm_proto.errors import ErrorCode

from . import addresses, limits
from .addresses import SocketAddress
from .faults import log_fault
from .gate import Gate, Newcomer, destination
from .handler import LinkHandler
from .link import Link
from .session import Credentials

Accept = Callable[[], LinkHandler | None]


class Endpoint(asyncio.DatagramProtocol):
    """All links of one socket. Made by `open`; everything runs on the event loop's thread."""

    @classmethod
    async def open(cls, host: str, port: int, accept: Accept) -> Self:
        """Listen on ``host`` (an address or name; ``::`` takes IPv4 too) and UDP ``port`` (0 for any free one).

        ``accept`` is called for each new incoming connection; None refuses it. Raises `OSError`, as for a port in use.
        """
        loop = asyncio.get_running_loop()
        sock = addresses.bind(host, port)
        _, endpoint = await loop.create_datagram_endpoint(lambda: cls(loop, sock, accept), sock=sock)
        return endpoint

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, accept: Accept) -> None:
        self.loop = loop
        self.address: tuple[str, int] = addresses.readable(sock.getsockname())
        """Where this endpoint listens: the port is the real one."""
        self._sock = sock
        self._accept = accept
        self._gate = Gate()
        self._credentials = Credentials()
        self._transport: asyncio.DatagramTransport | None = None
        self._socket_full = False
        self._is_open = True
        self._lost: asyncio.Future[None] = loop.create_future()
        self._routes: dict[bytes, Link] = {}
        self._links: set[Link] = set()
        self._half_open: set[Link] = set()
        self._closing: dict[Link, None] = {}
        self._marked: dict[Link, None] = {}
        self._flush_is_due = False

    # For the protocol

    def dial(self, host: str, port: int, handler: LinkHandler) -> Link:
        """Open a connection to a numeric address (`resolve` gives one); ``handler`` hears what becomes of it.

        Raises `ValueError` for an address that this socket cannot reach, and `OSError` where the endpoint is closed or
        has `limits.MAX_LINKS` links.
        """
        address = addresses.numeric(host, port, self._sock)
        if not self._is_open:
            raise OSError(errno.EBADF, "the endpoint is closed")
        if len(self._links) >= limits.MAX_LINKS:
            raise OSError(errno.ENOBUFS, "the endpoint has as many links as it can")
        session = self._credentials.initiate()
        link = Link(self, session, address, is_initiator=True)
        self._adopt(link, handler, session.connection.host_cid)
        self.mark(link)
        return link

    async def resolve(self, host: str, port: int) -> tuple[str, int]:
        """The first numeric address of ``host`` that this endpoint can reach, and ``port``.

        Raises `OSError` where there is none, `TimeoutError` after `limits.RESOLVE_DEADLINE`.
        """
        return await addresses.resolve(host, port, self._sock)

    async def aclose(self) -> None:
        """Close all links (SHUTTING_DOWN) and the socket, within `limits.ACLOSE_DEADLINE`. May be called again."""
        self._is_open = False
        for link in self._links:
            link.shut(ErrorCode.SHUTTING_DOWN)
        self._flush()
        for link in (*self._links, *self._closing):
            self.forget(link)
        if self._transport is not None:
            self._transport.close()
            try:
                async with asyncio.timeout(limits.ACLOSE_DEADLINE):
                    await asyncio.shield(self._lost)
            except TimeoutError:
                self._transport.abort()

    # For the links

    def send(self, datagram: bytes, address: SocketAddress) -> None:
        """Put a datagram on the wire, or drop it while the socket is full."""
        if self._transport is not None and not self._socket_full:
            self._transport.sendto(datagram, address)

    def mark(self, link: Link) -> None:
        """``link`` has something to send or to end: soon, after the tasks that are woken in this turn of the loop.

        So what they answer to a datagram leaves with its acknowledgement, and nobody waits for that to be written.
        """
        self._marked[link] = None
        if not self._flush_is_due:
            self._flush_is_due = True
            self.loop.call_soon(self._flush)

    def route(self, cid: bytes, link: Link) -> None:
        """Datagrams for ``cid`` are ``link``'s."""
        self._routes[cid] = link
        link.routes.add(cid)

    def unroute(self, cid: bytes, link: Link) -> None:
        """The peer does not use ``cid`` any more."""
        self._routes.pop(cid, None)
        link.routes.discard(cid)

    def established(self, link: Link) -> None:
        """TLS is complete on ``link``."""
        self._half_open.discard(link)

    def ended(self, link: Link) -> None:
        """``link`` is over; QUIC's closing period begins."""
        self._links.discard(link)
        self._half_open.discard(link)
        self._closing[link] = None
        if len(self._closing) > limits.MAX_CLOSING:
            self.forget(next(iter(self._closing)))

    def forget(self, link: Link) -> None:
        """Nothing of ``link`` is needed any more."""
        link.stop_timers()
        for cid in link.routes:
            self._routes.pop(cid, None)
        link.routes.clear()
        self._links.discard(link)
        self._closing.pop(link, None)
        self._marked.pop(link, None)

    # asyncio.DatagramProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ready."""
        self._transport = cast(asyncio.DatagramTransport, transport)
        cast(asyncio.WriteTransport, transport).set_write_buffer_limits(high=limits.SEND_QUEUE)

    def datagram_received(self, data: bytes, addr: SocketAddress) -> None:
        """One datagram, from anybody."""
        link = self._routes.get(destination(data))
        if link is not None:
            link.receive(data, addr, self.loop.time())
        else:
            self._receive_unknown(data, addr)

    def error_received(self, exc: Exception) -> None:
        """ICMP errors can be forged by anybody, and QUIC's own timers notice a peer that is gone."""

    def pause_writing(self) -> None:
        """`limits.SEND_QUEUE` is reached."""
        self._socket_full = True

    def resume_writing(self) -> None:
        """The queue has drained."""
        self._socket_full = False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone, by `aclose` or by an error that the system does not recover from."""
        self._is_open = False
        self._transport = None
        for link in self._links:
            link.abandon()
        self._flush()
        if not self._lost.done():
            self._lost.set_result(None)

    # Newcomers

    def _receive_unknown(self, datagram: bytes, address: SocketAddress) -> None:
        if not self._is_open:
            return
        crowded = len(self._half_open) >= limits.RETRY_THRESHOLD
        verdict = self._gate.judge(datagram, address, crowded=crowded, now=self.loop.time())
        if isinstance(verdict, Newcomer):
            self._welcome(verdict, datagram, address)
        elif verdict is not None:
            self.send(verdict, address)

    def _welcome(self, newcomer: Newcomer, datagram: bytes, address: SocketAddress) -> None:
        if len(self._links) >= limits.MAX_LINKS:
            self.send(newcomer.refusal(), address)
            return
        if not self._has_room_for_half_open(address[0]):
            return  # the initiator will try again by itself
        session = self._credentials.respond(newcomer.original_destination, newcomer.retry_source)
        link = Link(self, session, address, is_initiator=False)
        now = self.loop.time()
        link.feed(datagram, address, now)
        if not link.is_authentic:
            return
        handler = self._ask()
        if handler is None:
            link.refuse(now)
            return
        self._half_open.add(link)
        self._adopt(link, handler, newcomer.header.destination_cid, session.connection.host_cid)
        link.pump(ErrorCode.INTERNAL)

    def _has_room_for_half_open(self, host: str) -> bool:
        same_host = sum(1 for link in self._half_open if link.first_address[0] == host)
        return len(self._half_open) < limits.MAX_HALF_OPEN and same_host < limits.MAX_HALF_OPEN_PER_HOST

    def _ask(self) -> LinkHandler | None:
        try:
            return self._accept()
        except Exception as error:  # noqa: BLE001 - the endpoint outlives a bug in its owner
            log_fault("accept failed", error, {})
            return None

    def _adopt(self, link: Link, handler: LinkHandler, *cids: bytes) -> None:
        self._links.add(link)
        for cid in cids:
            self.route(cid, link)
        link.begin(handler)

    # Sending

    def _flush(self) -> None:
        """Let every marked link send. Links that are marked by a `link_closed` meanwhile have the next loop turn."""
        self._flush_is_due = False
        marked, self._marked = self._marked, {}
        for link in marked:
            link.transmit(self.loop.time())
