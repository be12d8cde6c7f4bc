"""Whole honest exchanges: the states that the attacks of the other files start from."""

from __future__ import annotations

import pytest

from mycellm_proto.answer import Chunk
from mycellm_proto.content import ChatRequest, FinishReason
from mycellm_proto.economy import check_countersignature, sign
from mycellm_proto.events import Accepted, ChunkReceived, Ended, ModelsChanged, RequestReceived, Settled
from mycellm_proto.frames import Tick

from .pair import ALICE, BOB, INPUT, NOW, Pair, bytewise, order, quote, seed, whole


@pytest.mark.parametrize("slices", [whole, bytewise])
def test_an_answer_is_delivered_paid_and_countersigned(slices: object) -> None:
    pair = Pair.make(slices=slices)  # type: ignore[arg-type]
    stream = pair.requested()
    received = pair.responder.last(RequestReceived)
    assert isinstance(received.admitted.request, ChatRequest)
    assert received.admitted.request.messages[0].content == "Hello?"
    assert pair.responder.connection.accept(stream, INPUT)
    pair.say(stream, "Hello", ", ", "world")
    pair.finish(stream)
    assert pair.initiator.last(Accepted).input_tokens == INPUT
    assert "".join(e.chunk.text for e in pair.initiator.all(ChunkReceived)) == "Hello, world"
    ended = pair.initiator.last(Ended)
    assert ended.close.total == INPUT + 3 * 4
    assert not pair.responder.all(Settled)
    pair.initiator.connection.countersign(stream)
    pair.exchange()
    evidence = pair.responder.last(Settled).evidence
    assert evidence == ended.evidence
    assert evidence.close is not None
    assert evidence.countersignature is not None
    check_countersignature(evidence.close, evidence.countersignature, consumer=ALICE.public)
    assert pair.initiator.ended(stream)
    assert pair.responder.ended(stream)
    assert pair.initiator.connection.next_timeout() is pair.responder.connection.next_timeout() is None


def test_every_text_is_paid_for_before_the_window_is_used_up() -> None:
    pair = Pair.make()
    stream = pair.streaming(max_tokens=1000, ceiling=10_000)
    for _ in range(40):
        pair.say(stream, "word " * 5, tokens=5)
    pair.finish(stream)
    pair.initiator.connection.countersign(stream)
    pair.exchange()
    ended, settled = pair.initiator.last(Ended), pair.responder.last(Settled)
    assert ended.close.total == INPUT + 40 * 5 * 4
    assert settled.evidence == ended.evidence
    assert settled.evidence.ticks == -(-ended.close.total // 64)
    ticks = [frame.k for frame in pair.initiator.sent(stream) if isinstance(frame, Tick)]
    assert ticks == sorted(set(ticks))


def test_the_responder_asks_on_the_connection_that_it_did_not_open() -> None:
    pair = Pair.make()
    pair.advertised()
    pair.initiator.connection.advertise([sign(ALICE, quote(ALICE))], NOW)
    pair.exchange()
    offer = pair.responder.last(ModelsChanged).quotes[0]
    stream = pair.responder.connection.request(order(offer, key=BOB), NOW)
    assert stream == 1
    pair.exchange()
    alice = pair.initiator.connection
    assert alice.accept(stream, INPUT)
    alice.chunk(stream, Chunk(text="Hi", tokens=1), NOW)
    alice.end(stream, FinishReason.STOP, seed("answer"), NOW)
    pair.exchange()
    pair.responder.connection.countersign(stream)
    pair.exchange()
    assert pair.initiator.last(Settled).evidence == pair.responder.last(Ended).evidence


def test_both_sides_ask_at_once() -> None:
    pair = Pair.make()
    offer = pair.advertised()
    pair.initiator.connection.advertise([sign(ALICE, quote(ALICE))], NOW)
    pair.exchange()
    first = pair.initiator.connection.request(order(offer), NOW)
    second = pair.responder.connection.request(order(pair.responder.last(ModelsChanged).quotes[0], key=BOB), NOW)
    pair.exchange()
    assert (first, second) == (0, 1)
    assert [e.stream_id for e in pair.initiator.all(RequestReceived)] == [second]
    assert [e.stream_id for e in pair.responder.all(RequestReceived)] == [first]


def test_a_heartbeat_costs_nothing_and_counts_as_a_chunk() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.say(stream, "a")
    pair.say(stream, "", tokens=0)
    pair.say(stream, "b")
    assert Chunk(text="", tokens=0) in pair.responder.sent(stream)
    pair.finish(stream)
    assert pair.initiator.last(Ended).close.output_tokens == 2


@pytest.mark.parametrize("finish", [each for each in FinishReason if each.name not in ("CANCELLED", "TOOL_CALLS")])
def test_every_way_to_finish_bills_what_was_delivered(finish: FinishReason) -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.say(stream, "a", "b")
    pair.finish(stream, finish)
    close = pair.initiator.last(Ended).close
    assert (close.finish, close.total) == (finish, INPUT + 2 * 4)


def test_the_same_inputs_give_the_same_bytes() -> None:
    """No clock, no chance: two runs differ in nothing."""

    def run() -> list[object]:
        pair = Pair.make()
        stream = pair.streaming()
        pair.say(stream, *"answer")
        pair.finish(stream)
        pair.initiator.connection.countersign(stream)
        pair.exchange()
        received = [event for event in pair.responder.events if not isinstance(event, RequestReceived)]  # has a meter
        return [pair.initiator.wire, pair.responder.wire, pair.initiator.events, received]

    assert run() == run()
