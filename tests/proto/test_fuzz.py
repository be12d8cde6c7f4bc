"""Hostile bytes: nothing raises, nothing grows, and whatever was begun comes to an end."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mycellm_proto import codec, limits
from mycellm_proto.answer import Chunk
from mycellm_proto.calls import Procedure
from mycellm_proto.connection import Connection
from mycellm_proto.content import FinishReason
from mycellm_proto.economy import sign
from mycellm_proto.errors import ErrorCode, LocalProtocolError
from mycellm_proto.events import (
    Authenticated,
    CancelReceived,
    ChunkReceived,
    CloseConnection,
    ConnectionFailed,
    Ended,
    Failed,
    ModelsChanged,
    RequestReceived,
    Settled,
)
from mycellm_proto.frames import FrameType, UnknownFrame, encode
from mycellm_proto.framing import encode_frame
from mycellm_proto.hello import ConnectionRole

from .pair import ALICE, BINDING, BOB, INPUT, NOW, Pair, Side, bytewise, order, quote, seed
from .strategies import VALUES, maps, mutated
from .test_frames import FRAME_SHAPES
from .watch import assert_dead, footprint

STREAMS = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 8, 12, 400, 1 << 40])
SOME_FRAME = st.sampled_from(sorted(FRAME_SHAPES)).flatmap(
    lambda kind: maps(FRAME_SHAPES[kind]).map(codec.encode).map(lambda body: encode_frame(kind, body))
)
LOOSE_FRAME = st.tuples(
    st.sampled_from([*FrameType, 1, 65, 66, 127]), VALUES.map(codec.encode) | st.binary(max_size=60)
)
BYTES = st.binary(max_size=80) | SOME_FRAME | SOME_FRAME.flatmap(mutated) | LOOSE_FRAME.map(lambda f: encode_frame(*f))
INPUTS = st.lists(
    st.tuples(st.sampled_from(["data", "data", "data", "fin", "reset", "time"]), STREAMS, BYTES), max_size=12
)


def lone(role: ConnectionRole) -> Side:
    key, peer = (ALICE, BOB.public) if role is ConnectionRole.INITIATOR else (BOB, None)
    return Side(Connection(role=role, key=key, binding=BINDING, expected_peer=peer, now=NOW))


def busy(name: str) -> Side:
    """One side of a connection on which an answer streams, a request and two calls wait, and a bill is not agreed."""
    pair = Pair.make()
    offer = pair.advertised()
    for sequence, then in enumerate(("stream", "wait", "end"), 1):
        stream = pair.initiator.connection.request(order(offer, sequence=sequence), NOW)
        pair.exchange()
        if then != "wait":
            pair.responder.connection.accept(stream, INPUT)
            pair.say(stream, "Hello")
        if then == "end":
            pair.finish(stream)
    pair.called()
    pair.responder.connection.call(Procedure.BALANCE, b"", NOW)
    pair.exchange()
    side: Side = getattr(pair, name)
    side.collect()
    return side


def throw(side: Side, inputs: list[tuple[str, int, bytes]]) -> None:
    """Feed it all: no exception, no growth beyond what came, and one close at most."""
    before, came, now = footprint(side.connection), 0, NOW
    for what, stream, data in inputs:
        if what == "reset":
            side.connection.receive_reset(stream, now)
        elif what == "time":
            now += 7
            side.connection.handle_timeout(now)
        else:
            came += len(data)
            side.connection.receive_data(stream, data, what == "fin", now)
        closes = [action for action in side.collect() if isinstance(action, CloseConnection)]
        if closes:
            (close,) = closes
            assert side.last(ConnectionFailed).error.code == close.code
            assert_dead(side)
            return
    # Frames are decoded into objects of their own: a small multiple, and the fixed cost of each new stream.
    assert footprint(side.connection) - before < 10 * came + 1000 * len(inputs) + 8 * limits.MAX_SKIPPED


@pytest.mark.parametrize("role", list(ConnectionRole))
@given(inputs=INPUTS)
def test_a_stranger_can_do_no_harm(role: ConnectionRole, inputs: list[tuple[str, int, bytes]]) -> None:
    side = lone(role)
    side.collect()
    throw(side, inputs)
    assert side.connection.session is None
    assert not side.all(Authenticated) + side.all(RequestReceived)


@pytest.mark.parametrize("name", ["initiator", "responder"])
@given(inputs=INPUTS)
def test_an_authenticated_peer_can_do_no_harm_either(name: str, inputs: list[tuple[str, int, bytes]]) -> None:
    side = busy(name)
    signed = len(side.all(Ended))
    throw(side, inputs)
    assert len(side.all(Ended)) == signed  # nothing was countersigned for any of it
    assert all(event.evidence.countersignature is None for event in side.all(Settled))


@dataclass
class Run:
    """An exchange whose owners act by themselves, over a wire that alters one byte."""

    at: int | None = None
    flip: int = 1
    passed: int = 0
    pair: Pair = field(init=False)
    cursors: dict[str, int] = field(default_factory=dict)
    asked: int = 0

    def __post_init__(self) -> None:
        self.pair = Pair.make(slices=self.alter)

    def alter(self, data: bytes) -> list[bytes]:
        start, self.passed = self.passed, self.passed + len(data)
        if self.at is not None and start <= self.at < self.passed:
            at = self.at - start
            data = data[:at] + bytes((data[at] ^ self.flip,)) + data[at + 1 :]
        return [data]

    def act(self) -> bool:
        """What the owners of both sides do about what happened; whether anything had."""
        before = dict(self.cursors)
        for name in ("initiator", "responder"):
            side: Side = getattr(self.pair, name)
            while (at := self.cursors.get(name, 0)) < len(side.events):
                self.cursors[name] = at + 1
                self.react(side.connection, side.events[at])
        return self.cursors != before

    def react(self, connection: Connection, event: object) -> None:
        match event:
            case Authenticated() if connection is self.pair.responder.connection:
                connection.advertise([sign(BOB, quote())], self.pair.now)
            case ModelsChanged() if event.quotes and not self.asked:
                with suppress(LocalProtocolError):  # the connection failed right behind the quotes
                    connection.request(order(event.quotes[0]), self.pair.now)
                    self.asked += 1
            case RequestReceived() if connection.accept(event.stream_id, INPUT):
                for word in ("Hello", ", ", "world"):
                    connection.chunk(event.stream_id, Chunk(text=word, tokens=10), self.pair.now)
                connection.end(event.stream_id, FinishReason.STOP, seed("answer"), self.pair.now)
            case CancelReceived():
                connection.end(event.stream_id, FinishReason.CANCELLED, seed("answer"), self.pair.now)
            case ChunkReceived():
                connection.consumed(event.stream_id, event.size, self.pair.now)
            case Ended():
                connection.countersign(event.stream_id)

    def play(self) -> Run:
        """Run until nobody waits for anything."""
        for _ in range(60):
            moved = self.pair.passed_on()
            if not self.act() and not moved:
                dues = [side.connection.next_timeout() for side in (self.pair.initiator, self.pair.responder)]
                waits = [due for due in dues if due is not None]
                if not waits:
                    return self
                self.pair.now = min(waits)
                for side in (self.pair.initiator, self.pair.responder):
                    side.connection.handle_timeout(self.pair.now)
        raise AssertionError("it never ends")


def test_the_unaltered_run_is_whole() -> None:
    run = Run().play()
    assert run.pair.initiator.last(Ended).close.output_tokens == 30
    assert run.pair.responder.last(Settled).evidence.countersignature is not None
    assert run.pair.initiator.closed is run.pair.responder.closed is None


LENGTH = Run().play().passed


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(at=st.integers(0, LENGTH - 1), flip=st.integers(1, 255))
def test_one_altered_byte_never_hangs_nor_deceives(at: int, flip: int) -> None:
    """Whatever it hits, both ends come to an end, and money moves only on what both signed."""
    run = Run(at=at, flip=flip).play()
    pair = run.pair
    ended, failed, settled = pair.initiator.all(Ended), pair.initiator.all(Failed), pair.responder.all(Settled)
    assert len(ended) + len(failed) <= run.asked
    if pair.initiator.closed is None and pair.responder.closed is None:
        assert len(ended) + len(failed) == run.asked
    for event in settled:
        if event.evidence.countersignature is not None:
            (agreed,) = [each.evidence for each in ended]
            # A tick that was altered on its way pays for nothing.
            assert event.evidence.ticks <= agreed.ticks
            assert replace(event.evidence, ticks=agreed.ticks, link=agreed.link) == agreed
    for side in (pair.initiator, pair.responder):
        assert footprint(side.connection) < 10_000


@given(st.lists(st.sampled_from([65, 127, 189, 15_875]), max_size=20))
def test_reserved_frames_between_any_two_frames_change_nothing(types: list[int]) -> None:
    pair = Pair.make()
    stream = pair.streaming()
    for at, kind in enumerate(types):
        for side, where in ((pair.initiator, stream), (pair.responder, stream), (pair.responder, 2)):
            side.feed(where, UnknownFrame(type=kind, body=bytes(at)), now=NOW + at)
    pair.say(stream, "Hello")
    pair.finish(stream)
    pair.initiator.connection.countersign(stream)
    pair.exchange()
    assert pair.responder.last(Settled).evidence.countersignature is not None


def test_a_run_is_the_same_byte_by_byte() -> None:
    whole, drops = Pair.make(), Pair.make(slices=bytewise)
    for pair in (whole, drops):
        stream = pair.streaming()
        pair.say(stream, "Hello", "world")
        pair.finish(stream)
        pair.initiator.connection.countersign(stream)
        pair.exchange()
    assert whole.initiator.wire == drops.initiator.wire
    assert whole.responder.wire == drops.responder.wire
    assert whole.initiator.events == drops.initiator.events


def test_closing_codes_are_registered() -> None:
    for data in (b"\x00\x40\x00", encode(UnknownFrame(type=64, body=b"")), b"\xff" * 16):
        side = busy("responder")
        side.feed(0, data)
        assert side.closed in set(ErrorCode)
