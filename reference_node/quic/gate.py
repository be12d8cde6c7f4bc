"""What an endpoint does with datagrams of no known connection, without keeping state for them."""

from __future__ import annotations

import os
from typing import NamedTuple

from aioquic.buffer import Buffer  # type: ignore[attr-defined]  # documented there, re-exported without __all__
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE, QuicConfiguration
from aioquic.quic.connection import TRANSPORT_CLOSE_FRAME_CAPACITY
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import (
    QuicErrorCode,
    QuicFrameType,
    QuicHeader,
    QuicPacketType,
    encode_quic_retry,
    encode_quic_version_negotiation,
    pull_quic_header,
)
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.retry import QuicRetryTokenHandler

from .addresses import SocketAddress

CID_SIZE = 8
"""Bytes of the connection ids that this side chooses: aioquic's default, enough to be unguessable off the path."""
MIN_INITIAL_CID = 8
"""Bytes of the first destination id that an initiator chooses, at least (RFC 9000 section 7.2)."""

VERSIONS: tuple[int, ...] = tuple(QuicConfiguration().supported_versions)


def destination(datagram: bytes) -> bytes:
    """The destination connection id of a datagram's first packet (RFC 8999 section 5); noise gives noise."""
    if datagram and datagram[0] & 0x80:
        return datagram[6 : 6 + datagram[5]] if len(datagram) > 6 else b""
    return datagram[1 : 1 + CID_SIZE]


class Newcomer(NamedTuple):
    """An Initial that may become a connection."""

    header: QuicHeader
    original_destination: bytes
    """Where the first Initial was sent, before any Retry."""
    retry_source: bytes | None
    """The id that our Retry made the initiator use, or None without a Retry."""

    def refusal(self) -> bytes:
        """The datagram that says CONNECTION_REFUSED."""
        return _stateless_close(self.header, QuicErrorCode.CONNECTION_REFUSED)


class Gate:
    """Judges unknown datagrams. Holds nothing but the key of its Retry tokens."""

    def __init__(self) -> None:
        self._tokens = QuicRetryTokenHandler()

    def judge(self, datagram: bytes, address: SocketAddress, *, crowded: bool, now: float) -> Newcomer | bytes | None:
        """A newcomer, the datagram to answer with, or None to say nothing.

        While ``crowded``, an initiator must first show by a Retry that it receives at its address.
        """
        if len(datagram) < SMALLEST_MAX_DATAGRAM_SIZE:
            return None
        try:
            header = pull_quic_header(Buffer(data=datagram), host_cid_length=CID_SIZE)
        except ValueError:  # also aioquic's BufferReadError
            return None
        return self._judge_header(header, address, crowded=crowded, now=now)

    def _judge_header(
        self, header: QuicHeader, address: SocketAddress, *, crowded: bool, now: float
    ) -> Newcomer | bytes | None:
        if header.version not in VERSIONS:
            return _version_negotiation(header)
        if header.packet_type != QuicPacketType.INITIAL or len(header.destination_cid) < MIN_INITIAL_CID:
            return None
        if header.token:
            return self._redeem(header, address, now)
        if crowded:
            return self._retry(header, address, now)
        return Newcomer(header, header.destination_cid, None)

    def _retry(self, header: QuicHeader, address: SocketAddress, now: float) -> bytes:
        source = os.urandom(CID_SIZE)
        token = self._tokens.create_token(
            address=_unscoped(address),
            original_destination_connection_id=header.destination_cid,
            retry_source_connection_id=source,
            now=now,
        )
        assert header.version is not None
        return encode_quic_retry(
            version=header.version,
            source_cid=source,
            destination_cid=header.source_cid,
            original_destination_cid=header.destination_cid,
            retry_token=token,
        )

    def _redeem(self, header: QuicHeader, address: SocketAddress, now: float) -> Newcomer | bytes:
        try:
            original = self._tokens.validate_token(
                address=_unscoped(address), destination_cid=header.destination_cid, token=header.token, now=now
            )
        except ValueError:
            return _stateless_close(header, QuicErrorCode.INVALID_TOKEN)  # RFC 9000 section 8.1.3
        return Newcomer(header, original, header.destination_cid)


def _unscoped(address: SocketAddress) -> tuple[str, int]:
    return address[0].partition("%")[0], address[1]


def _version_negotiation(header: QuicHeader) -> bytes | None:
    # A short header has no version; answering a Version Negotiation packet (version 0) would loop.
    if not header.version:
        return None
    return encode_quic_version_negotiation(
        source_cid=header.destination_cid, destination_cid=header.source_cid, supported_versions=list(VERSIONS)
    )


def _stateless_close(header: QuicHeader, error: QuicErrorCode) -> bytes:
    """One Initial packet with CONNECTION_CLOSE, under the keys that follow from the initiator's destination id."""
    assert header.version is not None
    keys = CryptoPair()
    keys.setup_initial(cid=header.destination_cid, is_client=False, version=header.version)
    builder = QuicPacketBuilder(
        host_cid=header.destination_cid,
        is_client=False,
        max_datagram_size=SMALLEST_MAX_DATAGRAM_SIZE,
        peer_cid=header.source_cid,
        version=header.version,
    )
    builder.start_packet(QuicPacketType.INITIAL, keys)
    frame = builder.start_frame(QuicFrameType.TRANSPORT_CLOSE, capacity=TRANSPORT_CLOSE_FRAME_CAPACITY)
    for value in (error, QuicFrameType.PADDING, 0):  # error, offending frame, length of the reason
        frame.push_uint_var(value)
    return builder.flush()[0][0]
