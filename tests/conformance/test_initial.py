"""What the suite reads of an initiator's first packets, against a QUIC library that can do all of it."""

from __future__ import annotations

import ssl

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.tls import SessionTicket

from conformance.wire.initial import FirstFlight
from conformance.wire.quic import ALPN, _certificate

ADDRESS = ("127.0.0.1", 1)


def first_flight(configuration: QuicConfiguration) -> tuple[FirstFlight, list[dict[str, bool] | None]]:
    connection = QuicConnection(configuration=configuration)
    connection.connect(ADDRESS, now=0.0)
    connection.send_stream_data(0, b"early")
    flight = FirstFlight()
    return flight, [flight.read(datagram) for datagram, _ in connection.datagrams_to_send(now=0.0)]


def ticket() -> SessionTicket:
    """A session ticket of a server that gives them."""
    given: list[SessionTicket] = []
    settings = QuicConfiguration(is_client=False, alpn_protocols=[ALPN])
    settings.certificate, settings.private_key = _certificate(odd=False)
    client = QuicConnection(
        configuration=QuicConfiguration(is_client=True, alpn_protocols=[ALPN], verify_mode=ssl.CERT_NONE),
        session_ticket_handler=given.append,
    )
    client.connect(ADDRESS, now=0.0)
    server = QuicConnection(
        configuration=settings,
        original_destination_connection_id=client.original_destination_connection_id,
        session_ticket_handler=lambda _: None,
    )
    for turn in range(6):
        for sender, receiver in ((client, server), (server, client)):
            for datagram, _address in sender.datagrams_to_send(now=float(turn)):
                receiver.receive_datagram(datagram, ADDRESS, now=float(turn))
    return given[0]


def test_an_initiator_that_shows_nothing() -> None:
    flight, seen = first_flight(QuicConfiguration(is_client=True, alpn_protocols=[ALPN]))
    assert {"server_name": False, "pre_shared_key": False, "early_data": False} in seen
    assert not flight.zero_rtt


def test_a_server_name_shows() -> None:
    _, seen = first_flight(QuicConfiguration(is_client=True, alpn_protocols=[ALPN], server_name="node.example"))
    assert {"server_name": True, "pre_shared_key": False, "early_data": False} in seen


def test_a_ticket_and_early_data_show() -> None:
    flight, seen = first_flight(QuicConfiguration(is_client=True, alpn_protocols=[ALPN], session_ticket=ticket()))
    assert {"server_name": False, "pre_shared_key": True, "early_data": True} in seen
    assert flight.zero_rtt


def test_other_bytes_are_passed_over() -> None:
    flight, head = FirstFlight(), bytes.fromhex("c000000001")
    for datagram in (b"", head[:1], head + b"\xff", b"\x40short header", bytes(1200), head + bytes(1195)):
        assert flight.read(datagram) is None
