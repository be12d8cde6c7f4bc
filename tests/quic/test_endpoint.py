"""The socket: who gets in, what noise leaves behind, and how everything ends."""

from __future__ import annotations

import asyncio
import random

import pytest
from aioquic.buffer import Buffer  # type: ignore[attr-defined]  # re-exported without __all__
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import QuicPacketType, pull_quic_header

from mycellm_proto.errors import ErrorCode
from reference_node.quic import Endpoint, addresses, limits
from reference_node.quic.gate import VERSIONS, destination
from reference_node.quic.link import Link
from reference_node.quic.session import Credentials

from .peers import DEADLINE, Recorder, host, state_of, two_hosts


def first_flight() -> bytes:
    """The datagram with which an initiator begins."""
    connection = Credentials().initiate().connection
    connection.connect(("127.0.0.1", 9), now=0.0)
    [(datagram, _)] = connection.datagrams_to_send(now=0.0)
    return datagram


class Wire(asyncio.DatagramProtocol):
    """A bare UDP socket that talks to one endpoint."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[bytes] = asyncio.Queue()

    @classmethod
    async def to(cls, endpoint: Endpoint) -> tuple[Wire, asyncio.DatagramTransport]:
        transport, wire = await asyncio.get_running_loop().create_datagram_endpoint(cls, remote_addr=endpoint.address)
        return wire, transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.answers.put_nowait(data)

    async def answer(self) -> bytes:
        async with asyncio.timeout(DEADLINE):
            return await self.answers.get()


async def test_both_sides_dial_at_once() -> None:
    async with two_hosts() as (here, there):
        one, other = here.dial(there), there.dial(here)
        await one.ready()
        await other.ready()
        assert len({one.binding, other.binding, b""}) == 3
        await here.link_to(there)


async def test_an_endpoint_can_dial_itself() -> None:
    async with host() as here:
        dialled, answering = await here.link_to(here)
        assert dialled.binding == answering.binding


async def test_a_port_in_use_is_said() -> None:
    async with host() as here:
        with pytest.raises(OSError, match="in use"):
            await Endpoint.open("127.0.0.1", here.endpoint.address[1], here.accept)


async def test_a_refused_connection_fails_at_once() -> None:
    async with host(accept=lambda: None) as there, host() as here:
        dialled = here.dial(there)
        assert await dialled.closed() == (ErrorCode.INTERNAL, True)
        assert state_of(there.endpoint) == 0


async def test_an_accept_with_a_bug_refuses() -> None:
    def fail() -> None:
        raise RuntimeError

    async with host(accept=fail) as there, host() as here:
        assert await here.dial(there).closed() == (ErrorCode.INTERNAL, True)
        assert state_of(there.endpoint) == 0


async def test_a_full_endpoint_refuses_and_does_not_dial(monkeypatch: pytest.MonkeyPatch) -> None:
    async with two_hosts() as (here, there):
        dialled, _ = await here.link_to(there)
        monkeypatch.setattr(limits, "MAX_LINKS", 1)
        async with host() as third:
            assert await third.dial(there).closed() == (ErrorCode.INTERNAL, True)
        with pytest.raises(OSError, match="as many links as it can"):
            here.dial(there)
        assert len(there.accepted) == 1
        assert dialled.link is not None
        dialled.link.close(0)
        await there.accepted[0].closed()
        await here.link_to(there)


async def test_half_open_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_HALF_OPEN_PER_HOST", 3)
    monkeypatch.setattr(limits, "HANDSHAKE_DEADLINE", 0.3)
    async with two_hosts() as (here, there):
        wire, transport = await Wire.to(there.endpoint)
        for _ in range(6):
            transport.sendto(first_flight())
        for _ in range(3):
            await wire.answer()
        assert len(there.accepted) == 3
        for handler in there.accepted:
            assert await handler.closed() == (ErrorCode.TIMEOUT, False)
        transport.close()
        await here.link_to(there)


async def test_a_crowded_endpoint_asks_for_the_address_first(monkeypatch: pytest.MonkeyPatch) -> None:
    async with two_hosts() as (here, there):
        monkeypatch.setattr(limits, "RETRY_THRESHOLD", 0)
        wire, transport = await Wire.to(there.endpoint)
        transport.sendto(first_flight())
        retry = pull_quic_header(Buffer(data=await wire.answer()), host_cid_length=8)
        assert retry.packet_type == QuicPacketType.RETRY
        assert state_of(there.endpoint) == 0
        transport.close()
        dialled, answering = await here.link_to(there)
        assert dialled.binding == answering.binding


async def test_a_token_of_somebody_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    configure = Credentials._configuration

    def with_token(self: Credentials, *, is_initiator: bool) -> QuicConfiguration:
        configuration = configure(self, is_initiator=is_initiator)
        configuration.token = b"not one of yours"
        return configuration

    async with two_hosts() as (here, there):
        monkeypatch.setattr(Credentials, "_configuration", with_token)
        assert await here.dial(there).closed() == (ErrorCode.INTERNAL, True)
        assert there.accepted == []
        assert state_of(there.endpoint) == 0


async def test_noise_leaves_nothing_behind() -> None:
    chance = random.Random(7)
    initial = first_flight()
    async with two_hosts() as (here, there):
        arrive, address = there.endpoint.datagram_received, ("127.0.0.1", 9)
        for size in [*range(40), 1199, 1200, 1201, 1500, 9000, 65000]:
            for first in (0x00, 0x40, 0x80, 0xC0, 0xFF):
                noise = bytes([first]) + chance.randbytes(size)
                arrive(noise[:size], address)
                arrive((noise[:1] + VERSIONS[0].to_bytes(4, "big") + noise[1:])[:size], address)
        for size in range(0, len(initial), 7):
            arrive(initial[:size], address)
        packet = pull_quic_header(Buffer(data=initial)).packet_length
        for _ in range(200):
            broken = bytearray(initial)
            broken[chance.randrange(30, packet)] ^= 1 << chance.randrange(8)
            arrive(bytes(broken), address)
        assert state_of(there.endpoint) == 0
        assert there.accepted == []
        await here.link_to(there)


async def test_noise_on_a_link_harms_nobody() -> None:
    chance = random.Random(8)
    async with two_hosts() as (here, there):
        dialled, answering = await here.link_to(there)
        assert dialled.link is not None
        for cid in list(there.endpoint._routes):
            for head in (b"\x40" + cid, b"\xc0" + VERSIONS[0].to_bytes(4, "big") + bytes([len(cid)]) + cid):
                for size in (0, 1, 20, 1200):
                    there.endpoint.datagram_received(head + chance.randbytes(size), here.endpoint.address)
        dialled.link.write(0, b"still here", True)
        await answering.until(lambda: answering.has(0, b"still here"))


async def test_a_replayed_initial_is_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    initial = first_flight()
    monkeypatch.setattr(limits, "HANDSHAKE_DEADLINE", 0.2)
    async with host() as there:
        for _ in range(50):
            there.endpoint.datagram_received(initial, ("127.0.0.1", 9))
        assert len(there.accepted) == 1
        assert len(there.endpoint._links) == 1
        await there.accepted[0].closed()
        for _ in range(50):
            there.endpoint.datagram_received(initial, ("127.0.0.1", 9))
        assert len(there.accepted) == 1


async def test_an_unknown_version_is_answered_with_ours() -> None:
    strange = bytearray(first_flight())
    strange[1:5] = b"\x1a\x2a\x3a\x4a"
    async with host() as there:
        wire, transport = await Wire.to(there.endpoint)
        transport.sendto(strange[:1199])
        negotiation = bytearray(first_flight())
        negotiation[1:5] = bytes(4)
        transport.sendto(negotiation)
        transport.sendto(strange)
        header = pull_quic_header(Buffer(data=await wire.answer()), host_cid_length=8)
        assert header.packet_type == QuicPacketType.VERSION_NEGOTIATION
        assert header.supported_versions == list(VERSIONS)
        assert wire.answers.empty()
        transport.close()
        assert state_of(there.endpoint) == 0


@pytest.mark.parametrize("datagram", [b"", b"\x80", b"\xc0\x00\x00\x00\x01", b"\xc0\x00\x00\x00\x01\xff", b"\x40"])
def test_short_datagrams_have_a_destination_of_sorts(datagram: bytes) -> None:
    assert len(destination(datagram)) < 8


async def test_many_links_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten = asyncio.Event()
    async with two_hosts() as (here, there):
        for endpoint in (here.endpoint, there.endpoint):
            forget = endpoint.forget

            def noting(link: Link, forget: object = forget) -> None:
                assert callable(forget)
                forget(link)
                forgotten.set()

            monkeypatch.setattr(endpoint, "forget", noting)
        for number in range(20):
            dialled, answering = await here.link_to(there)
            closing = dialled if number % 2 else answering
            assert closing.link is not None
            closing.link.close(ErrorCode.NO_ERROR)
            await dialled.closed()
            await answering.closed()
        async with asyncio.timeout(DEADLINE):
            while state_of(here.endpoint) + state_of(there.endpoint):
                forgotten.clear()
                await forgotten.wait()


async def test_the_memory_of_closed_links_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_CLOSING", 2)
    async with two_hosts() as (here, there):
        for _ in range(5):
            dialled, answering = await here.link_to(there)
            assert dialled.link is not None
            dialled.link.close(ErrorCode.NO_ERROR)
            await answering.closed()
        assert len(here.endpoint._closing) <= 2
        assert len(there.endpoint._closing) <= 2


async def test_closing_an_endpoint_closes_its_links_and_is_final() -> None:
    async with two_hosts() as (here, there):
        dialled, answering = await here.link_to(there)
        await asyncio.gather(there.endpoint.aclose(), there.endpoint.aclose())
        assert await answering.closed() == (ErrorCode.SHUTTING_DOWN, False)
        assert await dialled.closed() == (ErrorCode.SHUTTING_DOWN, True)
        await there.endpoint.aclose()
        assert state_of(there.endpoint) == 0
        with pytest.raises(OSError, match="endpoint is closed"):
            there.dial(here)
        assert answering.link is not None
        answering.link.write(1, b"into the void", True)
        answering.link.close(0)
        # The port is free again.
        reopened = await Endpoint.open(*there.endpoint.address, there.accept)
        await reopened.aclose()


async def test_a_lost_socket_ends_the_links() -> None:
    async with two_hosts() as (here, there):
        _, answering = await here.link_to(there)
        assert there.endpoint._transport is not None
        there.endpoint._transport.abort()
        assert await answering.closed() == (ErrorCode.INTERNAL, False)
        assert state_of(there.endpoint) == 0


async def test_a_full_socket_loses_datagrams_but_no_data() -> None:
    async with two_hosts() as (here, there):
        dialled, answering = await here.link_to(there)
        assert dialled.link is not None
        here.endpoint.pause_writing()
        dialled.link.write(0, b"patience", True)
        here.endpoint._flush()
        here.endpoint.resume_writing()
        await answering.until(lambda: answering.has(0, b"patience"))


async def test_icmp_errors_are_nothing() -> None:
    async with two_hosts() as (here, there):
        dialled, answering = await here.link_to(there)
        here.endpoint.error_received(ConnectionRefusedError())
        assert dialled.link is not None
        dialled.link.write(0, b"x", True)
        await answering.until(lambda: 0 in answering.received)


async def test_addresses_that_cannot_be_dialled() -> None:
    async with host() as here:
        for address, port in (("localhost", 1), ("::1", 1), ("127.0.0.1", 0), ("127.0.0.1", 65536), ("", 1)):
            with pytest.raises(ValueError, match=r"address|port"):
                here.endpoint.dial(address, port, Recorder())


async def test_names_are_resolved() -> None:
    async with host("localhost") as there, host() as here:
        assert await here.endpoint.resolve("localhost", 7420) == ("127.0.0.1", 7420)
        assert await here.endpoint.resolve("127.0.0.1", 1) == ("127.0.0.1", 1)
        with pytest.raises(OSError):  # noqa: PT011 - its words are the system's
            await here.endpoint.resolve("::1", 1)
        assert there.endpoint.address[1] > 0


async def test_one_socket_for_both_families() -> None:
    async with host("::") as there, host("::1") as six, host() as four:
        port = there.endpoint.address[1]
        dialled = Recorder()
        six.endpoint.dial("::1", port, dialled)
        assert (await dialled.ready()).peer_address == ("::1", port)
        await there.link_to(six)
        # The answer to an IPv4 peer goes to a mapped address, which this test run takes for a foreign one.
        four.endpoint.dial("127.0.0.1", port, Recorder())
        await there.accepted_number(2)
        answering = await there.accepted[-1].ready()
        assert answering.peer_address == four.endpoint.address
        assert await there.endpoint.resolve("127.0.0.1", 5) == ("127.0.0.1", 5)


def test_a_dual_socket_names_ipv4_peers_as_the_system_does() -> None:
    with addresses.bind("::", 0) as dual, addresses.bind("127.0.0.1", 0) as peer:
        peer.sendto(b"x", ("127.0.0.1", dual.getsockname()[1]))
        dual.settimeout(DEADLINE)
        _, seen = dual.recvfrom(1)
        assert seen == addresses.numeric("127.0.0.1", peer.getsockname()[1], dual)
        assert addresses.readable(seen) == peer.getsockname()
