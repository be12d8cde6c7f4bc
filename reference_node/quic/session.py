"""TLS and QUIC configuration: a throw-away certificate, no resumption, and the channel binding of each connection."""

from __future__ import annotations

import logging
import ssl
from datetime import UTC, datetime
from typing import NamedTuple, TextIO, cast

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mycellm_proto.exporter import channel_binding

from . import limits
from .watch import FrameWatch, WatchLogger

ALPN = "mycellm/1"

# aioquic logs what peers write as the reason of a close, among other things; what matters is logged by `link`.
logging.getLogger("quic").setLevel(logging.CRITICAL)

_LINE_OF_INTEREST = "SERVER_TRAFFIC_SECRET_0 "


class BindingSink:
    """The secrets log of one connection. It keeps no secret, only the channel binding.

    aioquic writes a line per traffic secret. At the line of the responder's first application secret, the key schedule
    stands exactly where RFC 8446 section 7.1 derives the exporter master secret: master secret in place, transcript
    from ClientHello to the responder's Finished.
    """

    def __init__(self) -> None:
        self.connection: QuicConnection | None = None
        self.binding: bytes | None = None

    def write(self, line: str) -> int:
        """Look at a line of the log, and drop it."""
        if self.connection is not None and line.startswith(_LINE_OF_INTEREST):
            schedule = self.connection.tls.key_schedule
            if schedule is not None:
                self.binding = channel_binding(schedule.algorithm, schedule.derive_secret(b"exp master"))
            self.connection = None
        return len(line)

    def flush(self) -> None:
        """Nothing is buffered."""


class Session(NamedTuple):
    """One aioquic connection and what observes it."""

    connection: QuicConnection
    sink: BindingSink
    watch: FrameWatch


class Credentials:
    """The TLS key and certificate of one endpoint. They prove nothing: the HELLOs over the channel binding do."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _self_signed(self._key)

    def initiate(self) -> Session:
        """A connection to dial with."""
        return _session(is_initiator=True, configuration=self._configuration(is_initiator=True))

    def respond(self, original_destination: bytes, retry_source: bytes | None) -> Session:
        """A connection that answers an Initial sent to ``original_destination``, after a Retry where one was made."""
        configuration = self._configuration(is_initiator=False)
        configuration.certificate = self._certificate
        configuration.private_key = self._key
        return _session(
            is_initiator=False,
            configuration=configuration,
            original_destination=original_destination,
            retry_source=retry_source,
        )

    def _configuration(self, *, is_initiator: bool) -> QuicConfiguration:
        return QuicConfiguration(
            alpn_protocols=[ALPN],
            idle_timeout=limits.IDLE_TIMEOUT,
            is_client=is_initiator,
            max_data=limits.LINK_WINDOW,
            max_stream_data=limits.STREAM_WINDOW,
            verify_mode=ssl.CERT_NONE,
        )


def _session(
    *,
    is_initiator: bool,
    configuration: QuicConfiguration,
    original_destination: bytes | None = None,
    retry_source: bytes | None = None,
) -> Session:
    sink, watch = BindingSink(), FrameWatch(is_initiator=is_initiator)
    configuration.secrets_log_file = cast(TextIO, sink)
    configuration.quic_logger = WatchLogger(watch)
    # Without ticket handlers aioquic neither issues nor accepts session tickets, and so no 0-RTT either.
    connection = QuicConnection(
        configuration=configuration,
        original_destination_connection_id=original_destination,
        retry_source_connection_id=retry_source,
    )
    sink.connection = connection
    return Session(connection, sink, watch)


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mycellm")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Nobody looks at the dates; RFC 5280 section 4.1.2.5 gives 9999-12-31 for "does not expire".
        .not_valid_before(datetime(2000, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
