"""Calls: who may call what, what comes of it, how many there may be, and how they end."""

from __future__ import annotations

import pytest

from mycellm_proto import limits
from mycellm_proto.calls import CallGate, Procedure
from mycellm_proto.codec import encode as encode_item
from mycellm_proto.content import Message, Role
from mycellm_proto.errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from mycellm_proto.events import (
    CallAnswered,
    CallFailed,
    CallReceived,
    CallWithdrawn,
    ConnectionFailed,
    RequestRefused,
    WriteStream,
)
from mycellm_proto.frames import Call, Error, FrameType, Result, UnknownFrame, encode
from mycellm_proto.framing import encode_frame, encode_varint
from mycellm_proto.hello import Capability, Session

from .pair import BOB, NOW, Pair, bytewise, frames_in, order, whole
from .watch import assert_dead


def message(text: str) -> Message:
    return Message(role=Role.USER, content=text)


CALL = Call(procedure=Procedure.BALANCE, arguments=b"\xa0")


def errors(pair: Pair, stream: int) -> list[Error]:
    return [frame for frame in pair.responder.sent(stream) if isinstance(frame, Error)]


@pytest.mark.parametrize("slices", [whole, bytewise])
def test_a_call_and_its_result(slices: object) -> None:
    pair = Pair.make(slices=slices)  # type: ignore[arg-type]
    stream = pair.called(Procedure.FIND, b"question")
    received = pair.responder.last(CallReceived)
    assert (received.stream_id, received.procedure, received.arguments) == (stream, Procedure.FIND, b"question")
    pair.responder.connection.answer(stream, b"answer")
    pair.exchange()
    assert pair.initiator.last(CallAnswered) == CallAnswered(stream_id=stream, result=b"answer")
    assert pair.initiator.ended(stream)
    assert pair.responder.ended(stream)
    assert not pair.initiator.all(CallFailed) + pair.responder.all(CallWithdrawn)
    assert pair.initiator.connection.next_timeout() is pair.responder.connection.next_timeout() is None


def test_both_sides_call() -> None:
    pair = Pair.make()
    pair.advertised()
    stream = pair.responder.connection.call(Procedure.BALANCE, b"", NOW)
    pair.exchange()
    assert stream == 1
    pair.initiator.connection.answer(stream, b"x")
    pair.exchange()
    assert pair.responder.last(CallAnswered).result == b"x"


def test_the_numbers_of_an_error_reach_the_caller() -> None:
    pair = Pair.make()
    stream = pair.called()
    pair.responder.connection.refuse(stream, ErrorCode.BUSY, retry_after_ms=5, limit=6, actual=7)
    pair.exchange()
    failed = pair.initiator.last(CallFailed)
    assert (failed.code, failed.by_peer) == (ErrorCode.BUSY, True)
    assert (failed.retry_after_ms, failed.limit, failed.actual) == (5, 6, 7)


def test_an_answer_that_comes_too_late_has_no_effect() -> None:
    pair = Pair.make()
    stream = pair.called()
    pair.tick(pair.responder)
    assert pair.now == NOW + limits.CALL_TIMEOUT
    assert errors(pair, stream) == [Error(code=ErrorCode.TIMEOUT)]
    assert pair.responder.last(CallWithdrawn).stream_id == stream
    pair.responder.connection.answer(stream, b"late")
    pair.responder.connection.refuse(stream, ErrorCode.INTERNAL)
    assert not pair.responder.collect()


def test_a_callee_that_says_nothing() -> None:
    pair = Pair.make()
    stream = pair.called()
    pair.tick(pair.initiator)
    assert pair.now == NOW + limits.CALL_TIMEOUT + limits.DEADLINE_GRACE
    failed = pair.initiator.last(CallFailed)
    assert (failed.code, failed.by_peer) == (ErrorCode.TIMEOUT, False)
    assert pair.initiator.sent(stream)[-1] == Error(code=ErrorCode.TIMEOUT)
    assert pair.responder.last(CallWithdrawn).stream_id == stream
    assert pair.responder.ended(stream)


@pytest.mark.parametrize("whole_call", [True, False])
def test_a_call_that_its_caller_leaves(whole_call: bool) -> None:
    pair = Pair.make()
    pair.advertised()
    data = encode(CALL)
    pair.responder.feed(0, data if whole_call else data[:-1], fin=True)
    assert len(pair.responder.all(CallReceived)) == len(pair.responder.all(CallWithdrawn)) == whole_call
    assert pair.responder.ended(0)
    pair.responder.feed(4, data)
    pair.responder.connection.receive_reset(4, NOW)
    pair.responder.collect()
    assert pair.responder.last(CallWithdrawn).stream_id == 4
    assert pair.responder.closed is None


@pytest.mark.parametrize("how", ["fin", "reset", "lost"])
def test_a_callee_that_is_gone(how: str) -> None:
    pair = Pair.make()
    stream = pair.called()
    if how == "fin":
        pair.initiator.feed(stream, fin=True)
    elif how == "reset":
        pair.initiator.connection.receive_reset(stream, NOW)
    else:
        pair.initiator.connection.connection_lost(ErrorCode.PEER_GONE)
    pair.initiator.collect()
    failed = pair.initiator.last(CallFailed)
    assert (failed.code, failed.by_peer) == (ErrorCode.PEER_GONE, False)
    assert pair.initiator.closed is None


def test_half_a_call_is_answered_in_the_end() -> None:
    pair = Pair.make()
    pair.advertised()
    pair.responder.feed(0, encode(CALL)[:-1])
    pair.tick(pair.responder)
    assert pair.now == NOW + limits.REQUEST_TIMEOUT
    assert errors(pair, 0) == [Error(code=ErrorCode.TIMEOUT)]


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"\xa0", b"\xa1\x00\x01", b"\xa2\x00\x01\x01\x60", b"\xa3\x00\x01\x01\x40\x02\x00"],
    ids=["nothing", "no item", "no keys", "no arguments", "text", "even key"],
)
def test_a_body_that_is_no_call_is_malformed(body: bytes) -> None:
    pair = Pair.make()
    pair.advertised()
    pair.responder.feed(0, encode_frame(FrameType.CALL, body))
    assert errors(pair, 0) == [Error(code=ErrorCode.MALFORMED)]
    assert pair.responder.last(RequestRefused).error.requirement
    assert pair.responder.closed is None
    assert not pair.responder.all(CallReceived)


def test_a_call_beyond_the_most_is_answered() -> None:
    """Halves count: from the head of its CALL on, a call is open."""
    pair = Pair.make()
    pair.advertised()
    for number in range(limits.MAX_CALLS):
        pair.responder.feed(4 * number, encode(CALL)[: None if number % 2 else -1])
    last = 4 * limits.MAX_CALLS
    pair.responder.feed(last, CALL)
    assert errors(pair, last) == [Error(code=ErrorCode.BUSY, retry_after_ms=1000)]
    pair.responder.connection.answer(4, b"")
    pair.responder.feed(last + 4, CALL)
    assert pair.responder.last(CallReceived).stream_id == last + 4


def test_calls_are_rated() -> None:
    pair = Pair.make()
    pair.advertised()
    for number in range(limits.CALL_BURST):
        pair.responder.feed(4 * number, CALL)
        pair.responder.connection.answer(4 * number, b"")
    pair.responder.collect()
    last = 4 * limits.CALL_BURST
    pair.responder.feed(last, CALL)
    assert errors(pair, last) == [Error(code=ErrorCode.BUSY, retry_after_ms=1000)]
    pair.responder.feed(last + 4, CALL, now=NOW + 1 / limits.CALL_RATE)
    assert pair.responder.last(CallReceived).stream_id == last + 4
    pair.responder.feed(last + 8, CALL, now=NOW + 1 / limits.CALL_RATE)
    assert errors(pair, last + 8)


def test_a_caller_keeps_to_the_bounds() -> None:
    pair = Pair.make()
    for _ in range(limits.MAX_CALLS):
        pair.called()
    with pytest.raises(LocalProtocolError) as refused:
        pair.called()
    assert (refused.value.code, refused.value.requirement) == (ErrorCode.BUSY, "CAL-002")
    for stream in range(0, 4 * limits.MAX_CALLS, 4):
        pair.responder.connection.answer(stream, b"")
    pair.exchange()
    for _ in range(limits.CALL_BURST - limits.MAX_CALLS):
        pair.responder.connection.answer(pair.called(), b"")
        pair.exchange()
    with pytest.raises(LocalProtocolError, match="CAL-002"):
        pair.called()
    assert not errors(pair, 4 * limits.CALL_BURST)
    pair.now += 1
    pair.called()


def test_calls_and_requests_that_wait_have_one_bound_of_bytes() -> None:
    pair = Pair.make()
    offer = pair.advertised()
    huge = "x" * (1 << 19)
    for sequence in range(1, 8):
        pair.initiator.connection.request(order(offer, sequence=sequence, messages=(message(huge),)), NOW)
    for _ in range(7):
        pair.initiator.connection.call(Procedure.BALANCE, bytes(limits.MAX_ARGUMENTS), NOW)
    with pytest.raises(LocalProtocolError) as refused:
        pair.initiator.connection.call(Procedure.BALANCE, bytes(limits.MAX_ARGUMENTS), NOW)
    assert refused.value.code is ErrorCode.BUSY
    assert pair.initiator.connection.call(Procedure.BALANCE, b"", NOW) == 4 * 14


def test_strangers_find_and_announce_and_nothing_else() -> None:
    pair = Pair.make(expected=None)
    pair.advertised()
    for procedure in Procedure:
        if procedure in (Procedure.FIND, Procedure.ANNOUNCE):
            stream = pair.called(procedure)
            assert pair.responder.last(CallReceived).stream_id == stream
            continue
        with pytest.raises(LocalProtocolError) as refused:
            pair.called(procedure)
        assert (refused.value.code, refused.value.requirement) == (ErrorCode.UNPINNED, "CAL-001")
    pair.responder.feed(400, CALL)
    assert errors(pair, 400) == [Error(code=ErrorCode.UNPINNED)]


def test_no_calls_where_they_were_not_agreed() -> None:
    session = Session(peer=BOB.public, pinned=True, version=1, capabilities=frozenset({Capability.CHAT}))
    gate = CallGate(NOW)
    with pytest.raises(RemoteProtocolError) as refused:
        gate.admit(CALL, session, 0, NOW)
    assert (refused.value.code, refused.value.requirement) == (ErrorCode.UNSUPPORTED, "CAL-007")
    with pytest.raises(LocalProtocolError) as mistaken:
        gate.ask(CALL.procedure, session, 0, NOW)
    assert (mistaken.value.code, mistaken.value.requirement) == (ErrorCode.UNSUPPORTED, "CAL-001")


def test_no_call_before_authentication_or_after_the_end() -> None:
    pair = Pair.make()
    with pytest.raises(LocalProtocolError, match="CAL-001"):
        pair.initiator.connection.call(Procedure.FIND, b"", NOW)
    pair.advertised()
    pair.initiator.connection.close(ErrorCode.NO_ERROR)
    with pytest.raises(LocalProtocolError, match="ERR-004"):
        pair.initiator.connection.call(Procedure.FIND, b"", NOW)


def test_arguments_and_results_have_a_limit() -> None:
    pair = Pair.make()
    most = bytes(limits.MAX_ARGUMENTS)
    stream = pair.called(arguments=most)
    assert pair.responder.last(CallReceived).arguments == most
    pair.responder.connection.answer(stream, most)
    pair.exchange()
    assert pair.initiator.last(CallAnswered).result == most
    pair.responder.feed(4, encode_frame(FrameType.CALL, encode_item({0: 7, 1: most + b"x"})))
    assert errors(pair, 4) == [Error(code=ErrorCode.MALFORMED)]
    pair.responder.feed(8, encode_varint(limits.MAX_CALL + 1) + encode_varint(FrameType.CALL))
    assert pair.responder.closed == ErrorCode.FRAME_TOO_LARGE
    assert_dead(pair.responder)


def test_what_follows_a_call_is_out_of_place() -> None:
    pair = Pair.make()
    stream = pair.called()
    pair.responder.feed(stream, UnknownFrame(type=65, body=b""))
    assert pair.responder.closed is None
    pair.responder.feed(stream, CALL)
    assert pair.responder.closed == ErrorCode.UNEXPECTED_FRAME
    assert pair.responder.last(CallWithdrawn).stream_id == stream
    assert pair.responder.last(ConnectionFailed).error.requirement == "STM-001"
    assert_dead(pair.responder)


def test_what_follows_an_answered_call_is_discarded() -> None:
    pair = Pair.make()
    stream = pair.called()
    pair.responder.connection.answer(stream, b"")
    pair.responder.feed(stream, CALL, Result(result=b""), b"\xff" * 100)
    assert pair.responder.closed is None
    assert len(pair.responder.all(CallReceived)) == 1


def test_calls_count_as_streams() -> None:
    pair = Pair.make()
    pair.advertised()
    for number in range(limits.MAX_STREAMS):
        pair.responder.feed(4 * number, b"\0")
    pair.responder.feed(4 * limits.MAX_STREAMS, CALL)
    assert errors(pair, 4 * limits.MAX_STREAMS) == [Error(code=ErrorCode.BUSY, retry_after_ms=1000)]


def test_the_bytes_of_a_call() -> None:
    """They are a function of the inputs; reserved values come beside them, never first."""
    plain, greased = Pair.make(grease=b""), Pair.make()
    plain.called(Procedure.FIND, b"x")
    (data,) = [a.data for a in plain.initiator.wire if isinstance(a, WriteStream) and a.stream_id == 0]
    assert data == bytes.fromhex("0616a20008014178")
    stream = greased.called(Procedure.FIND, b"x")
    first, *rest = greased.initiator.sent(stream)
    assert first == frames_in(data)[0]
    assert all(isinstance(frame, UnknownFrame) and frame.type % 2 for frame in rest)
