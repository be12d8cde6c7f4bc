"""CANCEL, and everything that may cross it: who wants no more pays for what it took, and for nothing else."""

from __future__ import annotations

import pytest

from mycellm_proto import limits
from mycellm_proto.answer import Answer, Chunk
from mycellm_proto.content import FinishReason
from mycellm_proto.economy import Close, response_commitment, sign
from mycellm_proto.errors import ErrorCode, LocalProtocolError
from mycellm_proto.events import Accepted, CancelReceived, ChunkReceived, ConnectionFailed, Ended, Failed, Settled
from mycellm_proto.frames import Accept, Cancel, End, Error
from mycellm_proto.signed import Context
from mycellm_proto.ticks import Chain, ticks_for

from .pair import BOB, INPUT, NOW, Pair, quote, seed
from .watch import assert_dead

SALT = seed("answer")


def settle(pair: Pair, stream: int) -> Close:
    """Countersign, and see that both sides hold the same; the bill."""
    pair.initiator.connection.countersign(stream)
    pair.exchange()
    ended, settled = pair.initiator.last(Ended), pair.responder.last(Settled)
    assert settled.evidence == ended.evidence
    assert pair.initiator.closed is pair.responder.closed is None
    return ended.close


def test_a_cancelled_answer_costs_what_was_taken() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.say(stream, "a", "b", "c")
    pair.initiator.connection.cancel(stream, NOW)
    pair.exchange()
    assert pair.responder.last(CancelReceived).stream_id == stream
    pair.finish(stream)
    close = settle(pair, stream)
    assert (close.finish, close.output_tokens, close.total) == (FinishReason.CANCELLED, 3, INPUT + 3 * 4)


def test_chunks_that_were_on_their_way_are_not_billed() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.say(stream, "a")
    pair.responder.connection.chunk(stream, Chunk(text="b", tokens=1), NOW)
    pair.responder.connection.chunk(stream, Chunk(text="c", tokens=1), NOW)
    late = pair.responder.collect()
    pair.initiator.connection.cancel(stream, NOW)
    pair.deliver(pair.responder, pair.initiator, late)
    pair.exchange()
    assert [event.chunk.text for event in pair.initiator.all(ChunkReceived)] == ["a"]
    pair.finish(stream)
    close = settle(pair, stream)
    assert (close.output_tokens, close.total) == (1, INPUT + 4)


def test_a_cancelled_bill_is_never_more_than_the_ticks() -> None:
    pair = Pair.make()
    stream = pair.requested(quote(prepaid_ticks=0))
    bob = pair.responder.connection
    assert bob.accept(stream, INPUT)
    accept = pair.responder.collect()
    pair.initiator.connection.cancel(stream, NOW)
    pair.deliver(pair.responder, pair.initiator, accept)
    pair.exchange()
    pair.finish(stream)
    close = settle(pair, stream)
    assert (close.input_tokens, close.total) == (INPUT, 0)


def test_cancel_before_accept() -> None:
    pair = Pair.make()
    stream = pair.requested()
    pair.initiator.connection.cancel(stream, NOW)
    pair.exchange()
    assert not pair.responder.connection.accept(stream, INPUT)
    pair.finish(stream)
    close = settle(pair, stream)
    assert (close.finish, close.input_tokens, close.output_tokens, close.total) == (FinishReason.CANCELLED, 0, 0, 0)
    assert not pair.initiator.all(Accepted)


def test_cancel_that_crosses_accept_and_chunks() -> None:
    pair = Pair.make()
    stream = pair.requested()
    pair.responder.connection.accept(stream, INPUT)
    pair.responder.connection.chunk(stream, Chunk(text="a", tokens=1), NOW)
    late = pair.responder.collect()
    pair.initiator.connection.cancel(stream, NOW)
    pair.deliver(pair.responder, pair.initiator, late)
    pair.exchange()
    pair.finish(stream)
    close = settle(pair, stream)
    assert (close.input_tokens, close.output_tokens, close.total) == (INPUT, 0, INPUT)
    assert not pair.initiator.all(ChunkReceived)


def test_cancel_that_crosses_an_end_changes_nothing() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.say(stream, "a")
    pair.responder.connection.chunk(stream, Chunk(text="b", tokens=1), NOW)
    pair.responder.connection.end(stream, FinishReason.STOP, SALT, NOW)
    late = pair.responder.collect()
    pair.initiator.connection.cancel(stream, NOW)
    pair.deliver(pair.responder, pair.initiator, late)
    pair.exchange()
    assert not pair.responder.all(CancelReceived)
    close = settle(pair, stream)
    assert (close.finish, close.output_tokens, close.total) == (FinishReason.STOP, 2, INPUT + 2 * 4)


def test_cancel_twice_is_once() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.initiator.connection.cancel(stream, NOW)
    pair.initiator.connection.cancel(stream, NOW)
    pair.exchange()
    assert len([frame for frame in pair.initiator.sent(stream) if isinstance(frame, Cancel)]) == 1


def test_a_provider_may_give_a_cancelled_answer_up() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.initiator.connection.cancel(stream, NOW)
    pair.exchange()
    pair.responder.connection.refuse(stream, ErrorCode.INTERNAL)
    pair.exchange()
    assert pair.initiator.last(Failed).code == ErrorCode.INTERNAL
    assert pair.responder.last(Settled).evidence == pair.initiator.last(Failed).evidence


def test_a_provider_cannot_cancel_on_its_own() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    with pytest.raises(LocalProtocolError):
        pair.responder.connection.end(stream, FinishReason.CANCELLED, SALT, NOW)
    assert pair.responder.collect() == []
    pair.finish(stream)
    assert pair.initiator.all(Ended)


@pytest.mark.parametrize(
    ("chunks", "k", "link", "fatal"),
    [
        (4, 1, None, True),
        (limits.MAX_AMOUNT, 1, None, True),
        (3, 0, None, False),
        (3, 17, None, False),
        (3, 1, bytes(32), False),
        (3, 3, None, False),
    ],
    ids=["more chunks", "most chunks", "going back", "beyond the most", "forged", "paid for more than it names"],
)
def test_a_false_cancel_is_refused(chunks: int, k: int, link: bytes | None, fatal: bool) -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.say(stream, "a", "b", "c")
    bob = pair.responder
    chain = Chain(seed("chain 1"), 16)
    bob.feed(stream, Cancel(chunks=chunks, k=k, link=link or chain.link(min(k, 16))))
    assert not bob.all(CancelReceived)
    assert bob.last(Settled).evidence.ticks == 1
    if fatal:
        assert bob.closed == ErrorCode.UNEXPECTED_FRAME
        assert bob.last(ConnectionFailed).error.requirement == "INF-016"
        assert_dead(bob)
    else:
        assert bob.sent(stream)[-1] == Error(code=ErrorCode.BAD_TICK)
        assert bob.closed is None


def test_a_cancel_does_not_take_back_what_was_paid() -> None:
    """Alice reads 150 tokens, pays, and then says that she took none of them: the bill would be for the prompt."""
    pair = Pair.make()
    stream = pair.streaming(max_tokens=1000)
    pair.say(stream, *["word"] * 10, tokens=15)
    exchange = pair.responder.connection.provider(stream)
    assert exchange is not None
    paid = exchange.evidence
    assert paid.ticks == ticks_for(INPUT + 150 * 4, 64) == 10
    pair.responder.feed(stream, Cancel(chunks=0, k=paid.ticks, link=paid.link))
    assert pair.responder.sent(stream)[-1] == Error(code=ErrorCode.BAD_TICK)
    assert pair.responder.last(Settled).evidence == paid


def test_who_takes_no_more_may_leave_the_last_window_unpaid() -> None:
    """That is the provider's risk, and all of it."""
    pair = Pair.make()
    stream = pair.streaming(max_tokens=1000)
    pair.responder.connection.chunk(stream, Chunk(text="x", tokens=40), NOW)
    pair.responder.collect()
    chain = Chain(seed("chain 1"), 16)
    pair.responder.feed(stream, Cancel(chunks=1, k=1, link=chain.link(1)))
    pair.responder.connection.end(stream, FinishReason.CANCELLED, SALT, NOW)
    pair.responder.collect()
    assert pair.responder.all(CancelReceived)
    assert pair.responder.closed is None


def forged_end(pair: Pair, stream: int, **changes: object) -> End:
    """Bob's bill for an answer without text, with other values."""
    exchange = pair.responder.connection.provider(stream)
    assert exchange is not None
    values: dict[str, object] = {
        "open": exchange.evidence.open.digest(Context.OPEN),
        "request": exchange.open.request,
        "response": response_commitment(SALT, Answer(text=""), FinishReason.STOP, 0),
        "model_digest": seed("model"),
        "input_tokens": INPUT,
        "output_tokens": 0,
        "total": INPUT,
        "finish": FinishReason.STOP,
    }
    return End(salt=SALT, close=sign(BOB, Close(**(values | changes))))  # type: ignore[arg-type]


def test_a_cancelled_consumer_is_not_billed_for_a_prompt_beyond_the_window() -> None:
    """Bob answers a CANCEL with an ACCEPT that claims the whole ceiling, and an END that bills it."""
    pair = Pair.make()
    stream = pair.requested()
    pair.initiator.connection.cancel(stream, NOW)
    pair.initiator.feed(stream, Accept(input_tokens=1000), forged_end(pair, stream, input_tokens=1000, total=1000))
    assert pair.initiator.sent(stream)[-1] == Error(code=ErrorCode.BAD_CLOSE)
    assert pair.initiator.last(Failed).evidence.ticks == 1
    assert not pair.initiator.all(Ended)


def test_a_cancelled_consumer_is_not_billed_for_chunks_beyond_the_window() -> None:
    pair = Pair.make()
    stream = pair.streaming(max_tokens=1000, ceiling=10_000)
    pair.initiator.connection.cancel(stream, NOW)
    for _ in range(10):
        pair.initiator.feed(stream, Chunk(text="x", tokens=100))
    response = response_commitment(SALT, Answer(text="x" * 10), FinishReason.LENGTH, 1000)
    end = forged_end(
        pair, stream, response=response, output_tokens=1000, total=INPUT + 4000, finish=FinishReason.LENGTH
    )
    pair.initiator.feed(stream, end)
    assert pair.initiator.sent(stream)[-1] == Error(code=ErrorCode.BAD_CLOSE)


def test_the_prompt_is_counted_once() -> None:
    """A second ACCEPT after CANCEL would change the bill that was agreed to."""
    for withdrawn in (True, False):
        pair = Pair.make()
        stream = pair.requested() if withdrawn else pair.streaming()
        pair.initiator.connection.cancel(stream, NOW)
        if withdrawn:
            pair.initiator.feed(stream, Accept(input_tokens=INPUT))
        assert pair.initiator.closed is None
        pair.initiator.feed(stream, Accept(input_tokens=INPUT + 100))
        assert pair.initiator.closed == ErrorCode.UNEXPECTED_FRAME
        assert pair.initiator.last(Failed).evidence.ticks == 1
        assert_dead(pair.initiator)


def test_no_chunk_comes_before_accept_not_even_after_cancel() -> None:
    pair = Pair.make()
    stream = pair.requested()
    pair.initiator.connection.cancel(stream, NOW)
    pair.initiator.feed(stream, Chunk(text="x", tokens=1))
    assert pair.initiator.closed == ErrorCode.UNEXPECTED_FRAME


@pytest.mark.parametrize("tokens", [0, INPUT, limits.MAX_TOKENS])
def test_before_accept_a_bill_is_bounded_by_the_prepay(tokens: int) -> None:
    pair = Pair.make()
    stream = pair.requested()
    pair.initiator.connection.cancel(stream, NOW)
    end = forged_end(
        pair,
        stream,
        response=response_commitment(SALT, Answer(text=""), FinishReason.CANCELLED, 0),
        input_tokens=tokens,
        total=min(tokens, 64),
        finish=FinishReason.CANCELLED,
    )
    pair.initiator.feed(stream, end)
    assert pair.initiator.last(Ended).close.total <= 64


@pytest.mark.parametrize(
    "changes",
    [{}, {"total": INPUT + 5}, {"output_tokens": 2}, {"input_tokens": 0, "total": 0}, {"total": 0}],
)
def test_a_bill_for_a_cancelled_answer_is_checked_as_any_other(changes: dict[str, object]) -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.say(stream, "a")
    pair.initiator.connection.cancel(stream, NOW)
    honest: dict[str, object] = {
        "response": response_commitment(SALT, Answer(text="a"), FinishReason.CANCELLED, 1),
        "output_tokens": 1,
        "total": INPUT + 4,
        "finish": FinishReason.CANCELLED,
    }
    pair.initiator.feed(stream, forged_end(pair, stream, **(honest | changes)))
    if changes:
        assert pair.initiator.sent(stream)[-1] == Error(code=ErrorCode.BAD_CLOSE)
    else:
        assert pair.initiator.last(Ended).close.total == INPUT + 4
