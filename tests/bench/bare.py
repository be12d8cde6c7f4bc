"""What the benchmarks compare with: plain aioquic, as its own asyncio helpers run it."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import HandshakeCompleted, QuicEvent, StreamDataReceived
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ALPN = "bare"


@dataclass
class Sizes:
    """Bytes of a request and of the answer to it."""

    request: int = 300
    answer: int = 20


@dataclass
class Bare:
    """A listening aioquic server: answers ``sizes.request`` bytes with ``sizes.answer``."""

    port: int
    sizes: Sizes
    completed: asyncio.Queue[None] = field(default_factory=asyncio.Queue)

    @asynccontextmanager
    async def dial(self) -> AsyncIterator[BareClient]:
        configuration = QuicConfiguration(is_client=True, alpn_protocols=[ALPN], verify_mode=ssl.CERT_NONE)
        async with connect(
            "127.0.0.1", self.port, configuration=configuration, create_protocol=BareClient, wait_connected=True
        ) as client:
            assert isinstance(client, BareClient)
            client.sizes = self.sizes
            yield client


class BareClient(QuicConnectionProtocol):
    """Sends a request on a stream of its own, and waits for the whole answer."""

    sizes: Sizes
    _answer: asyncio.Future[None] | None = None
    _received = 0

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, StreamDataReceived):
            self._received += len(event.data)
            if self._received >= self.sizes.answer and self._answer and not self._answer.done():
                self._answer.set_result(None)

    async def round_trip(self) -> int:
        """The stream that was used; ``finish`` ends it."""
        self._received = 0
        self._answer = asyncio.get_running_loop().create_future()
        stream = self._quic.get_next_available_stream_id()
        self._quic.send_stream_data(stream, bytes(self.sizes.request))
        self.transmit()
        await self._answer
        return stream

    def finish(self, stream: int) -> None:
        self._quic.send_stream_data(stream, b"", end_stream=True)
        self.transmit()


def _certificate() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=2))
    return key, builder.sign(key, hashes.SHA256())


@asynccontextmanager
async def bare(sizes: Sizes | None = None) -> AsyncIterator[Bare]:
    """A bare server on loopback."""
    expected = sizes or Sizes()
    completed: asyncio.Queue[None] = asyncio.Queue()

    class Server(QuicConnectionProtocol):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[arg-type]
            self._received: dict[int, int] = {}

        def quic_event_received(self, event: QuicEvent) -> None:
            if isinstance(event, HandshakeCompleted):
                completed.put_nowait(None)
            elif isinstance(event, StreamDataReceived):
                before = self._received.get(event.stream_id, 0)
                self._received[event.stream_id] = before + len(event.data)
                if before < expected.request <= self._received[event.stream_id]:
                    self._quic.send_stream_data(event.stream_id, bytes(expected.answer))
                if event.end_stream:
                    self._quic.send_stream_data(event.stream_id, b"", end_stream=True)
                    del self._received[event.stream_id]

    key, certificate = _certificate()
    configuration = QuicConfiguration(is_client=False, alpn_protocols=[ALPN], private_key=key, certificate=certificate)
    server = await serve("127.0.0.1", 0, configuration=configuration, create_protocol=Server)
    assert server._transport is not None
    port = server._transport.get_extra_info("sockname")[1]
    try:
        yield Bare(port, expected, completed)
    finally:
        server.close()
