"""The tables: closed, connected, obeyed by a live connection, and each row taken at least once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mycellm_proto import calls, codec, consumer, control, limits, provider, states
from mycellm_proto.answer import Chunk
from mycellm_proto.calls import Procedure
from mycellm_proto.content import FinishReason
from mycellm_proto.economy import sign
from mycellm_proto.errors import ErrorCode, LocalProtocolError, ProtocolError, RemoteProtocolError
from mycellm_proto.events import ConnectionFailed, Ended, Failed
from mycellm_proto.frames import Call, End, Error, Frame, FrameType, HelloFrame, decode_frame
from mycellm_proto.framing import RawFrame
from mycellm_proto.signed import Context, Signed
from mycellm_proto.states import TABLE, Direction, Role, State, step

from .pair import ALICE, BOB, INPUT, NOW, Pair, Side, quote, seed
from .strategies import least
from .test_frames import FRAME_SHAPES
from .watch import assert_dead

Row = tuple[Role, State, Direction, FrameType]

ROWS: set[Row] = {(role, state, *event) for (role, state), row in TABLE.items() for event in row}
FIRST = {
    Role.INITIATOR: State.START,
    Role.RESPONDER: State.START,
    Role.CONSUMER: State.IDLE,
    Role.PROVIDER: State.IDLE,
    Role.CALLER: State.IDLE,
    Role.CALLEE: State.IDLE,
}


@pytest.mark.parametrize("error", [LocalProtocolError, RemoteProtocolError])
@pytest.mark.parametrize(("role", "state"), TABLE)
def test_every_frame_in_every_state_is_a_row_or_a_named_refusal(
    role: Role, state: State, error: type[ProtocolError]
) -> None:
    for direction in Direction:
        for frame in FrameType:
            if (role, state, direction, frame) in ROWS:
                assert (role, step(role, state, direction, frame, error)) in TABLE
                continue
            with pytest.raises(error) as refused:
                step(role, state, direction, frame, error)
            assert refused.value.code is ErrorCode.UNEXPECTED_FRAME
            assert refused.value.requirement == "STM-001"
            assert frame.name in str(refused.value)


@pytest.mark.parametrize("role", Role)
def test_every_state_is_reached_from_the_first(role: Role) -> None:
    reached, queue = {FIRST[role]}, [FIRST[role]]
    while queue:
        after = set(TABLE[role, queue.pop()].values()) - reached
        reached |= after
        queue += after
    assert reached == {state for each, state in TABLE if each is role}


@pytest.mark.parametrize("role", [Role.CONSUMER, Role.PROVIDER, Role.CALLER, Role.CALLEE])
def test_every_exchange_can_end(role: Role) -> None:
    ending = {State.DONE}
    while (
        more := {state for each, state in TABLE if each is role and set(TABLE[role, state].values()) & ending} - ending
    ):
        ending |= more
    assert ending == {state for each, state in TABLE if each is role}
    assert TABLE[role, State.DONE] == {}


# Rows taken on live connections


def a_whole_answer(pair: Pair) -> None:
    stream = pair.streaming(max_tokens=1000, ceiling=10_000)
    pair.initiator.connection.advertise([sign(ALICE, quote(ALICE))], NOW)
    pair.exchange()
    for _ in range(4):
        pair.say(stream, "x" * 10_000, tokens=30)
    pair.initiator.connection.consumed(stream, 40_100, pair.now)
    pair.exchange()
    pair.finish(stream)
    pair.initiator.connection.countersign(stream)


def a_request_that_is_refused(pair: Pair) -> None:
    pair.responder.connection.refuse(pair.requested(), ErrorCode.BUSY)


def a_request_that_is_no_request(pair: Pair) -> None:
    pair.advertised()
    pair.responder.feed(0, Error(code=1))


def an_answer_that_is_given_up(pair: Pair) -> None:
    pair.responder.connection.refuse(pair.streaming(), ErrorCode.INTERNAL)


def an_answer_that_is_too_long(pair: Pair) -> None:
    pair.initiator.feed(stream := pair.streaming(), Chunk(text="x", tokens=65))
    pair.responder.feed(stream, pair.initiator.sent(stream)[-1])


def a_request_that_is_withdrawn(pair: Pair) -> None:
    stream = pair.requested()
    pair.initiator.connection.cancel(stream, NOW)
    pair.exchange()
    pair.finish(stream)


def a_withdrawn_request_that_is_refused(pair: Pair) -> None:
    stream = pair.requested()
    pair.initiator.connection.cancel(stream, NOW)
    pair.exchange()
    pair.responder.connection.refuse(stream, ErrorCode.INTERNAL)


def a_withdrawn_request_that_nobody_answers(pair: Pair) -> None:
    stream = pair.requested()
    pair.initiator.connection.cancel(stream, NOW)
    pair.exchange()
    pair.tick(pair.initiator)


def a_cancel_that_crosses_accept_and_chunk(pair: Pair) -> None:
    stream = pair.requested()
    pair.responder.connection.accept(stream, INPUT)
    pair.responder.connection.chunk(stream, Chunk(text="x", tokens=1), NOW)
    late = pair.responder.collect()
    pair.initiator.connection.cancel(stream, NOW)
    pair.deliver(pair.responder, pair.initiator, late)
    pair.exchange()
    pair.finish(stream)


def a_cancel_that_nobody_answers(pair: Pair) -> None:
    pair.initiator.connection.cancel(pair.streaming(), NOW)
    pair.exchange()
    pair.tick(pair.initiator)


def a_cancel_that_is_answered_by_an_error(pair: Pair) -> None:
    stream = pair.streaming()
    pair.initiator.connection.cancel(stream, NOW)
    pair.exchange()
    pair.responder.connection.refuse(stream, ErrorCode.INTERNAL)


def everything_crosses_the_end(pair: Pair) -> None:
    stream = pair.streaming(max_tokens=1000, ceiling=10_000)
    for _ in range(4):
        pair.responder.connection.chunk(stream, Chunk(text="x" * 10_000, tokens=10), NOW)
    pair.responder.connection.end(stream, FinishReason.STOP, seed("answer"), NOW)
    chunks_and_end = pair.responder.collect()
    pair.deliver(pair.responder, pair.initiator, chunks_and_end[:-1])
    pair.initiator.connection.consumed(stream, 40_100, pair.now)
    pair.initiator.connection.cancel(stream, NOW)
    pair.exchange()


def a_bill_that_is_refused(pair: Pair) -> None:
    stream = pair.streaming()
    pair.responder.connection.end(stream, FinishReason.STOP, seed("answer"), NOW)
    pair.responder.collect()
    end = pair.responder.sent(stream)[-1]
    assert isinstance(end, End)
    pair.initiator.feed(stream, replace(end, salt=seed("another")))
    pair.responder.feed(stream, pair.initiator.sent(stream)[-1])


def a_call_that_is_answered(pair: Pair) -> None:
    pair.responder.connection.answer(pair.called(), b"\xa0")


def a_call_that_is_refused(pair: Pair) -> None:
    pair.responder.connection.refuse(pair.called(), ErrorCode.NOT_ALLOWED)


def a_call_that_is_too_much(pair: Pair) -> None:
    for _ in range(limits.MAX_CALLS):
        pair.called()
    pair.responder.feed(4 * limits.MAX_CALLS, Call(procedure=Procedure.FIND, arguments=b""))


def a_call_that_nobody_answers(pair: Pair) -> None:
    pair.called()
    pair.responder.connection.next_timeout()
    pair.tick(pair.initiator)


SCENARIOS: list[Callable[[Pair], None]] = [
    a_whole_answer,
    a_request_that_is_refused,
    a_request_that_is_no_request,
    an_answer_that_is_given_up,
    an_answer_that_is_too_long,
    a_request_that_is_withdrawn,
    a_withdrawn_request_that_is_refused,
    a_withdrawn_request_that_nobody_answers,
    a_cancel_that_crosses_accept_and_chunk,
    a_cancel_that_nobody_answers,
    a_cancel_that_is_answered_by_an_error,
    everything_crosses_the_end,
    a_bill_that_is_refused,
    a_call_that_is_answered,
    a_call_that_is_refused,
    a_call_that_is_too_much,
    a_call_that_nobody_answers,
]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> set[Row]:
    """The rows that live connections take."""
    rows: set[Row] = set()

    def record(role: Role, state: State, direction: Direction, frame: FrameType, error: type[ProtocolError]) -> State:
        after = step(role, state, direction, frame, error)
        rows.add((role, state, direction, frame))
        return after

    for module in (control, consumer, provider, calls):
        assert vars(module)["step"] is states.step
        monkeypatch.setattr(module, "step", record)
    return rows


def test_every_row_is_taken(taken: set[Row]) -> None:
    for scenario in SCENARIOS:
        pair = Pair.make()
        scenario(pair)
        pair.exchange()
        assert pair.initiator.closed is pair.responder.closed is None, scenario.__name__
    assert ROWS - taken == set()


# A live connection obeys the table


def any_frame(kind: FrameType) -> Frame:
    """A frame of that type whose body its shape allows."""
    if kind is FrameType.HELLO:
        return HelloFrame(hello=Signed.make(BOB, Context.HELLO, {}))
    return decode_frame(RawFrame(type=kind, body=codec.encode(least(FRAME_SHAPES[kind])), size=0))


def consumer_in(state: State) -> tuple[Pair, int, Side]:
    pair = Pair.make()
    stream = pair.requested() if state in (State.REQUESTED, State.WITHDRAWN) else pair.streaming()
    if state in (State.WITHDRAWN, State.CANCELLED):
        pair.initiator.connection.cancel(stream, NOW)
    if state is State.ENDED:
        pair.finish(stream)
    pair.initiator.collect()
    return pair, stream, pair.initiator


def provider_in(state: State) -> tuple[Pair, int, Side]:
    pair = Pair.make()
    stream = pair.requested() if state is State.REQUESTED else pair.streaming()
    if state is State.CANCELLED:
        pair.initiator.connection.cancel(stream, NOW)
        pair.exchange()
    if state is State.ENDED:
        pair.finish(stream)
    pair.responder.collect()
    return pair, stream, pair.responder


def caller_in(_: State) -> tuple[Pair, int, Side]:
    pair = Pair.make()
    return pair, pair.called(), pair.initiator


def callee_in(_: State) -> tuple[Pair, int, Side]:
    pair = Pair.make()
    return pair, pair.called(), pair.responder


SIDES = {Role.CONSUMER: consumer_in, Role.PROVIDER: provider_in, Role.CALLER: caller_in, Role.CALLEE: callee_in}
LIVE = [
    *(
        (Role.CONSUMER, state)
        for state in (State.REQUESTED, State.WITHDRAWN, State.STREAMING, State.CANCELLED, State.ENDED)
    ),
    *((Role.PROVIDER, state) for state in (State.REQUESTED, State.STREAMING, State.CANCELLED, State.ENDED)),
    (Role.CALLER, State.CALLED),
    (Role.CALLEE, State.CALLED),
]


@pytest.mark.parametrize("kind", FrameType)
@pytest.mark.parametrize(("role", "state"), LIVE)
def test_a_live_exchange_refuses_what_its_table_lacks(role: Role, state: State, kind: FrameType) -> None:
    _, stream, victim = SIDES[role](state)
    victim.feed(stream, any_frame(kind))
    if (role, state, Direction.RECEIVE, kind) in ROWS:
        assert not [e for e in victim.all(ConnectionFailed) if e.error.requirement == "STM-001"]
    else:
        assert victim.closed == ErrorCode.UNEXPECTED_FRAME
        assert victim.last(ConnectionFailed).error.requirement == "STM-001"
        assert_dead(victim)


@pytest.mark.parametrize("kind", FrameType)
@pytest.mark.parametrize("side", ["initiator", "responder"])
def test_a_live_control_stream_refuses_what_its_table_lacks(side: str, kind: FrameType) -> None:
    pair = Pair.make()
    pair.streaming()
    victim: Side = getattr(pair, side)
    victim.feed(3 if side == "initiator" else 2, any_frame(kind))
    assert victim.closed == (None if kind is FrameType.MODELS else ErrorCode.UNEXPECTED_FRAME)


def test_the_names_of_live_states_cover_the_table() -> None:
    ends = {State.IDLE, State.DONE}  # idle: nothing was received yet; done: the stream is forgotten
    assert {each for each in TABLE if each[0] in SIDES and each[1] not in ends} == set(LIVE)


def test_what_an_owner_asks_of_an_exchange_that_is_over_has_no_effect() -> None:
    for given_up in (True, False):
        pair = Pair.make()
        stream = pair.streaming()
        if given_up:
            pair.responder.connection.refuse(stream, ErrorCode.INTERNAL)
            pair.exchange()
        else:
            pair.finish(stream)
        for connection in (pair.initiator.connection, pair.responder.connection):
            connection.cancel(stream, NOW)
            connection.consumed(stream, 100_000, NOW)
            connection.chunk(stream, Chunk(text="x", tokens=1), NOW)
            connection.end(stream, FinishReason.STOP, seed("x"), NOW)
            connection.refuse(stream, ErrorCode.BUSY)
            assert not connection.accept(stream, 1)
        assert not pair.initiator.collect() + pair.responder.collect()
        assert len(pair.initiator.all(Ended)) + len(pair.initiator.all(Failed)) == 1
