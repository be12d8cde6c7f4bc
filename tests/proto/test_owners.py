"""What a node holds itself to before its peer has to: rates, estimates, claims, and what an ending says."""

from __future__ import annotations

import pytest

from mycellm_proto import limits
from mycellm_proto.answer import Chunk
from mycellm_proto.content import FinishReason
from mycellm_proto.economy import OPEN, sign
from mycellm_proto.errors import ErrorCode, LocalProtocolError
from mycellm_proto.events import Accepted, Ended, Failed, ModelsChanged, RequestReceived, Settled
from mycellm_proto.frames import Accept, Cancel, Error, Request, Tick
from mycellm_proto.order import place_order
from mycellm_proto.rate import Bucket
from mycellm_proto.signed import Context, Signed

from .pair import ALICE, BOB, INPUT, NOW, Pair, chat, order, quote, seed


def test_a_bucket_fills_with_time_and_never_above_its_burst() -> None:
    bucket = Bucket(3, 0.5, NOW)
    assert [bucket.take(NOW) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(NOW + 1)
    assert bucket.take(NOW + 2)
    assert not bucket.take(NOW + 3)
    assert [bucket.take(NOW + 1000) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(NOW)  # time that goes back gives nothing
    for second in range(100):  # and who asks in vain is not punished for asking
        bucket.take(NOW + 1000 + second / 50)
    assert bucket.take(NOW + 1003)


@pytest.mark.parametrize("grease", [b"", b"grease"])
def test_a_node_advertises_no_faster_than_its_peer_takes(grease: bytes) -> None:
    pair = Pair.make(grease=grease)
    pair.exchange()
    offers = [sign(BOB, quote())]
    made = limits.CONTROL_BURST // (2 if grease else 1)  # each with a frame of reserved type behind it
    for _ in range(made):
        pair.responder.connection.advertise(offers, NOW)
    with pytest.raises(LocalProtocolError) as refused:
        pair.responder.connection.advertise(offers, NOW)
    assert refused.value.code is ErrorCode.RATE_EXCEEDED
    pair.exchange()
    assert pair.initiator.closed is None
    assert len(pair.initiator.all(ModelsChanged)) == made
    pair.now += 2 / limits.CONTROL_RATE
    pair.responder.connection.advertise(offers, pair.now)
    pair.exchange()
    assert len(pair.initiator.all(ModelsChanged)) == made + 1


def test_a_prompt_longer_than_the_consumer_can_account_for_is_cancelled_unpaid() -> None:
    for tokens, agreed in ((20, True), (21, False)):
        pair = Pair.make()
        offer = pair.advertised(quote(tick_value=1, prepaid_ticks=0))
        placed = place_order(
            ALICE,
            chat(),
            quote=offer[0],
            signed_quote=offer[1],
            sequence=1,
            previous=None,
            ceiling=1000,
            salt=seed("salt"),
            chain_seed=seed("chain"),
            most_input=20,
        )
        stream = pair.initiator.connection.request(placed, NOW)
        pair.exchange()
        pair.responder.connection.accept(stream, tokens)
        pair.exchange()
        sent = pair.initiator.sent(stream)
        assert bool(pair.initiator.all(Accepted)) is agreed
        assert [type(frame) for frame in sent if isinstance(frame, Cancel | Tick)] == [Tick if agreed else Cancel]
        if not agreed:
            pair.finish(stream)
            ended = pair.initiator.last(Ended)
            assert (ended.cause, ended.close.total) == (ErrorCode.OVERRUN, 0)


def test_an_ending_says_why_it_was_cancelled() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.initiator.connection.cancel(stream, NOW)
    pair.exchange()
    pair.finish(stream)
    assert pair.initiator.last(Ended).cause is ErrorCode.CANCELLED
    pair = Pair.make()
    stream = pair.streaming()
    pair.tick(pair.initiator)
    pair.finish(stream)
    assert pair.initiator.last(Ended).cause is ErrorCode.TIMEOUT
    pair = Pair.make()
    stream = pair.streaming()
    pair.finish(stream)
    assert pair.initiator.last(Ended).cause is None


def test_a_ceiling_beyond_all_ticks_is_refused_by_the_provider_too() -> None:
    pair = Pair.make()
    offer = pair.advertised(quote(tick_value=1, prepaid_ticks=0))
    for ceiling, good in ((limits.MAX_TICKS, True), (limits.MAX_TICKS + 1, False)):
        placed = order(offer, ceiling=limits.MAX_TICKS)
        opened = Signed.make(ALICE, Context.OPEN, {**OPEN.write(placed.open), 7: ceiling})
        request = Request(content=placed.content, salt=placed.salt, open=opened, prepaid=placed.chain.link(0))
        stream = 0 if good else 4
        pair.responder.feed(stream, request)
        assert (pair.responder.last(RequestReceived).stream_id == stream) is good
    assert pair.responder.sent(4) == [Error(code=ErrorCode.BAD_OPEN)]


def test_a_bill_for_an_unpaid_prompt_is_given_up_instead() -> None:
    """Nothing was delivered, and the consumer has not agreed to the prompt yet: it would refuse the bill."""
    pair = Pair.make()
    stream = pair.requested()
    assert pair.responder.connection.accept(stream, 193)  # one more than prepaid and window cover
    pair.responder.connection.end(stream, FinishReason.STOP, seed("answer"), NOW)
    pair.responder.collect()
    assert pair.responder.sent(stream)[-1] == Error(code=ErrorCode.TICK_OVERDUE)
    assert pair.responder.last(Settled).evidence.ticks == 1
    twin = Pair.make()
    stream = twin.requested()
    assert twin.responder.connection.accept(stream, 192)
    twin.responder.connection.end(stream, FinishReason.STOP, seed("answer"), NOW)
    twin.exchange()
    assert twin.initiator.last(Ended).close.total == 192


def test_what_is_owed_depends_on_whether_it_was_accepted() -> None:
    pair = Pair.make()
    stream = pair.requested()
    pair.responder.connection.refuse(stream, ErrorCode.BUSY, retry_after_ms=5, limit=6, actual=7)
    pair.exchange()
    failed = pair.initiator.last(Failed)
    assert (failed.owed, failed.retry_after_ms, failed.limit, failed.actual) == (0, 5, 6, 7)
    assert failed.by_peer
    assert not pair.responder.last(Settled).accepted
    pair = Pair.make()
    stream = pair.streaming(ceiling=100)
    pair.say(stream, "x", tokens=20)
    pair.responder.connection.refuse(stream, ErrorCode.INTERNAL)
    pair.exchange()
    failed = pair.initiator.last(Failed)
    assert (failed.evidence.ticks, failed.owed) == (2, 100)  # never more than the ceiling
    assert pair.responder.last(Settled).evidence == failed.evidence


@pytest.mark.parametrize("withdrawn", [True, False])
def test_an_error_to_who_cancelled_claims_only_after_accept(withdrawn: bool) -> None:
    pair = Pair.make()
    stream = pair.requested() if withdrawn else pair.streaming()
    pair.initiator.connection.cancel(stream, NOW)
    pair.exchange()
    pair.responder.connection.refuse(stream, ErrorCode.INTERNAL)
    pair.exchange()
    assert pair.initiator.last(Failed).owed == (0 if withdrawn else 64)
    assert pair.responder.last(Settled).accepted is not withdrawn


def test_a_provider_ends_before_an_answer_is_longer_than_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ANSWER", 1000)
    pair = Pair.make()
    stream = pair.streaming()
    exchange = pair.responder.connection.provider(stream)
    assert exchange is not None
    pair.say(stream, "x" * 900, tokens=0)
    assert exchange.bound(Chunk(text="x" * 100, tokens=0)) is FinishReason.LENGTH
    with pytest.raises(LocalProtocolError):
        pair.responder.connection.chunk(stream, Chunk(text="x" * 100, tokens=0), NOW)
    pair.finish(stream, FinishReason.LENGTH)
    assert pair.initiator.last(Ended).close.output_tokens == 0


def test_an_accept_is_taken_once() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    assert not pair.responder.connection.accept(stream, INPUT)
    assert [frame for frame in pair.responder.sent(stream) if isinstance(frame, Accept)] == [Accept(input_tokens=INPUT)]
