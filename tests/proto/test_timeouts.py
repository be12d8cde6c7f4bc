"""Every wait has a deadline, and says what was waited for. Time is an argument."""

from __future__ import annotations

import pytest

from mycellm_proto import limits
from mycellm_proto.answer import Chunk
from mycellm_proto.content import FinishReason
from mycellm_proto.errors import ErrorCode
from mycellm_proto.events import CancelReceived, Ended, Failed, RequestRefused, Settled, WriteStream
from mycellm_proto.frames import Cancel, Error, Tick, encode
from mycellm_proto.ticks import Chain, ticks_for

from .pair import INPUT, NOW, Pair, order, quote, seed


def idle(pair: Pair) -> bool:
    """Neither side waits for anything."""
    return pair.initiator.connection.next_timeout() is pair.responder.connection.next_timeout() is None


def test_a_request_that_does_not_come_whole() -> None:
    pair = Pair.make()
    offer = pair.advertised()
    pair.initiator.connection.request(order(offer), NOW)
    (action,) = pair.initiator.collect()
    assert isinstance(action, WriteStream)
    pair.responder.feed(0, action.data[:100])
    pair.responder.feed(0, action.data[100:101], now=NOW + 29)
    assert pair.responder.connection.next_timeout() == NOW + limits.REQUEST_TIMEOUT
    pair.responder.connection.handle_timeout(NOW + limits.REQUEST_TIMEOUT)
    pair.responder.collect()
    assert pair.responder.sent(0) == [Error(code=ErrorCode.TIMEOUT)]
    assert pair.responder.ended(0)
    assert pair.responder.connection.next_timeout() is None
    assert not pair.responder.all(Settled) + pair.responder.all(RequestRefused)
    pair.responder.feed(0, action.data[101:], fin=True)
    assert pair.responder.closed is None


def test_a_provider_that_says_nothing() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    assert pair.initiator.connection.next_timeout() == NOW + limits.SILENCE_TIMEOUT
    pair.tick(pair.initiator)
    assert isinstance(pair.initiator.sent(stream)[-1], Cancel)
    assert pair.responder.all(CancelReceived)
    assert not pair.initiator.all(Failed)
    pair.tick(pair.initiator)
    assert pair.now == NOW + limits.SILENCE_TIMEOUT + limits.CLOSING_TIMEOUT
    assert pair.initiator.last(Failed).code == ErrorCode.TIMEOUT
    assert pair.initiator.sent(stream)[-1] == Error(code=ErrorCode.TIMEOUT)
    assert pair.responder.last(Settled).evidence == pair.initiator.last(Failed).evidence
    assert idle(pair)


def test_a_provider_that_never_accepts() -> None:
    pair = Pair.make()
    pair.requested()
    pair.tick(pair.initiator)
    assert pair.now == NOW + limits.SILENCE_TIMEOUT
    pair.tick(pair.initiator)
    assert pair.initiator.last(Failed).code == ErrorCode.TIMEOUT
    assert pair.responder.last(Settled).evidence.ticks == 1
    assert idle(pair)


def test_heartbeats_keep_an_exchange_alive_until_its_deadline() -> None:
    pair = Pair.make()
    stream = pair.streaming(deadline_ms=300_000)
    for _ in range(15):
        pair.tick(pair.responder, limits.HEARTBEAT)
        pair.say(stream, "", tokens=0)
        due = pair.initiator.connection.next_timeout()
        assert due == min(pair.now + limits.SILENCE_TIMEOUT, NOW + 300 + limits.DEADLINE_GRACE)
    pair.tick(pair.initiator)
    assert pair.now == NOW + 300 + limits.DEADLINE_GRACE
    assert isinstance(pair.initiator.sent(stream)[-1], Cancel)
    pair.finish(stream)
    assert pair.initiator.last(Ended).close.finish is FinishReason.CANCELLED


def test_ignored_frames_are_no_sign_of_life() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    due = pair.initiator.connection.next_timeout()
    pair.initiator.feed(stream, b"\x00\x40\x41", now=NOW + 30)
    assert pair.initiator.connection.next_timeout() == due


def test_an_owner_that_does_not_read_is_not_the_providers_silence() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    size = len(encode(Chunk(text="x" * 16_000, tokens=0)))
    for _ in range(4):
        pair.say(stream, "x" * 16_000, tokens=0)
    assert limits.INITIAL_CREDIT - 4 * size < limits.MIN_CREDIT_STEP
    assert pair.initiator.connection.next_timeout() == NOW + 60 + limits.DEADLINE_GRACE
    pair.initiator.connection.consumed(stream, 4 * size, pair.now)
    assert pair.initiator.connection.next_timeout() == NOW + limits.SILENCE_TIMEOUT


def test_a_tick_that_is_not_enough_begins_no_new_wait() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    exchange = pair.responder.connection.provider(stream)
    assert exchange is not None
    assert not exchange.ready(Chunk(text="x", tokens=300), NOW)
    k = exchange.evidence.ticks + 1
    chain = Chain(seed("chain 1"), ticks_for(1000, 64))
    pair.responder.feed(stream, Tick(k=k, link=chain.link(k)), now=NOW + 29)
    assert exchange.evidence.ticks == k
    assert not exchange.ready(Chunk(text="x", tokens=300), NOW + 29)
    assert pair.responder.connection.next_timeout() == NOW + limits.PAYMENT_TIMEOUT


def test_a_tick_that_does_not_come() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    exchange = pair.responder.connection.provider(stream)
    assert exchange is not None
    assert pair.responder.connection.next_timeout() is None
    assert not exchange.ready(Chunk(text="x", tokens=60), NOW + 7)
    assert not exchange.ready(Chunk(text="x", tokens=60), NOW + 20)  # asking again does not extend it
    assert pair.responder.connection.next_timeout() == NOW + 7 + limits.PAYMENT_TIMEOUT
    pair.tick(pair.responder)
    assert pair.initiator.last(Failed).code == ErrorCode.TICK_OVERDUE
    assert pair.responder.last(Settled).evidence == pair.initiator.last(Failed).evidence
    assert idle(pair)


def test_a_tick_in_time_ends_the_wait() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    exchange = pair.responder.connection.provider(stream)
    assert exchange is not None
    pair.responder.connection.chunk(stream, Chunk(text="x", tokens=40), NOW)
    assert not exchange.ready(Chunk(text="x", tokens=10), NOW)
    assert pair.responder.connection.next_timeout() is not None
    pair.exchange()
    assert pair.responder.connection.next_timeout() is None
    assert exchange.ready(Chunk(text="x", tokens=10), NOW)


def test_what_may_go_ends_the_wait_of_what_might_not() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    exchange = pair.responder.connection.provider(stream)
    assert exchange is not None
    assert not exchange.ready(Chunk(text="x", tokens=60), NOW)
    pair.responder.connection.chunk(stream, Chunk(text="x", tokens=1), NOW)
    assert pair.responder.connection.next_timeout() is None


def test_a_countersignature_that_does_not_come() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.finish(stream)
    assert pair.initiator.connection.next_timeout() == NOW + limits.CLOSING_TIMEOUT  # its owner may yet agree
    assert pair.responder.connection.next_timeout() == NOW + limits.CLOSING_TIMEOUT
    pair.tick(pair.responder)
    evidence = pair.responder.last(Settled).evidence
    assert evidence.close is not None
    assert evidence.countersignature is None
    pair.initiator.connection.countersign(stream)  # too late, and harmless
    pair.exchange()
    assert pair.responder.closed is pair.initiator.closed is None
    assert len(pair.responder.all(Settled)) == 1
    assert idle(pair)


def test_a_cancel_that_is_not_answered() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.initiator.connection.cancel(stream, NOW)
    assert pair.initiator.connection.next_timeout() == NOW + limits.CLOSING_TIMEOUT
    pair.initiator.feed(stream, Chunk(text="", tokens=0), now=NOW + 9)
    assert pair.initiator.connection.next_timeout() == NOW + limits.CLOSING_TIMEOUT
    pair.tick(pair.initiator)
    assert pair.initiator.last(Failed).code == ErrorCode.TIMEOUT


@pytest.mark.parametrize("early", [0.001, 5.0])
def test_nothing_happens_before_its_time(early: float) -> None:
    pair = Pair.make()
    stream = pair.streaming()
    exchange = pair.responder.connection.provider(stream)
    assert exchange is not None
    assert not exchange.ready(Chunk(text="x", tokens=60), NOW)
    for side in (pair.initiator, pair.responder):
        due = side.connection.next_timeout()
        assert due is not None
        events = len(side.events)
        side.connection.handle_timeout(due - early)
        assert side.collect() == []
        assert len(side.events) == events


def test_many_waits_end_each_in_its_time() -> None:
    pair = Pair.make()
    offer = pair.advertised()
    streams = []
    for sequence in range(1, 6):
        pair.now = NOW + sequence
        placed = order(offer, sequence=sequence, deadline_ms=1000 * sequence)
        streams.append(pair.initiator.connection.request(placed, pair.now))
        pair.exchange()
        assert pair.responder.connection.accept(streams[-1], INPUT)
        pair.exchange()
    for sequence, stream in enumerate(streams, 1):
        pair.tick(pair.initiator)
        assert pair.now == NOW + 2 * sequence + limits.DEADLINE_GRACE
        assert pair.responder.last(CancelReceived).stream_id == stream
        pair.responder.connection.end(stream, FinishReason.CANCELLED, seed("answer"), pair.now)
        pair.exchange()
        pair.initiator.connection.countersign(stream)
        pair.exchange()
    assert idle(pair)
    assert len(pair.responder.all(Settled)) == 5


def test_a_timeout_after_the_end_of_everything_is_harmless() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.finish(stream)
    pair.initiator.connection.countersign(stream)
    pair.exchange()
    for side in (pair.initiator, pair.responder):
        side.connection.handle_timeout(NOW + 1e9)
        assert side.collect() == []


def test_a_consumer_that_cannot_keep_its_receipt_does_not_hold_the_stream() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.finish(stream)
    assert pair.initiator.all(Ended)
    pair.tick(pair.initiator, limits.CLOSING_TIMEOUT)
    assert pair.initiator.sent(stream)[-1] == Error(code=ErrorCode.TIMEOUT)
    pair.initiator.connection.countersign(stream)
    pair.exchange()
    assert pair.initiator.connection.next_timeout() is None
    settled = pair.responder.last(Settled)
    assert (settled.accepted, settled.evidence.countersignature) == (True, None)


def test_silence_begins_when_a_reader_has_read_again() -> None:
    pair = Pair.make()
    stream = pair.streaming(quote(price_out=0))
    pair.responder.connection.chunk(stream, Chunk(text="x" * 16_000, tokens=0), pair.now)
    for _ in range(3):
        pair.responder.connection.chunk(stream, Chunk(text="x" * 16_000, tokens=0), pair.now)
    pair.exchange()
    pair.now += limits.SILENCE_TIMEOUT - 10  # the owner reads late, within the deadline of the request
    before = pair.initiator.connection.next_timeout()
    pair.initiator.connection.consumed(stream, 64_000, pair.now)
    after = pair.initiator.connection.next_timeout()
    assert before is not None
    assert after is not None
    assert after >= before
    assert after > pair.now
