"""Attacks on the bill and on its countersignature: nobody signs what it did not count itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from mycellm_proto import codec, limits
from mycellm_proto.answer import Answer
from mycellm_proto.content import FinishReason
from mycellm_proto.economy import (
    CLOSE,
    Close,
    check_countersignature,
    countersign,
    read_close,
    response_commitment,
    sign,
)
from mycellm_proto.errors import ErrorCode
from mycellm_proto.events import ConnectionFailed, Ended, Failed, Settled
from mycellm_proto.frames import Countersign, End, Error, Frame
from mycellm_proto.keys import SigningKey
from mycellm_proto.signed import Context, Signed

from .pair import ALICE, BOB, INPUT, MALLORY, NOW, Pair, order, quote, seed
from .watch import assert_dead

SALT = seed("answer")


def answered() -> tuple[Pair, int, Close]:
    """Two tokens are delivered, Bob has not ended yet; the honest bill."""
    pair = Pair.make()
    stream = pair.streaming()
    pair.say(stream, "Hello", " world")
    exchange = pair.responder.connection.provider(stream)
    assert exchange is not None
    honest = Close(
        open=exchange.evidence.open.digest(Context.OPEN),
        request=exchange.open.request,
        response=response_commitment(SALT, Answer(text="Hello world"), FinishReason.STOP, 2),
        model_digest=seed("model"),
        input_tokens=INPUT,
        output_tokens=2,
        total=INPUT + 2 * 4,
        finish=FinishReason.STOP,
    )
    return pair, stream, honest


def signed_as(close: Close, key: SigningKey = BOB, context: Context = Context.CLOSE) -> Signed:
    return Signed.make(key, context, CLOSE.write(close))


def refused(end: Callable[[Close], Frame]) -> None:
    """Alice says BAD_CLOSE and countersigns nothing; what she released stays the same; the honest twin she signs."""
    pair, stream, honest = answered()
    alice = pair.initiator
    alice.feed(stream, end(honest), fin=True)
    assert alice.sent(stream)[-1] == Error(code=ErrorCode.BAD_CLOSE)
    assert alice.ended(stream)
    assert alice.closed is None
    assert not alice.all(Ended)
    failed = alice.last(Failed)
    assert (failed.code, failed.evidence.ticks) == (ErrorCode.BAD_CLOSE, 1)
    assert failed.evidence.close is None is failed.evidence.countersignature
    alice.connection.countersign(stream)
    assert alice.collect() == []
    twin, stream, honest = answered()
    twin.initiator.feed(stream, End(salt=SALT, close=signed_as(honest)), fin=True)
    assert twin.initiator.last(Ended).close == honest


@pytest.mark.parametrize(
    "changes",
    [
        {"open": seed("another open")},
        {"request": seed("another request")},
        {"response": seed("another answer")},
        {"model_digest": seed("another model")},
        {"input_tokens": INPUT + 1},
        {"input_tokens": INPUT - 1},
        {"input_tokens": INPUT + 1, "total": INPUT + 1 + 2 * 4},
        {"output_tokens": 3},
        {"output_tokens": 3, "total": INPUT + 3 * 4},
        {"output_tokens": 1, "total": INPUT + 4},
        {"total": INPUT + 2 * 4 + 1},
        {"total": INPUT + 2 * 4 - 1},
        {"total": 0},
        {"total": 1_000_000},
        {"total": limits.MAX_AMOUNT},
        {"finish": FinishReason.LENGTH},
        {"finish": FinishReason.CANCELLED},
    ],
)
def test_a_bill_for_anything_but_what_was_delivered_is_refused(changes: dict[str, object]) -> None:
    """Seen in the field: a message that claimed 1,000,000 credits was countersigned."""
    refused(lambda honest: End(salt=SALT, close=signed_as(replace(honest, **changes))))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "Hello", "Hello world!", "Hello worle"])
def test_a_bill_for_another_text_is_refused(text: str) -> None:
    refused(
        lambda honest: End(
            salt=SALT,
            close=signed_as(
                replace(honest, response=response_commitment(SALT, Answer(text=text), FinishReason.STOP, 2))
            ),
        )
    )


def in_context(context: Context, honest: Close) -> Frame:
    return End(salt=SALT, close=signed_as(honest, context=context))


def test_a_bill_that_the_provider_did_not_sign_as_a_bill_is_refused() -> None:
    refused(lambda honest: End(salt=SALT, close=signed_as(honest, MALLORY)))
    refused(lambda honest: End(salt=SALT, close=signed_as(honest, ALICE)))
    refused(lambda honest: End(salt=SALT, close=replace(signed_as(honest), signature=bytes(64))))
    for context in Context:
        if context is not Context.CLOSE:
            refused(partial(in_context, context))
    refused(lambda honest: End(salt=seed("another salt"), close=signed_as(honest)))


def test_a_bill_outside_of_its_shape_is_refused() -> None:
    """Seen in the field: NaN passed every comparison; here it has no encoding."""

    def body(change: dict[int, codec.Value]) -> Callable[[Close], Frame]:
        return lambda honest: End(salt=SALT, close=Signed.make(BOB, Context.CLOSE, {**CLOSE.write(honest), **change}))

    changes: list[dict[int, codec.Value]] = [{6: -18}, {6: True}, {6: None}, {6: 1 << 53}, {9: 1}, {65: True}, {7: 0}]
    for change in changes:
        refused(body(change))

    for total in ("f97e00", "f94c80", "1812", "c212", "5f"):

        def raw(honest: Close, total: bytes = bytes.fromhex(total)) -> Frame:
            honest_body = codec.encode(CLOSE.write(honest))
            body = honest_body.replace(b"\x06\x12\x07", b"\x06" + total + b"\x07")
            assert body != honest_body
            return End(salt=SALT, close=Signed.make_over(BOB, Context.CLOSE, body))

        refused(raw)


def test_the_bill_of_another_open_is_refused() -> None:
    """The same words at the same price, but the receipt would settle the other exchange."""
    pair = Pair.make()
    offer = pair.advertised()
    ends = []
    for sequence in (1, 2):
        stream = pair.initiator.connection.request(order(offer, sequence=sequence), NOW)
        pair.exchange()
        pair.responder.connection.accept(stream, INPUT)
        pair.say(stream, "Hello")
        ends.append(stream)
    first, second = ends
    pair.responder.connection.end(first, FinishReason.STOP, SALT, NOW)
    (action,) = pair.responder.collect()
    end = pair.responder.sent(first)[-1]
    pair.initiator.feed(second, end)
    assert pair.initiator.sent(second)[-1] == Error(code=ErrorCode.BAD_CLOSE)
    pair.deliver(pair.responder, pair.initiator, [action])
    pair.initiator.collect()
    assert [event.stream_id for event in pair.initiator.all(Ended)] == [first]


def test_the_provider_learns_of_the_refusal_and_keeps_its_claim() -> None:
    pair, stream, _ = answered()
    pair.responder.connection.end(stream, FinishReason.STOP, SALT, NOW)
    pair.responder.collect()
    pair.responder.feed(stream, Error(code=ErrorCode.BAD_CLOSE), fin=True)
    evidence = pair.responder.last(Settled).evidence
    assert (evidence.ticks, evidence.countersignature) == (1, None)
    assert evidence.close is not None
    assert pair.responder.closed is None


def ended() -> tuple[Pair, int]:
    """Bob has ended, Alice has not countersigned."""
    pair, stream, _ = answered()
    pair.finish(stream)
    assert pair.initiator.all(Ended)
    return pair, stream


@pytest.mark.parametrize("forger", ["nobody", "mallory", "bob", "another close", "the close itself", "the open"])
def test_a_wrong_countersignature_leaves_the_claim(forger: str) -> None:
    pair, stream = ended()
    bob = pair.responder
    exchange = bob.connection.provider(stream)
    assert exchange is not None
    close = exchange.evidence.close
    assert close is not None
    other = Signed(body=close.body[:-1] + b"\1", signature=bytes(64))
    signature = {
        "nobody": bytes(64),
        "mallory": countersign(MALLORY, close),
        "bob": countersign(BOB, close),
        "another close": countersign(ALICE, other),
        "the close itself": Signed.make_over(ALICE, Context.CLOSE, close.body).signature,
        "the open": exchange.evidence.open.signature,
    }[forger]
    before = exchange.evidence
    bob.feed(stream, Countersign(signature=signature), fin=True)
    assert bob.closed == ErrorCode.BAD_CLOSE
    assert bob.last(ConnectionFailed).error.requirement == "RCP-029"
    assert bob.last(Settled).evidence == before
    assert before.countersignature is None
    assert_dead(bob)
    twin, stream = ended()
    twin.initiator.connection.countersign(stream)
    twin.exchange()
    assert twin.responder.last(Settled).evidence.countersignature is not None


def test_nothing_is_settled_twice() -> None:
    """Seen in the field: one receipt settled four times."""
    pair, stream = ended()
    pair.initiator.connection.countersign(stream)
    pair.initiator.connection.countersign(stream)
    (action,) = pair.initiator.collect()
    for _ in range(4):
        pair.deliver(pair.initiator, pair.responder, [action])
    pair.exchange()
    assert len(pair.responder.all(Settled)) == 1
    assert len(pair.initiator.all(Ended)) == 1
    assert pair.responder.closed is None


def test_a_receipt_is_portable() -> None:
    """Who holds the four objects and the two keys can check it all, without either party."""
    pair, stream = ended()
    pair.initiator.connection.countersign(stream)
    pair.exchange()
    evidence = pair.responder.last(Settled).evidence
    assert evidence.close is not None
    assert evidence.countersignature is not None
    close = read_close(evidence.close, provider=BOB.public)
    assert close.open == evidence.open.digest(Context.OPEN)
    check_countersignature(evidence.close, evidence.countersignature, consumer=ALICE.public)
    assert close.total == quote().total(close.finish, close.input_tokens, close.output_tokens, evidence.ticks)
    assert sign(BOB, close) == evidence.close
