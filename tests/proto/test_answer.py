"""Answers of more than text: what may come in which order, what both sides commit to, and what the consumer refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycellm_proto import limits
from mycellm_proto.answer import Answer, Candidate, Chunk, Logprob, Part, Reading, join
from mycellm_proto.content import (
    ChatRequest,
    CompletionRequest,
    Content,
    EmbeddingRequest,
    FinishReason,
    Message,
    Role,
    Tool,
    ToolMode,
)
from mycellm_proto.economy import response_commitment
from mycellm_proto.errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from mycellm_proto.events import ChunkReceived, Ended, Failed, Settled

from .pair import NOW, Pair

CHAT = ChatRequest(
    model="m",
    messages=(Message(role=Role.USER, content="?"),),
    max_tokens=64,
    deadline_ms=1000,
    top_logprobs=1,
    tools=(Tool(name="f"), Tool(name="g")),
)
COMPLETION = CompletionRequest(model="m", prompt="Once", max_tokens=64, deadline_ms=1000)
EMBEDDING = EmbeddingRequest(model="m", inputs=("a", "b"), deadline_ms=1000)
ONE = Logprob(token=Candidate(text=b"x", below=5), top=(Candidate(text=b"x", below=5),))


def text(said: str = "x", part: Part = Part.ANSWER) -> Chunk:
    return Chunk(text=said, tokens=1, part=part)


def numbers(part: Part = Part.VECTOR, count: int = 2) -> Chunk:
    return Chunk(text="", tokens=0, part=part, vector=bytes(4 * count))


CALL, ARGUMENTS = text("f", Part.CALL), text("{}", Part.ARGUMENTS)
HEARTBEAT = Chunk(text="", tokens=0)
COUNTED = Chunk(text="", tokens=1)


@pytest.mark.parametrize(
    ("request_", "chunks", "finish"),
    [
        (CHAT, [text("hm", Part.REASONING), text(), CALL, HEARTBEAT, ARGUMENTS, COUNTED, ARGUMENTS], "TOOL_CALLS"),
        (CHAT, [CALL, CALL, text("g", Part.CALL), ARGUMENTS], "TOOL_CALLS"),
        (CHAT, [CALL, text(), text("hm", Part.REASONING), text()], "STOP"),
        (CHAT, [COUNTED, replace(text(), logprobs=(ONE, ONE))], "STOP"),
        (CHAT, [CALL] * limits.MAX_TOOL_CALLS, "TOOL_CALLS"),
        (replace(CHAT, tool_choice="g"), [text("g", Part.CALL)], "TOOL_CALLS"),
        (replace(CHAT, parallel_tool_calls=False), [CALL, ARGUMENTS], "LENGTH"),
        (COMPLETION, [text(), HEARTBEAT, text()], "STOP"),
        (EMBEDDING, [HEARTBEAT, numbers(), numbers(Part.VALUES), HEARTBEAT, numbers(count=4)], "STOP"),
        (EMBEDDING, [numbers()], "DEADLINE"),
        (replace(EMBEDDING, dimensions=2), [numbers(), numbers()], "STOP"),
    ],
)
def test_parts_come_in_order(request_: Content, chunks: list[Chunk], finish: str) -> None:
    reading = Reading(request_)
    for chunk in chunks:
        reading.take(chunk)
    reading.end(FinishReason[finish])


@pytest.mark.parametrize(
    ("request_", "chunks", "requirement"),
    [
        (COMPLETION, [text("hm", Part.REASONING)], "INF-035"),
        (COMPLETION, [CALL], "INF-035"),
        (CHAT, [numbers()], "INF-035"),
        (CHAT, [replace(text(), vector=b"\0" * 4)], "INF-035"),
        (COMPLETION, [Chunk(text="", tokens=0, part=Part.VALUES)], "INF-035"),
        (CHAT, [ARGUMENTS], "INF-036"),
        (CHAT, [CALL, text(), ARGUMENTS], "INF-036"),
        (CHAT, [CALL, text("hm", Part.REASONING), ARGUMENTS], "INF-036"),
        (CHAT, [text("h", Part.CALL)], "INF-037"),
        (CHAT, [text("", Part.CALL)], "INF-037"),
        (replace(CHAT, tools=()), [CALL], "INF-037"),
        (replace(CHAT, tool_choice=ToolMode.NONE), [CALL], "INF-037"),
        (replace(CHAT, tool_choice="g"), [CALL], "INF-037"),
        (replace(CHAT, parallel_tool_calls=False), [CALL, CALL], "INF-037"),
        (CHAT, [CALL] * (limits.MAX_TOOL_CALLS + 1), "INF-037"),
        (replace(CHAT, top_logprobs=None), [replace(text(), logprobs=(ONE,))], "INF-038"),
        (replace(CHAT, top_logprobs=0), [replace(text(), logprobs=(ONE,))], "INF-038"),
        (CHAT, [replace(text(), logprobs=(ONE, ONE))], "INF-038"),
        (EMBEDDING, [text()], "INF-039"),
        (EMBEDDING, [Chunk(text="", tokens=0, part=Part.VECTOR)], "INF-039"),
        (EMBEDDING, [numbers(Part.ANSWER)], "INF-039"),
        (EMBEDDING, [numbers(Part.VALUES)], "INF-039"),
        (EMBEDDING, [numbers()] * 3, "INF-039"),
        (replace(EMBEDDING, dimensions=3), [numbers(count=4)], "INF-039"),
        (EMBEDDING, [numbers(count=4000)] + [numbers(Part.VALUES, 4000)] * 4, "INF-039"),
    ],
)
def test_what_was_not_asked_for_is_refused(request_: Content, chunks: list[Chunk], requirement: str) -> None:
    reading = Reading(request_)
    for chunk in chunks[:-1]:
        reading.take(chunk)
    with pytest.raises(RemoteProtocolError) as refused:
        reading.take(chunks[-1])
    assert (refused.value.code, refused.value.requirement) == (ErrorCode.BAD_ANSWER, requirement)


@pytest.mark.parametrize(
    ("request_", "chunks", "finish"),
    [
        (CHAT, [text()], FinishReason.TOOL_CALLS),
        (EMBEDDING, [numbers()], FinishReason.STOP),
        (EMBEDDING, [numbers(), numbers(count=3)], FinishReason.STOP),
        (EMBEDDING, [Chunk(text="", tokens=0, part=Part.VECTOR, vector=bytes(3))] * 2, FinishReason.STOP),
        (replace(EMBEDDING, dimensions=3), [numbers(), numbers()], FinishReason.STOP),
    ],
)
def test_an_end_says_nothing_that_is_not_there(request_: Content, chunks: list[Chunk], finish: FinishReason) -> None:
    reading = Reading(request_)
    for chunk in chunks:
        reading.take(chunk)
    with pytest.raises(RemoteProtocolError) as refused:
        reading.end(finish)
    assert (refused.value.code, refused.value.requirement) == (ErrorCode.BAD_ANSWER, "INF-040")


WHOLE = Answer(
    text="Hi",
    reasoning="hm",
    calls=(("f", '{"a": 1}'), ("g", "")),
    logprobs=(ONE, ONE),
    vectors=(bytes(8), bytes(8)),
)


@pytest.mark.parametrize(
    "changed",
    [
        {"text": "Ho"},
        {"text": "hmHi", "reasoning": ""},
        {"calls": (("f", '{"a": 2}'), ("g", ""))},
        {"calls": (("g", ""), ("f", '{"a": 1}'))},
        {"calls": (("f", '{"a": 1}'), ("f", ""))},
        {"calls": ()},
        {"logprobs": (ONE,)},
        {"logprobs": (ONE, replace(ONE, top=()))},
        {"vectors": (bytes(16),)},
        {"vectors": ()},
    ],
    ids=str,
)
def test_no_byte_of_any_part_can_be_changed(changed: dict[str, object]) -> None:
    """Seen in designs of others: the receipt covered the text, and a call's arguments could be anything."""
    salt = bytes(32)
    honest = response_commitment(salt, WHOLE, FinishReason.STOP, 4)
    assert response_commitment(salt, replace(WHOLE, **changed), FinishReason.STOP, 4) != honest  # type: ignore[arg-type]


@given(st.lists(st.integers(1, 3), max_size=8))
def test_cuts_do_not_change_the_answer(sizes: list[int]) -> None:
    arguments = '{"where": "Oslo"}'
    pieces, at = [CALL], 0
    for size in sizes:
        pieces += [text(arguments[at : at + size], Part.ARGUMENTS), HEARTBEAT]
        at += size
    pieces.append(text(arguments[at:], Part.ARGUMENTS))
    assert join(pieces) == Answer(calls=(("f", arguments),))


def test_calls_and_reasoning_cross_and_are_agreed_to() -> None:
    pair = Pair.make()
    stream = pair.streaming(tools=(Tool(name="f"),))
    chunks = [
        text("hm", Part.REASONING),
        text("f", Part.CALL),
        text('{"a":', Part.ARGUMENTS),
        text("1}", Part.ARGUMENTS),
    ]
    for chunk in chunks:
        pair.responder.connection.chunk(stream, chunk, NOW)
        pair.exchange()
    pair.finish(stream, FinishReason.TOOL_CALLS)
    assert [event.chunk for event in pair.initiator.all(ChunkReceived)] == chunks
    assert pair.initiator.last(Ended).close.finish is FinishReason.TOOL_CALLS
    pair.initiator.connection.countersign(stream)
    pair.exchange()
    assert pair.responder.last(Settled).evidence.countersignature is not None


def test_a_consumer_gives_up_on_what_it_did_not_ask_for() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    pair.initiator.feed(stream, CALL)
    failed = pair.initiator.last(Failed)
    assert (failed.code, failed.by_peer) == (ErrorCode.BAD_ANSWER, False)
    assert failed.owed > 0, "what was released stays owed"
    assert pair.initiator.connection.session is not None, "the connection lives on"


def test_a_provider_sends_nothing_that_was_not_asked_for() -> None:
    pair = Pair.make()
    stream = pair.streaming()
    with pytest.raises(LocalProtocolError) as refused:
        pair.responder.connection.chunk(stream, CALL, NOW)
    assert refused.value.code is ErrorCode.BAD_ANSWER
    pair.finish(stream, FinishReason.TOOL_CALLS)  # of calls that are not there
    assert pair.initiator.last(Ended).close.finish is FinishReason.FAILED
