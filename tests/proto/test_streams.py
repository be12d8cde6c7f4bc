"""Streams: whose they are, in which order they come, how they end, and how much of them is kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mycellm_proto import limits
from mycellm_proto.content import FinishReason, Message, Role
from mycellm_proto.economy import sign
from mycellm_proto.errors import ErrorCode, LocalProtocolError
from mycellm_proto.events import ConnectionFailed, Ended, Failed, ModelsChanged, RequestReceived, Settled, WriteStream
from mycellm_proto.frames import Error, Models, Request, UnknownFrame, encode
from mycellm_proto.framing import encode_varint

from .pair import ALICE, BOB, INPUT, NOW, Pair, order, quote, seed
from .watch import assert_dead, footprint


def requests(pair: Pair, count: int, start: int = 1) -> list[bytes]:
    """The bytes of so many honest requests, undelivered."""
    offer = pair.initiator.last(ModelsChanged).quotes[0]
    found = []
    for sequence in range(start, start + count):
        placed = order(offer, sequence=sequence)
        prepaid = placed.chain.link(placed.quote.prepaid_ticks)
        request = Request(content=placed.content, salt=placed.salt, open=placed.signed_open, prepaid=prepaid)
        found.append(encode(request))
    return found


def test_streams_arrive_in_any_order() -> None:
    """Packets overtake each other: the first bytes of stream 8 may come before those of stream 0."""
    pair = Pair.make()
    pair.advertised()
    data = requests(pair, 3)
    for at in (2, 0, 1):
        pair.responder.feed(4 * at, data[at])
    assert [event.stream_id for event in pair.responder.all(RequestReceived)] == [8, 0, 4]
    assert pair.responder.closed is None


def test_no_more_streams_are_left_out_than_packets_can_overtake() -> None:
    pair = Pair.make()
    pair.advertised()
    pair.responder.feed(4 * limits.MAX_SKIPPED, b"\0")
    assert pair.responder.closed is None
    pair.responder.feed(4 * limits.MAX_SKIPPED + 8, b"\0")
    assert pair.responder.closed == ErrorCode.STREAM_MISUSE
    victim = Pair.make()
    victim.advertised()
    before = footprint(victim.responder.connection)
    victim.responder.feed(4 << 56, b"\0")
    assert victim.responder.closed == ErrorCode.STREAM_MISUSE
    assert footprint(victim.responder.connection) - before < 1000


def test_streams_that_were_reset_before_anything_came_are_not_waited_for() -> None:
    pair = Pair.make()
    pair.advertised()
    for stream in range(0, 16 * limits.MAX_SKIPPED, 8):
        pair.responder.connection.receive_reset(stream, NOW)
        pair.responder.feed(stream + 4, b"\0", fin=True)
    assert pair.responder.closed is None
    pair.responder.feed(0, b"\0")
    assert pair.responder.collect() == []


@pytest.mark.parametrize("stream", [1, 5, 6, 7, 10, 11, (1 << 60) + 1])
def test_a_stream_that_is_nobodys_is_misuse(stream: int) -> None:
    pair = Pair.make()
    running = pair.streaming()
    pair.responder.feed(stream, b"\0")
    assert pair.responder.closed == ErrorCode.STREAM_MISUSE
    assert pair.responder.last(Settled).stream_id == running
    assert_dead(pair.responder)


def test_nobody_writes_where_it_is_read() -> None:
    pair = Pair.make()
    pair.advertised()
    pair.responder.feed(3, b"\0")
    assert pair.responder.closed == ErrorCode.STREAM_MISUSE


@pytest.mark.parametrize("how", ["fin", "reset", "stop"])
def test_a_control_stream_lives_as_long_as_its_connection(how: str) -> None:
    pair = Pair.make()
    running = pair.streaming()
    if how == "fin":
        pair.responder.feed(2, b"", fin=True)
    else:
        pair.responder.connection.receive_reset(2 if how == "reset" else 3, NOW)
        pair.responder.collect()
    assert pair.responder.closed == ErrorCode.STREAM_MISUSE
    assert pair.responder.last(Settled).stream_id == running


End = Callable[[Pair, int], None]


def _fin(side: str) -> End:
    return lambda pair, stream: getattr(pair, side).connection.receive_data(stream, b"", True, NOW)


def _reset(side: str) -> End:
    return lambda pair, stream: getattr(pair, side).connection.receive_reset(stream, NOW)


def _reach(state: str) -> tuple[Pair, int]:
    """An exchange whose provider stands in ``state``."""
    pair = Pair.make()
    if state == "requested":
        return pair, pair.requested()
    stream = pair.streaming()
    pair.say(stream, "Hello")
    if state in ("cancelled", "closed after cancel"):
        pair.initiator.connection.cancel(stream, NOW)
        pair.exchange()
    if state in ("ended", "closed after cancel"):
        pair.finish(stream)
    if state == "done":
        pair.finish(stream)
        pair.initiator.connection.countersign(stream)
        pair.exchange()
    return pair, stream


STATES = ["requested", "streaming", "cancelled", "ended", "closed after cancel", "done"]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("end", [_fin("responder"), _reset("responder")], ids=["fin", "reset"])
def test_a_consumer_that_goes_leaves_a_claim_to_its_last_tick(state: str, end: End) -> None:
    pair, stream = _reach(state)
    settled = len(pair.responder.all(Settled))
    end(pair, stream)
    pair.responder.collect()
    assert pair.responder.closed is None
    assert pair.responder.connection.provider(stream) is None
    assert pair.responder.ended(stream)
    assert len(pair.responder.all(Settled)) == 1
    if settled == 0:
        evidence = pair.responder.last(Settled).evidence
        assert (evidence.ticks, evidence.countersignature) == (1, None)
        assert (evidence.close is not None) is (state in ("ended", "closed after cancel"))
    assert pair.responder.connection.next_timeout() is None
    pair.responder.feed(stream, Error(code=1))  # what was on its way
    assert pair.responder.closed is None


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("end", [_fin("initiator"), _reset("initiator")], ids=["fin", "reset"])
def test_a_provider_that_goes_is_owed_what_was_released(state: str, end: End) -> None:
    pair, stream = _reach(state)
    end(pair, stream)
    pair.initiator.collect()
    assert pair.initiator.closed is None
    if state in ("ended", "closed after cancel", "done"):
        assert not pair.initiator.all(Failed)
        assert len(pair.initiator.all(Ended)) == 1
    else:
        failed = pair.initiator.last(Failed)
        assert (failed.code, failed.evidence.ticks, failed.evidence.close) == (ErrorCode.PEER_GONE, 1, None)
        assert pair.initiator.ended(stream)
    assert (pair.initiator.connection.next_timeout() is None) is pair.initiator.ended(stream)


@pytest.mark.parametrize("state", STATES)
def test_a_lost_connection_ends_every_exchange_once(state: str) -> None:
    pair, _ = _reach(state)
    for side in (pair.initiator, pair.responder):
        side.connection.connection_lost(ErrorCode.SHUTTING_DOWN)
        side.collect()
        assert_dead(side)
    assert len(pair.responder.all(Settled)) == 1
    assert len(pair.initiator.all(Failed)) + len(pair.initiator.all(Ended)) == 1
    assert all(event.code == ErrorCode.SHUTTING_DOWN for event in pair.initiator.all(Failed))


@pytest.mark.parametrize("state", STATES)
def test_a_node_that_closes_says_why(state: str) -> None:
    pair, _ = _reach(state)
    pair.responder.connection.close(ErrorCode.SHUTTING_DOWN)
    pair.exchange()
    assert pair.responder.closed == ErrorCode.SHUTTING_DOWN
    assert len(pair.responder.all(Settled)) == 1
    assert_dead(pair.responder)
    assert_dead(pair.initiator)


def test_a_stream_that_ends_before_its_request_is_whole_is_ended_too() -> None:
    pair = Pair.make()
    pair.advertised()
    (data,) = requests(pair, 1)
    for stream, cut in ((0, 0), (4, 1), (8, 40)):
        pair.responder.feed(stream, data[:cut], fin=True)
        assert pair.responder.ended(stream)
        assert pair.responder.connection.provider(stream) is None
    pair.responder.feed(12, data, fin=True)  # whole, but its consumer is gone: a cancel at the prepaid ticks
    assert pair.responder.last(RequestReceived).stream_id == 12
    assert pair.responder.last(Settled).evidence.ticks == 1
    assert not pair.responder.connection.accept(12, INPUT)


def test_the_65th_request_is_busy_and_the_64_go_on() -> None:
    pair = Pair.make()
    pair.advertised()
    data = requests(pair, limits.MAX_STREAMS + 2)
    for at in range(limits.MAX_STREAMS):
        pair.responder.feed(4 * at, data[at])
    assert len(pair.responder.all(RequestReceived)) == limits.MAX_STREAMS
    late = 4 * limits.MAX_STREAMS
    pair.responder.feed(late, data[limits.MAX_STREAMS])
    (answer,) = pair.responder.sent(late)
    assert isinstance(answer, Error)
    assert (answer.code, answer.retry_after_ms) == (ErrorCode.BUSY, 1000)
    assert pair.responder.ended(late)
    pair.responder.connection.refuse(0, ErrorCode.INTERNAL)
    pair.responder.feed(late + 4, data[-1])
    assert pair.responder.last(RequestReceived).stream_id == late + 4
    for at in range(1, limits.MAX_STREAMS):
        assert pair.responder.connection.accept(4 * at, INPUT)
    assert pair.responder.closed is None


def test_a_node_asks_no_more_than_its_peer_takes() -> None:
    pair = Pair.make()
    offer = pair.advertised()
    for sequence in range(1, limits.MAX_STREAMS + 1):
        pair.initiator.connection.request(order(offer, sequence=sequence), NOW)
    pair.exchange()
    late = order(offer, sequence=100)
    with pytest.raises(LocalProtocolError) as refused:
        pair.initiator.connection.request(late, NOW)
    assert refused.value.code is ErrorCode.BUSY
    assert pair.initiator.collect() == []
    pair.responder.connection.refuse(0, ErrorCode.INTERNAL)
    pair.exchange()
    assert pair.initiator.connection.request(late, NOW) == 4 * limits.MAX_STREAMS


def test_a_node_sends_no_more_unanswered_bytes_than_its_peer_keeps() -> None:
    """Else honest requests on five streams would cost the connection (FRM-006)."""
    pair = Pair.make()
    offer = pair.advertised()
    long = (Message(role=Role.USER, content="x" * (limits.MAX_REQUEST - 1000)),)
    for sequence in range(1, 5):
        pair.initiator.connection.request(order(offer, sequence=sequence, messages=long), NOW)
    with pytest.raises(LocalProtocolError) as refused:
        pair.initiator.connection.request(order(offer, sequence=5, messages=long), NOW)
    assert refused.value.code is ErrorCode.BUSY
    pair.initiator.connection.cancel(0, NOW)  # its bytes are on their way all the same
    with pytest.raises(LocalProtocolError):
        pair.initiator.connection.request(order(offer, sequence=5, messages=long), NOW)
    pair.exchange()
    pair.responder.connection.accept(4, 1)
    pair.exchange()
    pair.initiator.connection.request(order(offer, sequence=6, messages=long), NOW)
    pair.exchange()
    assert len(pair.responder.all(RequestReceived)) == 5


def test_what_a_node_asks_does_not_count_against_what_its_peer_may_ask() -> None:
    pair = Pair.make()
    pair.advertised()
    pair.initiator.connection.advertise([sign(ALICE, quote(ALICE))], NOW)
    pair.exchange()
    offer = pair.responder.last(ModelsChanged).quotes[0]
    for sequence in range(1, limits.MAX_STREAMS + 1):
        pair.responder.connection.request(order(offer, key=BOB, sequence=sequence), NOW)
    (data,) = requests(pair, 1)
    pair.responder.feed(0, data)
    assert pair.responder.last(RequestReceived).stream_id == 0


def test_unfinished_frames_are_bounded_all_streams_together() -> None:
    """Seen in the field: a megabyte on the wire became gigabytes in memory."""
    pair = Pair.make()
    pair.advertised()
    before = footprint(pair.responder.connection)
    head = encode_varint(limits.MAX_REQUEST) + b"\6"
    size = limits.MAX_REQUEST - 100
    for at in range(4):
        pair.responder.feed(4 * at, head + bytes(size))
    assert pair.responder.closed is None
    pair.responder.feed(16, head + bytes(1000))
    assert pair.responder.closed == ErrorCode.RATE_EXCEEDED
    assert pair.responder.last(ConnectionFailed).error.requirement == "FRM-006"
    assert footprint(pair.responder.connection) - before < 10_000
    assert_dead(pair.responder)


def test_a_whole_request_of_the_largest_size_is_taken_while_others_wait() -> None:
    pair = Pair.make()
    pair.advertised()
    (data,) = requests(pair, 1)
    pair.responder.feed(4, encode_varint(limits.MAX_REQUEST) + b"\6" + bytes(limits.MAX_REQUEST - 1))
    pair.responder.feed(0, data)
    assert pair.responder.last(RequestReceived).stream_id == 0


def test_bytes_for_streams_that_are_over_are_counted_and_dropped() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.responder.connection.refuse(stream, ErrorCode.INTERNAL)
    pair.responder.collect()
    before = footprint(pair.responder.connection)
    for _ in range(limits.MAX_DISCARDED // 4096):
        pair.responder.feed(stream, bytes(4096))
    assert pair.responder.closed is None
    assert footprint(pair.responder.connection) <= before
    twin = requests(pair, 1, start=2)
    pair.responder.feed(4, twin[0])
    for _ in range(limits.MAX_DISCARDED // 4096):
        pair.responder.feed(stream, bytes(4096))
    assert pair.responder.closed is None
    pair.responder.feed(stream, b"\0")
    assert pair.responder.closed == ErrorCode.RATE_EXCEEDED
    assert pair.responder.last(ConnectionFailed).error.requirement == "FLW-007"


def test_a_consumer_drops_what_was_on_its_way_too() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.initiator.connection.receive_reset(stream, NOW)
    pair.initiator.feed(stream, bytes(limits.MAX_DISCARDED))
    offer = pair.initiator.last(ModelsChanged).quotes[0]
    pair.initiator.connection.request(order(offer, sequence=2), NOW)
    pair.initiator.feed(stream, bytes(limits.MAX_DISCARDED))
    assert pair.initiator.closed is None
    pair.initiator.feed(stream, b"\0")
    assert pair.initiator.closed == ErrorCode.RATE_EXCEEDED


@pytest.mark.parametrize("side", ["initiator", "responder"])
def test_ignored_frames_are_bounded_on_a_request_stream(side: str) -> None:
    pair = Pair.make()
    stream = pair.streaming()
    victim = getattr(pair, side)
    sent = 1  # the peer's own reserved frame
    for _ in range(limits.MAX_IGNORED - sent):
        victim.feed(stream, UnknownFrame(type=65, body=bytes(limits.MAX_SMALL)))
    assert victim.closed is None
    victim.feed(stream, UnknownFrame(type=65, body=b""))
    assert victim.closed == ErrorCode.UNKNOWN_FRAME


@pytest.mark.parametrize("kind", [30, 64, 1 << 40])
def test_an_unknown_even_frame_is_fatal(kind: int) -> None:
    for stream in (2, 0):
        pair = Pair.make()
        pair.streaming()
        pair.responder.feed(stream, UnknownFrame(type=kind, body=b""))
        assert pair.responder.closed == ErrorCode.UNKNOWN_FRAME
        assert pair.responder.all(Settled)


@pytest.mark.parametrize("frame", [UnknownFrame(type=65, body=b""), Models(quotes=())])
def test_a_control_stream_has_a_rate(frame: UnknownFrame | Models) -> None:
    pair = Pair.make(grease=b"")
    pair.exchange()
    bob = pair.responder
    for _ in range(limits.CONTROL_BURST):
        bob.feed(2, frame, now=NOW)
    assert bob.closed is None
    bob.feed(2, frame, now=NOW + 1 / limits.CONTROL_RATE)
    assert bob.closed is None
    bob.feed(2, frame, now=NOW + 1 / limits.CONTROL_RATE)
    assert bob.closed == ErrorCode.RATE_EXCEEDED
    assert bob.last(ConnectionFailed).error.requirement == "CTL-004"


def test_frames_that_do_not_belong_on_their_stream_are_refused() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    request = pair.initiator.sent(stream)[0]
    assert isinstance(request, Request)
    for where, frame in ((2, request), (2, Error(code=1)), (stream, request), (stream, Models(quotes=()))):
        victim = Pair.make()
        assert victim.streaming() == stream
        victim.responder.feed(where, frame)
        assert victim.responder.closed == ErrorCode.UNEXPECTED_FRAME
        assert victim.responder.last(Settled).stream_id == stream


def test_every_request_is_sliced_as_it_likes() -> None:
    pair = Pair.make()
    pair.advertised()
    (data,) = requests(pair, 1)
    for at in range(len(data)):
        pair.responder.feed(0, data[at : at + 1])
    assert pair.responder.last(RequestReceived).stream_id == 0
    assert pair.responder.connection.accept(0, INPUT)


def test_a_tail_behind_the_last_frame_is_dropped() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.responder.connection.end(stream, FinishReason.STOP, seed("answer"), NOW)
    pair.exchange()
    pair.initiator.connection.countersign(stream)
    countersign = pair.initiator.collect()[0]
    assert isinstance(countersign, WriteStream)
    pair.responder.feed(stream, countersign.data + encode(Error(code=1)) + b"\x40", fin=True)
    assert pair.responder.closed is None
    assert pair.responder.last(Settled).evidence.countersignature is not None


def test_an_offer_is_not_kept_when_it_could_not_be_made() -> None:
    pair = Pair.make()
    pair.exchange()
    before = footprint(pair.responder.connection)
    pair.responder.connection.close(ErrorCode.NO_ERROR)
    pair.responder.connection.advertise([sign(BOB, quote())], NOW)
    assert footprint(pair.responder.connection) <= before + 100
