"""Links over QUIC: the one module that imports aioquic.

aioquic reports a close only after QUIC's draining period and has no exporter. Both come from what it documents: its
event log, which sees each frame as it is read, and its secrets log, at whose SERVER_TRAFFIC_SECRET_0 line the key
schedule stands where RFC 8446 section 7.1 derives the exporter master secret.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO, cast

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import QuicServer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    HandshakeCompleted,
    ProtocolNegotiated,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)
from aioquic.quic.logger import QuicLogger, QuicLoggerTrace
from aioquic.quic.packet import QuicProtocolVersion
from aioquic.tls import SessionTicket
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from . import exporter
from .initial import FirstFlight
from .link import DEADLINE, GoneError, Link, Listening, Manner, OverdueError, Recorder
from .transcript import What

ALPN = "mycellm/1"
_IDLE = 60.0
_WINDOW = 4 * 1024 * 1024
"""Bytes that the target may have under way, by stream and by connection: the suite reads everything at once."""

logging.getLogger("quic").setLevel(logging.CRITICAL)


class _Secrets:
    """A secrets log that keeps no secret, only the channel binding of the connection that is being fed."""

    def __init__(self) -> None:
        self.current: _Carrier | None = None

    def write(self, line: str) -> int:
        if self.current is not None and line.startswith("SERVER_TRAFFIC_SECRET_0 "):
            self.current.secrets_known()
        return len(line)

    def flush(self) -> None:
        pass


class _Trace(QuicLoggerTrace):
    """Sees what QUIC reads; keeps nothing."""

    def __init__(self, *, is_client: bool) -> None:
        super().__init__(is_client=is_client, odcid=b"")
        self.carrier: _Carrier | None = None
        self.reading = False

    def log_event(self, *, category: str, event: str, data: dict[str, Any]) -> None:
        if self.carrier is not None and event == "parameters_set" and data.get("owner") == "remote":
            self.carrier.parameters(data)

    def encode_ping_frame(self) -> dict[str, Any]:
        if self.reading and self.carrier is not None:
            self.carrier.link.shown(ping=True)
        return {}

    def encode_connection_close_frame(
        self, error_code: int, frame_type: int | None, reason_phrase: str
    ) -> dict[str, Any]:
        if self.reading and self.carrier is not None:
            self.carrier.closed(error_code, frame_type is None, reason_phrase)
        return {}


class _Log(QuicLogger):
    """Hands out the traces of connections."""

    def __init__(self) -> None:
        super().__init__()
        self.newest: _Trace | None = None

    def start_trace(self, is_client: bool, odcid: bytes) -> _Trace:
        self.newest = _Trace(is_client=is_client)
        return self.newest

    def end_trace(self, trace: QuicLoggerTrace) -> None:
        pass


class QuicLink(Link):
    """A link that one aioquic connection carries."""

    carrier: _Carrier

    def shown(self, **facts: object) -> None:
        """QUIC or TLS showed something of the target."""
        self._took("transport", facts=facts)

    def ticket(self, _: SessionTicket) -> None:
        """The target sent a NewSessionTicket."""
        self.shown(ticket=True)

    def took(self, event: StreamDataReceived | StreamReset | StopSendingReceived) -> None:
        """An event of a stream."""
        if isinstance(event, StreamDataReceived):
            self._took("data", stream=event.stream_id, data=event.data, fin=event.end_stream)
        else:
            what: What = "reset" if isinstance(event, StreamReset) else "stop"
            self._took(what, stream=event.stream_id, code=event.error_code)

    def ended(self, code: int, *, layer: str, reason: str) -> None:
        """The target closed, or the connection is lost (``code`` below 0)."""
        if code < 0:
            self._took("gone", facts={"reason": reason})
        else:
            self._took("close", code=code, facts={"layer": layer, "reason": reason})

    def opened(self, binding: bytes) -> None:
        """The channel binding is there."""
        self._opened(binding)

    def release(self) -> None:
        """Close the socket where the link has one of its own."""
        self.carrier.release()

    def _send(self, stream: int, data: bytes, fin: bool) -> None:
        self.carrier.act(lambda quic: _write(quic, stream, data, fin=fin))

    def _reset(self, stream: int, code: int) -> None:
        self.carrier.act(lambda quic: quic.reset_stream(stream, code))

    def _stop(self, stream: int, code: int) -> None:
        self.carrier.act(lambda quic: quic.stop_stream(stream, code))

    def _close(self, code: int, reason: str) -> None:
        self.carrier.close(code, reason)


def _write(quic: QuicConnection, stream: int, data: bytes, *, fin: bool) -> None:
    """Send on a stream. Those below it that are left out are made, without a byte: else aioquic takes them as over."""
    newest = quic.get_next_available_stream_id()
    if stream % 4 == newest % 4:
        for skipped in range(newest, stream, 4):
            quic.send_stream_data(skipped, b"")
    quic.send_stream_data(stream, data, fin)


class _Carrier(QuicConnectionProtocol):
    """aioquic's side of a link."""

    def __init__(self, quic: QuicConnection, link: QuicLink, secrets: _Secrets, trace: _Trace) -> None:
        super().__init__(quic)
        self.quic = quic
        self.link = link
        self.ready = asyncio.get_running_loop().create_future()
        self._secrets = secrets
        self._trace = trace
        self._flush_due = False
        self._closing = False
        self._flight = FirstFlight()
        link.carrier = self
        trace.carrier = self

    def datagram_received(self, data: bytes | str, addr: Any) -> None:
        """A datagram of the target."""
        if not self.link.initiates:
            self._look_at(data.encode() if isinstance(data, str) else data)
        self._secrets.current, self._trace.reading = self, True
        try:
            super().datagram_received(data, addr)
        finally:
            self._secrets.current, self._trace.reading = None, False

    def _look_at(self, datagram: bytes) -> None:
        """What an initiator's first packets show."""
        early = self._flight.zero_rtt
        offered = self._flight.read(datagram)
        if offered is not None:
            self.link.shown(**offered)
        if self._flight.zero_rtt and not early:
            self.link.shown(early_data=True)

    def error_received(self, exc: Exception) -> None:
        """Nothing listens there; QUIC's own timers would find out a minute later."""
        self._finish(-1, layer="transport", reason=f"nothing answers there: {exc}")

    def quic_event_received(self, event: QuicEvent) -> None:
        """What QUIC made of the datagrams."""
        if isinstance(event, StreamDataReceived | StreamReset | StopSendingReceived):
            self.link.took(event)
        elif isinstance(event, ProtocolNegotiated):
            self.link.shown(alpn=event.alpn_protocol)
        elif isinstance(event, HandshakeCompleted):
            self.link.shown(certificate=_kind(self.quic), resumed=event.session_resumed)
        elif isinstance(event, ConnectionTerminated):
            self._finish(-1, layer="transport", reason=event.reason_phrase)

    def secrets_known(self) -> None:
        """The key schedule stands at the responder's Finished."""
        schedule = self.quic.tls.key_schedule
        if schedule is not None and self.link.binding is None:
            self.link.opened(exporter.binding(schedule.algorithm.name, schedule.derive_secret(b"exp master")))
            # In the loop's next turn, since aioquic is in the middle of reading.
            asyncio.get_running_loop().call_soon(self._set_ready)

    def parameters(self, data: dict[str, Any]) -> None:
        """The target's transport parameters."""
        wanted = ("initial_max_streams_bidi", "initial_max_streams_uni", "max_idle_timeout")
        self.link.shown(**{key: data[key] for key in wanted if key in data})

    def closed(self, code: int, by_application: bool, reason: str) -> None:
        """The target sent CONNECTION_CLOSE."""
        self._finish(code, layer="application" if by_application else "transport", reason=reason)

    def act(self, action: Callable[[QuicConnection], None]) -> None:
        """Do something with the connection, and send what it gives at the end of this turn of the loop."""
        # A stream that the target has stopped, or that is over: the event that says so is in the transcript.
        with suppress(AssertionError, RuntimeError, ValueError):
            action(self.quic)
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def close(self, error_code: int = 0, reason_phrase: str = "") -> None:
        """CONNECTION_CLOSE, behind everything that was written before."""
        if not self._closing:
            self._closing = True
            self.transmit()
            super().close(error_code, reason_phrase)

    def release(self) -> None:
        """A carrier of a listener shares its socket."""

    def _flush(self) -> None:
        self._flush_due = False
        self.transmit()

    def _set_ready(self) -> None:
        if not self.ready.done():
            self.ready.set_result(None)

    def _finish(self, code: int, *, layer: str, reason: str) -> None:
        if not self.link.over:
            self.link.ended(code, layer=layer, reason=reason)
        if not self.ready.done():
            self.ready.set_exception(GoneError())
            self.ready.exception()


async def listen(recorder: Recorder, host: str, manner: Manner) -> Listener:
    """Listen for the target on any free port of ``host``."""
    listener = Listener(recorder)
    await listener.open(host, manner)
    return listener


async def dial(recorder: Recorder, host: str, port: int, *, alpn: str = ALPN, within: float) -> QuicLink:
    """A connection to the target, once it has its channel binding.

    Raises `GoneError` where the target refuses, `OverdueError` after ``within`` seconds.
    """
    link = QuicLink(recorder, initiates=True)
    secrets, log = _Secrets(), _Log()
    configuration = _configuration(is_client=True, alpn=alpn, secrets=secrets, log=log)
    quic = QuicConnection(configuration=configuration, session_ticket_handler=link.ticket)
    assert log.newest is not None  # QuicConnection has just asked for it
    trace = log.newest
    loop = asyncio.get_running_loop()
    # Connected, so that the system says when nothing listens there.
    transport, carrier = await loop.create_datagram_endpoint(
        lambda: _Dialing(quic, link, secrets, trace), remote_addr=(host, port)
    )
    address = transport.get_extra_info("peername")
    carrier.connect(address)
    try:
        async with asyncio.timeout(within):
            await carrier.ready
    except TimeoutError:
        link.note("wait", **{"for": "QUIC and TLS", "at_most": within, "over": True})
        link.close()
        link.release()
        raise OverdueError("QUIC and TLS") from None
    except BaseException:
        link.release()  # nobody else knows of it
        raise
    return link


class _Dialing(_Carrier):
    """A carrier with a socket of its own."""

    socket: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Aioquic names the address with each datagram; a connected socket knows it."""
        self.socket = cast(asyncio.DatagramTransport, transport)
        super().connection_made(cast(asyncio.BaseTransport, _Connected(self.socket)))

    def release(self) -> None:
        """Close the socket, and stop QUIC's timer by what it reads as the end."""
        self._released = True
        self.socket.close()

    def transmit(self) -> None:
        """Send and re-arm the timer, while there is a socket."""
        if not self._released:
            super().transmit()

    _released = False


class _Connected:
    """A connected datagram socket, as one that is not."""

    def __init__(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def sendto(self, data: bytes, _: object) -> None:
        """Send to the one address."""
        self._transport.sendto(data)


class Listener(Listening):
    """A socket at which the target dials the suite. Made by `listen`."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._secrets, self._log = _Secrets(), _Log()
        self._arrived: asyncio.Queue[QuicLink] = asyncio.Queue()
        self._server: QuicServer | None = None

    async def open(self, host: str, manner: Manner) -> None:
        """Listen on any free port of ``host``."""
        configuration = _configuration(is_client=False, alpn=ALPN, secrets=self._secrets, log=self._log)
        configuration.certificate, configuration.private_key = _certificate(odd=manner is Manner.ODD_CERTIFICATE)
        tickets: dict[bytes, SessionTicket] = {}
        handlers: dict[str, Any] = {}
        if manner is Manner.TICKETS:
            handlers = {
                "session_ticket_fetcher": tickets.get,
                "session_ticket_handler": lambda ticket: tickets.update({ticket.ticket: ticket}),
            }
        transport, self._server = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: QuicServer(configuration=configuration, create_protocol=self._create, **handlers),
            local_addr=(host, 0),
        )
        self.address = f"{host}:{transport.get_extra_info('sockname')[1]}"

    async def accept(self, within: float = DEADLINE) -> QuicLink:
        """The next connection that the target dialed, once it has its channel binding. Raises `OverdueError`."""
        try:
            async with asyncio.timeout(within):
                while True:
                    link = await self._arrived.get()
                    with suppress(GoneError):
                        await link.carrier.ready
                        return link
        except TimeoutError:
            raise OverdueError("a connection of the target") from None

    def close(self) -> None:
        """Listen no more; connections that are open end without a word."""
        if self._server is not None:
            self._server.close()

    def _create(self, quic: QuicConnection, stream_handler: object = None) -> _Carrier:
        link = QuicLink(self._recorder, initiates=False)
        assert self._log.newest is not None  # quic has just asked for it
        self._arrived.put_nowait(link)
        return _Carrier(quic, link, self._secrets, self._log.newest)


def _configuration(*, is_client: bool, alpn: str, secrets: _Secrets, log: _Log) -> QuicConfiguration:
    return QuicConfiguration(
        alpn_protocols=[alpn],
        idle_timeout=_IDLE,
        is_client=is_client,
        max_data=_WINDOW,
        max_stream_data=_WINDOW,
        quic_logger=log,
        secrets_log_file=cast(TextIO, secrets),
        supported_versions=[QuicProtocolVersion.VERSION_1],
        verify_mode=ssl.CERT_NONE,
    )


def _kind(quic: QuicConnection) -> str:
    """The kind of key in the target's certificate."""
    certificate = getattr(quic.tls, "_peer_certificate", None)
    key = certificate.public_key() if certificate is not None else None
    return f"EC {key.curve.name}" if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__


def _certificate(*, odd: bool) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A throw-away certificate (TRN-013), or an ``odd`` one, in which nothing but the key is of use."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, issuer = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)])
        for each in (("another.example", "nobody") if odd else ("mycellm", "mycellm"))
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2000, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2001 if odd else 9999, 12, 31, 23, 59, 59, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return certificate, key
