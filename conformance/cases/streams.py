"""Request streams, as many and in what order: a part of the family flow."""

from __future__ import annotations

import asyncio

from conformance import dcbor, framing
from conformance.data import limit
from conformance.judge.answered import Answers, WithRoomFor
from conformance.judge.answers_shown import decides_each
from conformance.judge.expect import Completes, Fails, Refuses, Shows
from conformance.script.answering import another, answer, asking
from conformance.script.faults import Fault
from conformance.script.initiator import Initiator
from conformance.script.session import Session

from .registry import Family

PART = Family("flow")
_CHAT = "inference/accept-chat"
_RESERVED = 65
"""A frame type that means nothing."""


@PART.case("answer-streams-in-any-order", requirements=("FLW-010~1",), expect=Answers(count=3), twin=_CHAT)
async def answer_streams_in_any_order(session: Session) -> None:
    """Request 8 is there before requests 0 and 4, as when packets are lost: all three are answered."""
    request = await asking(session)
    requests = [another(request.side) for _ in range(3)]
    for each, stream in zip(requests, (8, 0, 4), strict=True):
        request.side.next_stream = stream
        each.ask()
    for each in requests:
        await each.finish()


@PART.case("answer-streams-beside-each-other", requirements=("FLW-010~1", "INF-028~1"), expect=Answers(count=4))
async def answer_streams_beside_each_other(session: Session) -> None:
    """Four requests are asked at once and read in another order: each gets its own answer on its own stream."""
    request = await asking(session)
    requests = [request, *(another(request.side) for _ in range(3))]
    for number, each in enumerate(requests):
        each.ask(each.content(prompt=f"{number + 1}. Tell me a story."))
    for each in reversed(requests):
        await each.finish()


@PART.case(
    "decide-a-dozen",
    requirements=("INF-027~2", "INF-028~1"),
    expect=Shows("each request is answered or refused with BUSY", decides_each),
    twin=_CHAT,
)
async def decide_a_dozen(session: Session) -> None:
    """Twelve requests at once, more than most nodes have room for: each is accepted or refused with BUSY, and soon.

    What takes longer than half of SILENCE_TIMEOUT to be accepted is a warning: the consumer may be gone by then.
    """
    request = await asking(session)
    requests = [request, *(another(request.side) for _ in range(11))]
    for each in requests:
        each.ask(each.content(max_tokens=2))
    for each in requests:
        await each.finish(within=limit("SILENCE_TIMEOUT"))


def _crowd(side: Initiator, streams: int) -> None:
    """Open streams with the first byte of a REQUEST each."""
    for _ in range(streams):
        side.link.write(side.open_stream(), framing.write_varint(400)[:1])


@PART.case("answer-request-among-most-streams", requirements=("FLW-006~3",), expect=Completes(), twin=_CHAT)
async def answer_request_among_most_streams(session: Session) -> None:
    """63 streams have begun, and the 64th brings a whole request: it is answered."""
    request = await asking(session)
    _crowd(request.side, limit("MAX_STREAMS") - 1)
    await answer(request)


_SETTLE = 0.5
"""Seconds in which streams that were opened have been seen: they may overtake each other (FLW-010)."""


@PART.case(
    "refuse-stream-beyond-most",
    requirements=("FLW-006~3",),
    expect=Refuses("BUSY"),
    fault=Fault.STREAM_BEYOND_MOST,
    twin="answer-request-among-most-streams",
)
async def refuse_stream_beyond_most(session: Session) -> None:
    """64 streams have begun, and there is one more: it is refused with BUSY, and nothing else of the consumer's is."""
    request = await asking(session)
    _crowd(request.side, limit("MAX_STREAMS"))
    await asyncio.sleep(_SETTLE)
    request.send(request.compose(), fault=Fault.STREAM_BEYOND_MOST)
    await request.finish()
    await request.side.probe()


def _most_streams(side: Initiator) -> int:
    """How many streams the target's QUIC lets be open."""
    key = "initial_max_streams_bidi"
    return next((event.facts[key] for event in side.session.recorder.events if key in event.facts), 0)


@PART.case(
    "answer-stream-behind-skipped",
    requirements=("FLW-008~1", "FLW-010~1"),
    expect=WithRoomFor(limit("MAX_SKIPPED") + 1, Answers()),
    twin=_CHAT,
)
async def answer_stream_behind_skipped(session: Session) -> None:
    """The first stream that shows data leaves out 256 before it, which may be on their way: it is answered."""
    request = await asking(session)
    if _most_streams(request.side) > limit("MAX_SKIPPED"):
        request.side.next_stream = 4 * limit("MAX_SKIPPED")
        await answer(request)


@PART.case(
    "reject-stream-behind-too-many",
    requirements=("FLW-008~1",),
    expect=WithRoomFor(limit("MAX_SKIPPED") + 2, Fails("STREAM_MISUSE", "request")),
    fault=Fault.STREAMS_SKIPPED_TOO_MANY,
    twin="answer-stream-behind-skipped",
)
async def reject_stream_behind_too_many(session: Session) -> None:
    """The first stream that shows data leaves out 257 before it: nobody has to remember so many that never came."""
    request = await asking(session)
    request.side.next_stream = 4 * (limit("MAX_SKIPPED") + 1)
    request.side.commits(Fault.STREAMS_SKIPPED_TOO_MANY, request.side.next_stream)
    if _most_streams(request.side) > limit("MAX_SKIPPED") + 1:
        request.ask()
        await request.side.rest(within=3)


async def _discarded(side: Initiator, size: int) -> int:
    """Write at most ``size`` bytes of frames that mean nothing on a stream that is over; its id."""
    stream = side.open_stream()
    side.link.write(stream, framing.write_frame(framing.CREDIT, dcbor.encode({0: 1})))
    await side.frame(stream, "ERROR")
    block = framing.write_frame(_RESERVED, bytes(limit("MAX_SMALL"))) * 32
    for _ in range(size // len(block)):
        side.link.write(stream, block)
        await asyncio.sleep(0)
    return stream


@PART.case(
    "discard-bytes-of-stream-that-is-over",
    requirements=("FLW-007~1", "STM-004~2"),
    expect=Answers(),
    twin=_CHAT,
    tier="full",
)
async def discard_bytes_of_stream_that_is_over(session: Session) -> None:
    """Nearly 4 MiB come on a stream whose request was refused: they were on their way, and the next one is answered."""
    request = await asking(session)
    await _discarded(request.side, limit("MAX_DISCARDED"))
    await answer(request)


@PART.case(
    "reject-flood-of-stream-that-is-over",
    requirements=("FLW-007~1",),
    expect=Fails("RATE_EXCEEDED", "request"),
    fault=Fault.BYTES_FOR_STREAM_THAT_IS_OVER,
    twin="discard-bytes-of-stream-that-is-over",
    tier="full",
)
async def reject_flood_of_stream_that_is_over(session: Session) -> None:
    """More than 4 MiB come on a stream whose request was refused: nothing of it is kept, and still it is a flood."""
    request = await asking(session)
    side = request.side
    stream = await _discarded(side, limit("MAX_DISCARDED"))
    side.commits(Fault.BYTES_FOR_STREAM_THAT_IS_OVER, stream)
    side.link.write(stream, framing.write_frame(_RESERVED, bytes(limit("MAX_SMALL"))) * 32)
    await side.rest(within=10)
