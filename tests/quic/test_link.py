"""What a link does for the protocol: when things arrive, how it ends, and what one handler's fault costs."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import HandshakeCompleted, QuicEvent

from mycellm_proto.errors import ErrorCode
from reference_node.quic import Endpoint, Link, limits, session

from .peers import DEADLINE, Recorder, host, two_hosts


def count_datagrams(monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint, *, allowed: int = 1 << 30) -> list[int]:
    """The sizes of what an endpoint sends from now on; datagrams past ``allowed`` are lost."""
    sizes: list[int] = []
    send = endpoint.send

    def counting(datagram: bytes, address: tuple[str, int]) -> None:
        sizes.append(len(datagram))
        if len(sizes) <= allowed:
            send(datagram, address)

    monkeypatch.setattr(endpoint, "send", counting)
    return sizes


def note_sends(monkeypatch: pytest.MonkeyPatch, link: Link, order: list[str]) -> None:
    """Add "sent" to ``order`` for every datagram of one link."""
    send = link._wire._send

    def noting(datagram: bytes, address: tuple[str, int]) -> None:
        order.append("sent")
        send(datagram, address)

    monkeypatch.setattr(link._wire, "_send", noting)


async def test_the_responder_speaks_in_its_first_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the ClientHello ever reaches the responder, and its words arrive all the same."""
    accepting = Recorder(lambda link: link.write(3, b"who I am", False))
    async with host(accept=lambda: accepting) as there, host() as here:
        count_datagrams(monkeypatch, here.endpoint, allowed=1)
        dialled = here.dial(there)
        await dialled.until(lambda: 3 in dialled.received)
        assert dialled.calls == [("ready",), ("data", 3, False)]
        assert dialled.received[3] == b"who I am"
        assert accepting.calls == [("ready",)]
        assert dialled.binding == accepting.binding


async def test_a_request_is_answered_on_its_stream() -> None:
    async with two_hosts() as (here, there):
        dialled, answering = await here.link_to(there)
        assert dialled.link is not None
        assert dialled.link.peer_address == there.endpoint.address
        assert answering.link is not None
        assert answering.link.peer_address == here.endpoint.address
        answering.on_data = lambda link, stream, data, fin: link.write(stream, bytes(data).upper(), fin)
        body = b"question " * 50_000
        dialled.link.write(0, body, True)
        await dialled.until(lambda: ("data", 0, True) in dialled.calls)
        assert dialled.received[0] == body.upper()


async def test_writes_of_one_turn_share_datagrams(monkeypatch: pytest.MonkeyPatch) -> None:
    async with two_hosts() as (here, there):
        dialled, answering = await here.link_to(there)
        assert dialled.link is not None
        sizes = count_datagrams(monkeypatch, here.endpoint)
        dialled.link._wire._send = here.endpoint.send
        for _ in range(50):
            dialled.link.write(0, b"token", False)
        assert sizes == []
        await answering.until(lambda: len(answering.received.get(0, b"")) == 250)
        # An acknowledgement of what came before may leave by itself; it is small.
        assert len([size for size in sizes if size > 60]) == 1


async def test_what_a_woken_task_answers_leaves_in_the_next_turn_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    tasks: list[asyncio.Task[None]] = []
    async with two_hosts() as (here, there):
        dialled, answering = await here.link_to(there)
        assert dialled.link is not None
        assert answering.link is not None
        note_sends(monkeypatch, answering.link, order)

        async def pong(link: Link, stream: int, fin: bool) -> None:
            link.write(stream, b"po", False)
            link.write(stream, b"ng", fin)
            order.append("written")

        def answer(link: Link, stream: int, data: bytes, fin: bool) -> None:
            order.append("read")
            loop = asyncio.get_running_loop()
            tasks.append(loop.create_task(pong(link, stream, fin)))
            loop.call_soon(loop.call_soon, order.append, "a turn later")

        answering.on_data = answer
        dialled.link.write(0, b"ping", True)
        await dialled.until(lambda: dialled.received.get(0) == bytearray(b"pong"))
    # A delayed acknowledgement may have been sent before.
    assert order[order.index("read") :][:4] == ["read", "written", "sent", "a turn later"]


async def test_what_one_link_brings_leaves_by_another_in_the_next_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    async with host() as here, host() as relay, host() as there:
        out, end = await relay.link_to(there)
        dialled, at_relay = await here.link_to(relay)
        order: list[str] = []

        def pass_on(link: Link, stream: int, data: bytes, fin: bool) -> None:
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, order.append, "a turn later")
            assert out.link is not None
            note_sends(monkeypatch, out.link, order)
            out.link.write(0, data, fin)

        at_relay.on_data = pass_on
        assert dialled.link is not None
        dialled.link.write(0, b"pass me on", True)
        await end.until(lambda: end.has(0, b"pass me on"))
    assert order[:2] == ["sent", "a turn later"]


async def test_resets_and_stops_cross() -> None:
    async with two_hosts() as (here, there):
        dialled, answering = await here.link_to(there)
        assert dialled.link is not None
        assert answering.link is not None
        dialled.link.write(0, b"long", False)
        await answering.until(lambda: 0 in answering.received)
        answering.link.stop(0, 58)
        await dialled.until(lambda: ("stop", 0, 58) in dialled.calls)
        dialled.link.write(0, b"more", True)  # dropped: nobody wants it
        answering.link.reset(0, 55)
        await dialled.until(lambda: ("reset", 0, 55) in dialled.calls)
        dialled.link.reset(0, 1)
        dialled.link.stop(0, 1)
        dialled.link.stop(4000, 1)
        dialled.link.write(4, b"next", True)
        await answering.until(lambda: answering.has(4, b"next"))
        assert answering.received[0] == b"long"


async def test_streams_are_opened_in_order_and_by_their_owner() -> None:
    async with two_hosts() as (here, there):
        dialled, answering = await here.link_to(there)
        assert dialled.link is not None
        assert answering.link is not None
        with pytest.raises(ValueError, match="opened before stream 0"):
            dialled.link.write(4, b"", False)
        with pytest.raises(ValueError, match="peer's to send on"):
            dialled.link.write(3, b"", False)
        with pytest.raises(ValueError, match="peer's to send on"):
            answering.link.reset(2, 1)


@pytest.mark.parametrize("closer", ["initiator", "responder"])
async def test_the_code_of_a_close_crosses_after_what_was_written(closer: str) -> None:
    async with two_hosts() as (here, there):
        pair = dict(zip(("initiator", "responder"), await here.link_to(there), strict=True))
        closing = pair.pop(closer)
        [other] = pair.values()
        assert closing.link is not None
        stream = 0 if closer == "initiator" else 1
        closing.link.write(stream, b"last words", True)
        closing.link.close(ErrorCode.WRONG_PEER)
        closing.link.close(ErrorCode.BUSY)
        closing.link.write(stream + 4, b"too late", True)
        closing.link.reset(stream, 1)
        closing.link.stop(stream, 1)
        assert "closed" not in closing.kinds
        assert await closing.closed() == (ErrorCode.WRONG_PEER, False)
        assert await other.closed() == (ErrorCode.WRONG_PEER, True)
        assert other.received[stream] == b"last words"
        closing.link.close(ErrorCode.BUSY)
        assert closing.kinds.count("closed") == 1


async def test_an_initiator_that_closes_at_once_is_understood() -> None:
    """QUIC hides application codes until the handshake is confirmed; the link waits for that."""
    async with two_hosts() as (here, there):
        dialled = here.dial(there, Recorder(lambda link: link.close(ErrorCode.WRONG_PEER)))
        assert await dialled.closed() == (ErrorCode.WRONG_PEER, False)
        assert await there.accepted[0].closed() == (ErrorCode.WRONG_PEER, True)


async def test_that_wait_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CLOSE_HOLD", 0.01)
    async with two_hosts() as (here, there):
        count_datagrams(monkeypatch, here.endpoint, allowed=1)
        dialled = here.dial(there, Recorder(lambda link: link.close(ErrorCode.WRONG_PEER)))
        assert await dialled.closed() == (ErrorCode.WRONG_PEER, False)


async def test_a_lost_close_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    async with two_hosts() as (here, there):
        dialled, answering = await here.link_to(there)
        assert dialled.link is not None
        assert answering.link is not None
        wire = answering.link._wire
        with monkeypatch.context() as lossy:
            lossy.setattr(wire, "_send", lambda datagram, address: None)
            answering.link.close(ErrorCode.BUSY)
            await answering.closed()
        dialled.link.write(0, b"are you there?", False)
        assert await dialled.closed() == (ErrorCode.BUSY, True)


async def test_closing_while_dialling() -> None:
    async with two_hosts() as (here, there):
        dialled = Recorder()
        link = here.endpoint.dial(*there.endpoint.address, dialled)
        link.close(ErrorCode.CANCELLED)
        assert await dialled.closed() == (ErrorCode.CANCELLED, False)
        assert dialled.kinds == ["closed"]


async def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HANDSHAKE_DEADLINE", 0.05)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        async with host() as here:
            dialled = Recorder()
            here.endpoint.dial("127.0.0.1", silent.getsockname()[1], dialled)
            assert await dialled.closed() == (ErrorCode.TIMEOUT, False)


async def test_an_initiator_that_does_not_finish_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HANDSHAKE_DEADLINE", 0.2)
    async with two_hosts() as (here, there):
        count_datagrams(monkeypatch, here.endpoint, allowed=1)
        here.dial(there)
        await there.accepted_number(1)
        assert await there.accepted[0].closed() == (ErrorCode.TIMEOUT, False)


async def test_silence_ends_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "IDLE_TIMEOUT", 0.3)
    async with two_hosts() as (here, there):
        dialled, answering = await here.link_to(there)
        assert await dialled.closed() == (ErrorCode.TIMEOUT, False)
        assert await answering.closed() == (ErrorCode.TIMEOUT, False)


async def test_an_authenticated_link_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KEEP_ALIVE", 0.05)
    async with two_hosts() as (here, there):
        dialled, answering = await here.link_to(there)
        assert dialled.link is not None
        assert answering.link is not None
        heard = asyncio.Event()
        pings = 0
        receive = answering.link.receive

        def counting(datagram: bytes, address: tuple[str, int], now: float) -> None:
            nonlocal pings
            pings += 1
            if pings >= 5:
                heard.set()
            receive(datagram, address, now)

        monkeypatch.setattr(answering.link, "receive", counting)
        dialled.link.mark_authenticated()
        dialled.link.mark_authenticated()
        async with asyncio.timeout(DEADLINE):
            await heard.wait()
        assert "closed" not in dialled.kinds + answering.kinds


async def test_a_handler_with_a_bug_costs_its_own_link(caplog: pytest.LogCaptureFixture) -> None:
    async with two_hosts() as (here, there):
        dialled, answering = await here.link_to(there)
        honest, also_answering = await here.link_to(there)

        def fail(link: Link, stream: int, data: bytes, fin: bool) -> None:
            raise RuntimeError(f"cannot handle {data!r}")

        answering.on_data = fail
        assert dialled.link is not None
        assert honest.link is not None
        with caplog.at_level(logging.DEBUG):
            dialled.link.write(0, b"secret", True)
            assert await answering.closed() == (ErrorCode.INTERNAL, False)
            assert await dialled.closed() == (ErrorCode.INTERNAL, True)
        [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert record.name == "mycellm.quic"
        assert vars(record)["error"] == "RuntimeError"
        assert "test_link.py" in vars(record)["place"]
        assert "secret" not in caplog.text + str(vars(record))
        honest.link.write(0, b"unharmed", True)
        await also_answering.until(lambda: 0 in also_answering.received)


async def test_a_handler_that_fails_at_the_very_end_harms_nobody() -> None:
    class Failing(Recorder):
        def link_closed(self, code: int, by_peer: bool) -> None:
            super().link_closed(code, by_peer)
            raise RuntimeError

    async with two_hosts() as (here, there):
        failing = Failing()
        here.dial(there, failing)
        link = await failing.ready()
        link.close(0)
        assert await failing.closed() == (0, False)
        await here.link_to(there)


async def test_handlers_are_never_called_inside_each_other() -> None:
    class Strict(Recorder):
        depth = 0

        def link_ready(self, link: Link, binding: bytes) -> None:
            self.depth += 1
            super().link_ready(link, binding)
            link.close(7)
            self.depth -= 1

        def link_closed(self, code: int, by_peer: bool) -> None:
            assert self.depth == 0
            super().link_closed(code, by_peer)

    async with two_hosts() as (here, there):
        strict = Strict()
        here.dial(there, strict)
        assert await strict.closed() == (7, False)


async def test_what_comes_after_a_local_close_is_not_delivered() -> None:
    async with two_hosts() as (here, there):
        dialled, answering = await here.link_to(there)
        answering.on_data = lambda link, stream, data, fin: link.close(9)
        assert dialled.link is not None
        for stream in (0, 4, 8):
            dialled.link.write(stream, b"x", True)
        assert await answering.closed() == (9, False)
        assert [call for call in answering.calls if call[0] == "data"] == [("data", 2, True), ("data", 0, True)]


@pytest.mark.parametrize("change", [{"session_resumed": True}, {"early_data_accepted": True}, {"alpn_protocol": None}])
async def test_only_a_fresh_handshake_of_this_protocol_counts(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    next_event = QuicConnection.next_event

    def changed(self: QuicConnection) -> QuicEvent | None:
        event = next_event(self)
        if isinstance(event, HandshakeCompleted):
            vars(event).update(change)
        return event

    monkeypatch.setattr(QuicConnection, "next_event", changed)
    async with two_hosts() as (here, there):
        dialled = here.dial(there)
        assert await dialled.closed() == (ErrorCode.HANDSHAKE_FAILED, False)
        assert dialled.kinds == ["closed"]


async def test_another_protocol_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with two_hosts() as (here, there):
        with monkeypatch.context() as foreign:
            foreign.setattr(session, "ALPN", "h3")
            dialled = here.dial(there)
        assert await dialled.closed() == (ErrorCode.INTERNAL, True)
        assert await there.accepted[0].closed() == (ErrorCode.INTERNAL, False)
        assert dialled.kinds == there.accepted[0].kinds == ["closed"]


@pytest.mark.parametrize("step", ["receive_datagram", "datagrams_to_send", "handle_timer"])
async def test_an_exception_from_below_ends_one_link(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    async with two_hosts() as (here, there):
        dialled, _ = await here.link_to(there)
        honest, answering = await here.link_to(there)
        assert dialled.link is not None
        assert honest.link is not None
        broken = dialled.link

        def fail(*arguments: object, **named: object) -> None:
            raise IndexError

        monkeypatch.setattr(broken._wire.connection, step, fail)
        broken.write(0, b"go on", True)
        if step == "handle_timer":
            broken._expire(0.0)
        assert await dialled.closed() == (ErrorCode.INTERNAL, False)
        honest.link.write(0, b"unharmed", True)
        await answering.until(lambda: 0 in answering.received)
        assert broken not in set(here.endpoint._routes.values())
