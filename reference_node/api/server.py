"""The HTTP server in the node's event loop: sockets, connection limits, start and end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from ..apikeys import KeyRing
from ..config import Address, Settings
from .admission import Exchanges
from .app import create_app
from .asking import Api
from .gate import Keys
from .metrics import Metrics
from .stored import Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

    from .view import NodeView

MAX_CONNECTIONS = 1024
"""Far more than the exchanges that can run, and far fewer than the files that a process may open."""
HEAD_TIMEOUT_S = 15.0
"""For a whole request head, on a new connection and on a kept one."""
KEEP_ALIVE_S = 15
"""How long an idle connection is kept."""
MAX_HEAD_BYTES = 64 * 1024
"""Of a request line and its headers."""
BACKLOG = 128
"""Connections that wait to be accepted."""
DATE_S = 1.0
"""How often the date header changes: its resolution."""
CLOSE_S = 2
"""How long the end waits for connections once the exchanges are over."""


class PortInUseError(Exception):
    """The API cannot listen where it was told. The message says what to do."""


class _Protocol(H11Protocol):
    """uvicorn's protocol with a bound on connections and a deadline on request heads, which it lacks."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        if len(self.connections) > MAX_CONNECTIONS:
            self.transport.abort()
            return
        self._arm()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._busy():
            self._disarm()

    def on_response_complete(self) -> None:
        self._arm()
        super().on_response_complete()
        if self._busy():  # a pipelined request has begun
            self._disarm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def _busy(self) -> bool:
        """Whether a request is being answered; uvicorn has no cycle before the first one, whatever its types say."""
        cycle: object = self.cycle
        return isinstance(cycle, RequestResponseCycle) and not cycle.response_complete

    def _arm(self) -> None:
        self._disarm()
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.abort)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class _Uvicorn(uvicorn.Server):
    """A server that leaves signals to the command line, says when it is up, and ends when it is told."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()
        self.over = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    async def main_loop(self) -> None:
        while not self.over.is_set():
            await self.on_tick(0)  # makes the date header
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.over.wait(), DATE_S)


def listen(address: Address) -> socket.socket:
    """A listening TCP socket. Raises `PortInUseError`."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
    except OSError as error:
        raise PortInUseError(f"The API cannot listen on {address}: {error.strerror}. Change --api.") from None
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(where)
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        taken = error.errno == errno.EADDRINUSE
        reason = "another program listens there" if taken else error.strerror
        hint = "Stop it, or choose another port with --api HOST:PORT (port 0: any free one)."
        raise PortInUseError(f"The API cannot listen on {address}: {reason}. {hint}") from None
    found.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    return found


class ApiServer:
    """The running API of one node."""

    def __init__(
        self, address: Address, server: _Uvicorn, serving: asyncio.Task[None], exchanges: Exchanges, ring: KeyRing
    ) -> None:
        self.address = address
        self._ring = ring
        self._server = server
        self._serving = serving
        self._exchanges = exchanges

    @classmethod
    async def start(
        cls,
        node: NodeView,
        settings: Settings,
        key: str | None,
        admin: Callable[[Exchanges], ASGIApp] | None = None,
    ) -> ApiServer:
        """Listen on ``settings.api``. ``key`` None: no key is needed; ``admin`` makes what answers under ``/admin/``.
        Raises `PortInUseError`.
        """
        sock = listen(settings.api)
        address = Address(host=settings.api.host, port=sock.getsockname()[1])
        exchanges = Exchanges()
        ring = KeyRing(settings.home)
        api = Api(
            node=node,
            exchanges=exchanges,
            metrics=Metrics(),
            stored=Stored(),
            address=str(address),
            local_model=settings.first_model,
            default_model=settings.default_model,
            default_embedding_model=settings.default_embedding_model,
            without_images=settings.images == "placeholder",
            timeout_s=settings.request_timeout,
        )
        extra_host = str(address).rpartition(":")[0].lower()
        app = create_app(
            api,
            keys=Keys(key, ring, settings.home),
            extra_host=extra_host,
            admin=None if admin is None else admin(exchanges),
        )
        server = _Uvicorn(_configuration(app))
        serving = asyncio.create_task(server.serve(sockets=[sock]), name="http-api")
        up = asyncio.create_task(server.up.wait())
        await asyncio.wait({serving, up}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            up.cancel()
            serving.result()
        return cls(address, server, serving, exchanges, ring)

    async def aclose(self, grace_s: float) -> None:
        """Stop accepting, let requests finish for ``grace_s`` seconds, end the rest."""
        for listener in self._server.servers:
            listener.close()
        await self._exchanges.aclose(grace_s)
        self._server.over.set()
        await self._serving
        self._ring.close()


def _configuration(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=CLOSE_S,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        backlog=BACKLOG,
    )
