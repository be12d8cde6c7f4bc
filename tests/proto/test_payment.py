"""Ticks, credit, ceilings and windows: neither side trusts the other with more than it agreed to."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycellm_proto import limits
from mycellm_proto.answer import Chunk
from mycellm_proto.content import FinishReason
from mycellm_proto.errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from mycellm_proto.events import Accepted, ChunkReceived, ConnectionFailed, Ended, Failed, Settled, Unblocked
from mycellm_proto.frames import Accept, Credit, Error, Tick, encode
from mycellm_proto.ticks import Chain, Meter, ticks_for

from .pair import INPUT, NOW, Pair, order, quote, seed
from .watch import assert_dead


def chain_of(sequence: int = 1, ceiling: int = 1000) -> Chain:
    """The chain of the order of that number."""
    return Chain(seed(f"chain {sequence}"), ticks_for(ceiling, 64))


@given(st.integers(0, 40), st.lists(st.integers(0, 45), max_size=6), st.binary(min_size=32, max_size=32))
def test_a_meter_takes_ascending_links_of_its_own_chain(most: int, steps: list[int], forged: bytes) -> None:
    chain = Chain(seed("chain"), 40)
    meter = Meter(chain.anchor, most)
    for k in steps:
        before = (meter.ticks, meter.link)
        if before[0] <= k <= most:
            meter.release(k, chain.link(k))
            assert (meter.ticks, meter.link) == (k, chain.link(k))
        else:
            with pytest.raises(RemoteProtocolError):
                meter.release(k, chain.link(min(k, 40)))
            assert (meter.ticks, meter.link) == before
        with pytest.raises(RemoteProtocolError):
            meter.release(meter.ticks, forged)


def test_a_meter_ends_at_the_most_ticks_of_an_open() -> None:
    chain = Chain(seed("long"), limits.MAX_TICKS)
    meter = Meter(chain.anchor, limits.MAX_AMOUNT)
    meter.release(limits.MAX_TICKS, chain.link(limits.MAX_TICKS))
    with pytest.raises(RemoteProtocolError):
        meter.release(limits.MAX_TICKS + 1, bytes(32))


@given(st.integers(0, limits.MAX_AMOUNT), st.integers(1, limits.MAX_AMOUNT))
def test_ticks_cover_what_is_owed_and_no_more(owed: int, value: int) -> None:
    k = ticks_for(owed, value)
    assert (k - 1) * value < owed <= k * value or (k == owed == 0)


@pytest.mark.parametrize(
    ("k", "link"),
    [
        (1, chain_of().link(1)),
        (0, chain_of().link(0)),
        (17, bytes(32)),
        (limits.MAX_TICKS, bytes(32)),
        (2, chain_of().link(3)),
        (2, chain_of(2).link(2)),
        (2, bytes(32)),
    ],
    ids=["not advancing", "going back", "beyond the most", "beyond any", "of another place", "of another open", "none"],
)
def test_a_bad_tick_ends_its_exchange_with_the_claim_before_it(k: int, link: bytes) -> None:
    pair = Pair.make()
    stream = pair.streaming()
    bob = pair.responder
    exchange = bob.connection.provider(stream)
    assert exchange is not None
    before = exchange.evidence
    bob.feed(stream, Tick(k=k, link=link))
    assert bob.sent(stream)[-1] == Error(code=ErrorCode.BAD_TICK)
    assert bob.last(Settled).evidence == before
    assert bob.closed is None
    twin = Pair.make()
    stream = twin.streaming()
    twin.responder.feed(stream, Tick(k=2, link=chain_of().link(2)))
    assert not twin.responder.all(Settled)
    assert twin.responder.last(Unblocked).stream_id == stream


def test_a_provider_stays_within_the_window_of_unpaid_ticks() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    bob = pair.responder.connection
    exchange = bob.provider(stream)
    assert exchange is not None
    allowed = ((1 + 2) * 64 - INPUT) // 4  # prepaid and window, less the prompt
    assert exchange.ready(Chunk(text="x", tokens=allowed), NOW)
    assert not exchange.ready(Chunk(text="x", tokens=allowed + 1), NOW)
    with pytest.raises(LocalProtocolError):
        bob.chunk(stream, Chunk(text="x", tokens=allowed + 1), NOW)
    assert pair.responder.collect() == []
    bob.chunk(stream, Chunk(text="x", tokens=allowed), NOW)
    assert not exchange.ready(Chunk(text="x", tokens=1), NOW)
    pair.exchange()
    assert exchange.ready(Chunk(text="x", tokens=1), NOW)


def test_a_provider_stays_within_the_ceiling_and_what_was_asked() -> None:
    """Seen in the field: a budget of 5 produced 60 tokens."""
    pair = Pair.make()
    stream = pair.streaming(quote(window=100), ceiling=100, max_tokens=1000)
    exchange = pair.responder.connection.provider(stream)
    assert exchange is not None
    assert exchange.bound(Chunk(text="x", tokens=22)) is None
    assert exchange.bound(Chunk(text="x", tokens=23)) is FinishReason.CEILING
    with pytest.raises(LocalProtocolError):
        pair.responder.connection.chunk(stream, Chunk(text="x", tokens=23), NOW)
    pair = Pair.make()
    stream = pair.streaming(max_tokens=5)
    exchange = pair.responder.connection.provider(stream)
    assert exchange is not None
    assert exchange.bound(Chunk(text="x", tokens=5)) is None
    assert exchange.bound(Chunk(text="x", tokens=6)) is FinishReason.LENGTH


def test_a_heartbeat_does_not_extend_the_wait_for_a_tick() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    exchange = pair.responder.connection.provider(stream)
    assert exchange is not None
    assert not exchange.ready(Chunk(text="x", tokens=60), NOW)
    due = pair.responder.connection.next_timeout()
    assert due == NOW + limits.PAYMENT_TIMEOUT
    pair.responder.connection.chunk(stream, Chunk(text="", tokens=0), NOW + 20)
    assert pair.responder.connection.next_timeout() == due


def test_credit_that_is_not_waited_for_does_not_extend_the_wait_for_a_tick() -> None:
    """A consumer that pays nothing would hold a place for hours by raising its credit now and then."""
    pair = Pair.make()
    stream = pair.streaming()
    exchange = pair.responder.connection.provider(stream)
    assert exchange is not None
    assert not exchange.ready(Chunk(text="x", tokens=100), NOW)
    pair.responder.feed(stream, Credit(limit=limits.INITIAL_CREDIT + limits.MIN_CREDIT_STEP), now=NOW + 20)
    assert not exchange.ready(Chunk(text="x", tokens=100), NOW + 20)
    assert pair.responder.connection.next_timeout() == NOW + limits.PAYMENT_TIMEOUT


@pytest.mark.parametrize("tokens", [0, 1])
def test_more_than_was_asked_is_an_overrun(tokens: int) -> None:
    pair = Pair.make()
    stream = pair.streaming(max_tokens=3)
    alice = pair.initiator
    alice.feed(stream, Chunk(text="abc", tokens=3))
    assert len(alice.all(ChunkReceived)) == 1
    alice.feed(stream, Chunk(text="d", tokens=tokens))
    if not tokens:
        assert len(alice.all(ChunkReceived)) == 2
        return
    assert alice.sent(stream)[-1] == Error(code=ErrorCode.OVERRUN)
    failed = alice.last(Failed)
    assert (failed.code, failed.evidence.ticks) == (ErrorCode.OVERRUN, 1)
    assert len(alice.all(ChunkReceived)) == 1
    assert alice.closed is None


def test_more_than_the_ceiling_pays_is_an_overrun_and_is_not_paid() -> None:
    pair = Pair.make()
    stream = pair.streaming(ceiling=100, max_tokens=1000)
    pair.initiator.feed(stream, Chunk(text="x", tokens=22))
    pair.initiator.feed(stream, Chunk(text="x", tokens=1))
    assert pair.initiator.sent(stream)[-1] == Error(code=ErrorCode.OVERRUN)
    assert pair.initiator.last(Failed).evidence.ticks == 2


@pytest.mark.parametrize(("tokens", "agreed"), [(1000, True), (1001, False), (limits.MAX_TOKENS, False)])
def test_a_prompt_that_costs_more_than_the_ceiling_is_not_agreed_to(tokens: int, agreed: bool) -> None:
    pair = Pair.make()
    stream = pair.requested()
    pair.initiator.feed(stream, Accept(input_tokens=tokens))
    assert bool(pair.initiator.all(Accepted)) is agreed
    if not agreed:
        assert pair.initiator.sent(stream)[-1] == Error(code=ErrorCode.OVERRUN)
        assert pair.initiator.last(Failed).evidence.ticks == 1


def test_a_prompt_that_the_model_could_not_hold_is_not_agreed_to() -> None:
    pair = Pair.make()
    stream = pair.requested(ceiling=100_000)
    pair.initiator.feed(stream, Accept(input_tokens=8193))
    assert pair.initiator.sent(stream)[-1] == Error(code=ErrorCode.OVERRUN)
    twin = Pair.make()
    stream = twin.requested(ceiling=100_000)
    twin.initiator.feed(stream, Accept(input_tokens=8192))
    assert twin.initiator.all(Accepted)


@pytest.mark.parametrize(
    ("limit", "good"),
    [
        (limits.INITIAL_CREDIT, False),
        (limits.INITIAL_CREDIT + limits.MIN_CREDIT_STEP - 1, False),
        (limits.INITIAL_CREDIT + limits.MIN_CREDIT_STEP, True),
        (limits.MAX_CREDIT, True),
        (limits.MAX_CREDIT + 1, False),
        (limits.MAX_AMOUNT, False),
        (0, False),
    ],
)
def test_credit_moves_in_steps_and_not_far_ahead(limit: int, good: bool) -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.responder.feed(stream, Credit(limit=limit))
    if good:
        assert pair.responder.closed is None
        assert pair.responder.all(Unblocked)
    else:
        assert pair.responder.closed == ErrorCode.FLOW_CONTROL
        assert pair.responder.all(Settled)
        assert_dead(pair.responder)


def test_chunks_beyond_the_credit_close_the_connection() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    alice = pair.initiator
    piece = Chunk(text="x" * 16_000, tokens=0)
    for _ in range(limits.INITIAL_CREDIT // len(encode(piece))):
        alice.feed(stream, piece)
    assert alice.closed is None
    alice.feed(stream, piece)
    assert alice.closed == ErrorCode.FLOW_CONTROL
    assert alice.last(ConnectionFailed).error.requirement == "FLW-003"
    assert alice.last(Failed).code == ErrorCode.FLOW_CONTROL
    assert_dead(alice)


def test_credit_is_given_as_the_owner_reads() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    for _ in range(40):
        size = len(encode(Chunk(text="x" * 10_000, tokens=0)))
        while not pair.responder.connection.provider(stream).ready(Chunk(text="x" * 10_000, tokens=0), pair.now):  # type: ignore[union-attr]
            pair.initiator.connection.consumed(stream, size, pair.now)
            pair.exchange()
        pair.say(stream, "x" * 10_000, tokens=0)
    given = [frame.limit for frame in pair.initiator.sent(stream) if isinstance(frame, Credit)]
    assert given
    assert all(b - a >= limits.INITIAL_CREDIT // 2 >= limits.MIN_CREDIT_STEP for a, b in pairwise(given))
    assert given[0] < 2 * limits.INITIAL_CREDIT  # as soon as half of it is used
    assert pair.responder.closed is None


def test_a_provider_without_credit_waits_and_then_gives_up() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    text = "x" * 16_000
    for _ in range(4):
        pair.say(stream, text, tokens=0)
    exchange = pair.responder.connection.provider(stream)
    assert exchange is not None
    assert not exchange.ready(Chunk(text=text, tokens=0), NOW)
    pair.tick(pair.responder)
    assert pair.now == NOW + limits.PAYMENT_TIMEOUT
    assert pair.responder.sent(stream)[-1] == Error(code=ErrorCode.TICK_OVERDUE)
    assert pair.initiator.last(Failed).code == ErrorCode.TICK_OVERDUE


def test_a_chunk_that_would_pass_the_credit_by_its_head_alone_waits() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    for _ in range(4):
        pair.say(stream, "x" * 16_000, tokens=0)
    left = limits.INITIAL_CREDIT - 4 * len(encode(Chunk(text="x" * 16_000, tokens=0)))
    exchange = pair.responder.connection.provider(stream)
    assert exchange is not None
    for text in ("x" * left, "x" * (left - len(encode(Chunk(text="", tokens=0))))):
        assert not exchange.ready(Chunk(text=text, tokens=0), NOW)
    pair.say(stream, "x" * (left - 24), tokens=0)
    assert pair.initiator.closed is None


def test_text_without_tokens_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs nothing, so the ceiling would never end it."""
    monkeypatch.setattr(limits, "MAX_ANSWER", 100_000)
    pair = Pair.make()
    stream = pair.streaming()
    piece = Chunk(text="x" * 16_000, tokens=0)
    for _ in range(6):
        pair.initiator.feed(stream, piece)
        pair.initiator.connection.consumed(stream, len(encode(piece)), pair.now)
    assert not pair.initiator.all(Failed)
    pair.initiator.feed(stream, piece)
    assert pair.initiator.last(Failed).code == ErrorCode.OVERRUN


def test_a_chunk_that_no_frame_holds_is_not_sent() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    with pytest.raises(LocalProtocolError):
        pair.responder.connection.chunk(stream, Chunk(text="x" * limits.MAX_CHUNK, tokens=1), NOW)
    assert pair.responder.collect() == []
    pair.say(stream, "x" * (limits.MAX_CHUNK - 16))
    pair.finish(stream)
    assert pair.initiator.last(Ended).close.output_tokens == 1


def test_a_tick_that_crosses_the_end_still_pays() -> None:
    """The claim is worth what the consumer released, whether or not it countersigns."""
    pair = Pair.make()
    stream = pair.streaming()
    bob = pair.responder.connection
    bob.chunk(stream, Chunk(text="x", tokens=40), NOW)
    bob.end(stream, FinishReason.STOP, seed("answer"), NOW)
    pair.deliver(pair.responder, pair.initiator, pair.responder.collect())
    pair.initiator.collect()
    (tick,) = [frame for frame in pair.initiator.sent(stream) if isinstance(frame, Tick)]
    assert tick.k == 3
    pair.responder.feed(stream, tick, fin=True)  # and then Alice is gone
    evidence = pair.responder.last(Settled).evidence
    assert (evidence.ticks, evidence.countersignature) == (3, None)
    assert evidence.ticks == pair.initiator.last(Ended).evidence.ticks


@pytest.mark.parametrize("k", [0, 1, 2, 17])
def test_a_bad_tick_after_the_end_has_no_effect(k: int) -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.responder.connection.end(stream, FinishReason.STOP, seed("answer"), NOW)
    pair.responder.feed(stream, Tick(k=k, link=bytes(32)), Credit(limit=0))
    assert pair.responder.closed is None
    exchange = pair.responder.connection.provider(stream)
    assert exchange is not None
    assert exchange.evidence.ticks == 1


def test_a_quote_cannot_ask_for_more_ticks_than_a_chain_has() -> None:
    pair = Pair.make()
    offer = pair.advertised(quote(tick_value=1, prepaid_ticks=0))
    assert order(offer, ceiling=limits.MAX_TICKS).chain.length == limits.MAX_TICKS
    with pytest.raises(LocalProtocolError) as refused:
        order(offer, ceiling=limits.MAX_TICKS + 1)
    assert refused.value.requirement == "RCP-035"
