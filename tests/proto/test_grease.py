"""Reserved values (RFC 8701): sent everywhere that they may be, accepted everywhere, never first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycellm_proto import codec
from mycellm_proto.events import Ended, Settled, WriteStream
from mycellm_proto.frames import LIMITS, FrameType, HelloFrame, UnknownFrame
from mycellm_proto.framing import FrameReader, RawFrame
from mycellm_proto.grease import RESERVED, Grease
from mycellm_proto.hello import RESPONDER_HELLO
from mycellm_proto.limits import MAX_SMALL

from .pair import Pair, Side


def settled(grease: bytes) -> Pair:
    """A whole exchange."""
    pair = Pair.make(grease=grease)
    stream = pair.streaming()
    pair.say(stream, "Hello")
    pair.finish(stream)
    pair.initiator.connection.countersign(stream)
    pair.exchange()
    assert pair.responder.last(Settled).evidence == pair.initiator.last(Ended).evidence
    assert pair.initiator.closed is pair.responder.closed is None
    return pair


def raw_frames(side: Side) -> dict[int, list[RawFrame]]:
    """What a side wrote, per stream."""
    data: dict[int, bytes] = {}
    for action in side.wire:
        if isinstance(action, WriteStream):
            data[action.stream_id] = data.get(action.stream_id, b"") + action.data
    return {stream: list(FrameReader(LIMITS, MAX_SMALL).feed(each)) for stream, each in data.items()}


def test_reserved_values_are_odd_and_registered_nowhere() -> None:
    assert len(set(RESERVED)) == 256
    assert all(value % 2 for value in RESERVED)
    assert not set(RESERVED) & {int(kind) for kind in FrameType}
    assert (RESERVED[0], RESERVED[-1]) == (65, 15_875)


@given(st.binary(min_size=1, max_size=32))
def test_an_exchange_succeeds_whatever_is_drawn(grease: bytes) -> None:
    pair = settled(grease)
    for side in (pair.initiator, pair.responder):
        for frames in raw_frames(side).values():
            assert frames[0].type in set(FrameType)
            unknown = [frame for frame in frames if frame.type not in set(FrameType)]
            assert all(frame.type in RESERVED for frame in unknown)


def test_it_is_sent_as_type_as_key_and_as_capability() -> None:
    pair = settled(b"grease")
    sent = [frame for side in (pair.initiator, pair.responder) for each in raw_frames(side).values() for frame in each]
    types = {frame.type for frame in sent} - set(FrameType)
    assert types
    keys = {
        FrameType(frame.type).name
        for frame in sent
        if frame.type in set(FrameType)
        and isinstance(body := codec.decode(frame.body), dict)
        and set(body) & set(RESERVED)
    }
    assert keys == {"MODELS", "REQUEST", "ACCEPT"}
    hello = pair.responder.sent(3)[0]
    assert isinstance(hello, HelloFrame)
    assert set(RESPONDER_HELLO.read(codec.decode(hello.hello.body))["capabilities"]) & set(RESERVED)


def test_without_a_seed_nothing_reserved_is_sent() -> None:
    pair = settled(b"")
    for side in (pair.initiator, pair.responder):
        for stream in raw_frames(side):
            assert not [frame for frame in side.sent(stream) if isinstance(frame, UnknownFrame)]


@pytest.mark.parametrize("seed", [b"a", b"b" * 32])
def test_draws_are_a_function_of_the_seed(seed: bytes) -> None:
    draws = [[Grease(seed).draw() for _ in range(3)] for _ in range(2)]
    assert draws[0] == draws[1]
    stream = Grease(seed)
    assert len({stream.draw() for _ in range(64)}) > 32
    assert Grease(b"").draw() is None
    assert Grease(b"").keys() == {}
