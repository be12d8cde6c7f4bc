"""Credit, streams and waits of a provider: SPEC.md, "Flow control"."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from conformance import dcbor, framing
from conformance.data import limit
from conformance.judge.answered import (
    Answers,
    WithRoomFor,
    bills_what_cancel_names,
    fills_an_answer,
    fills_the_first_credit,
    gives_up_in_time,
    shows_a_heartbeat,
)
from conformance.judge.expect import All, Completes, Fails, Refuses, Shows
from conformance.script.answering import QUIET, another, answer, asking, chunk, ended, held, running
from conformance.script.asking import Asking
from conformance.script.faults import Fault
from conformance.script.initiator import Initiator
from conformance.script.session import Session
from conformance.wire.link import OverdueError

from .registry import Family

FAMILY = Family("flow")
_CHAT = "inference/accept-chat"
_RESERVED = 65
"""A frame type that means nothing."""
_PATIENCE = 200.0
"""Seconds that an answer of 16 MiB may take."""


# Credit


@FAMILY.case("accept-credit", requirements=("FLW-004~1", "FLW-005~1"), expect=Answers(), twin=_CHAT)
async def accept_credit(session: Session) -> None:
    """A CREDIT of the least step, and one of as much as may be outstanding: both are taken, and the answer ends well.

    The refusals of credit have this case as their honest twin.
    """
    request = await asking(session)
    await running(request)
    request.write(framing.CREDIT, {0: limit("INITIAL_CREDIT") + limit("MIN_CREDIT_STEP")})
    request.credit = request.received + limit("MAX_CREDIT")
    request.write(framing.CREDIT, {0: request.credit})
    await chunk(request)
    request.cancel()
    await ended(request)


def _credits(value: Callable[[Asking], int]) -> Callable[[Session], Awaitable[None]]:
    async def script(session: Session) -> None:
        request = await asking(session)
        await running(request)
        assert session.fault is not None  # of this family's table
        request.side.commits(session.fault)
        request.write(framing.CREDIT, {0: value(request)})
        await request.side.rest(within=3)

    return script


for _slug, _fault, _value, _requirement, _page in (
    (
        "credit-of-small-step",
        Fault.CREDIT_STEP_TOO_SMALL,
        lambda request: request.credit + limit("MIN_CREDIT_STEP") - 1,
        "FLW-004~1",
        "A CREDIT raises the limit by one byte less than the least step: credit of single bytes is a flood.",
    ),
    (
        "repeated-credit",
        Fault.CREDIT_REPEATED,
        lambda request: request.credit,
        "FLW-004~1",
        "A CREDIT of the limit that holds already.",
    ),
    (
        "lowered-credit",
        Fault.CREDIT_LOWERED,
        lambda _: 0,
        "FLW-004~1",
        "A CREDIT takes back what was granted.",
    ),
    (
        "credit-too-far",
        Fault.CREDIT_TOO_FAR,
        lambda _: limit("INITIAL_CREDIT") + limit("MAX_CREDIT") + 1,
        "FLW-005~1",
        "A CREDIT grants more than may be outstanding, whatever has been sent of the first 65,536 bytes.",
    ),
    (
        "credit-without-bound",
        Fault.CREDIT_WITHOUT_BOUND,
        lambda _: limit("MAX_AMOUNT"),
        "FLW-005~1",
        "A CREDIT of 2^53 - 1 bytes, which is to say: no flow control.",
    ),
):
    FAMILY.add(
        f"reject-{_slug}",
        page=_page,
        requirements=(_requirement,),
        script=_credits(_value),
        expect=Fails("FLOW_CONTROL", "answer"),
        fault=_fault,
        twin="accept-credit",
    )


@FAMILY.case(
    "accept-credit-at-its-bound",
    requirements=("FLW-005~1",),
    expect=Shows("the answer goes on", bills_what_cancel_names),
    twin=_CHAT,
    tier="full",
    seconds=8,
)
async def accept_credit_at_its_bound(session: Session) -> None:
    """The answer waits for a tick, so that both sides know its bytes: a CREDIT of MAX_CREDIT beyond them is good."""
    request = await asking(session)
    await held(request)
    request.write(framing.CREDIT, {0: request.received + limit("MAX_CREDIT")})
    request.pay()
    await chunk(request)
    request.cancel()
    await ended(request)


@FAMILY.case(
    "reject-credit-one-byte-too-far",
    requirements=("FLW-005~1",),
    expect=Fails("FLOW_CONTROL", "answer"),
    fault=Fault.CREDIT_ONE_BYTE_TOO_FAR,
    twin="accept-credit-at-its-bound",
    tier="full",
    seconds=8,
)
async def reject_credit_one_byte_too_far(session: Session) -> None:
    """The answer waits for a tick, so that both sides know its bytes; a CREDIT goes one byte too far beyond them."""
    request = await asking(session)
    await held(request)
    request.side.commits(Fault.CREDIT_ONE_BYTE_TOO_FAR)
    request.write(framing.CREDIT, {0: request.received + limit("MAX_CREDIT") + 1})
    await request.side.rest(within=3)


async def _spent(request: Asking) -> None:
    """Read a long answer that is paid, without a word of credit, until none of the credit is left to be used.

    The least frequency_penalty makes any model say the same again and again, and never end.
    """
    request.ask(request.content(max_tokens=request.quote.context_length, k11=-2_000_000) | {4: 600_000})
    await request.accept()
    request.pay()
    while request.received <= limit("INITIAL_CREDIT") - limit("MAX_CHUNK"):
        await chunk(request)
        request.pay()
    with suppress(OverdueError):
        while True:
            await chunk(request, within=QUIET)
            request.pay()


@FAMILY.case(
    "hold-at-initial-credit",
    requirements=("FLW-001~1", "FLW-002~1"),
    expect=All(
        (
            Shows("all of the first credit is used", fills_the_first_credit),
            Shows("the answer can be cancelled afterwards", bills_what_cancel_names),
        )
    ),
    twin=_CHAT,
    tier="full",
    seconds=240,
)
async def hold_at_initial_credit(session: Session) -> None:
    """An answer of more than 65,536 bytes of CHUNK frames that is paid and not credited: there the provider waits.

    It does not wait sooner, and CREDIT lets it go on.
    """
    request = await asking(session)
    await _spent(request)
    for _ in range(8):
        request.give_credit()
        await chunk(request)
        request.pay()
    request.cancel()
    await ended(request)


@FAMILY.case(
    "give-up-answer-without-credit",
    requirements=("FLW-013~1", "FLW-002~1"),
    expect=All((Refuses("TICK_OVERDUE", stage="answer"), Shows("after 30 seconds", gives_up_in_time))),
    fault=Fault.CREDIT_WITHHELD,
    twin="hold-at-initial-credit",
    tier="full",
    seconds=280,
)
async def give_up_answer_without_credit(session: Session) -> None:
    """The first credit is used up, everything is paid, and no CREDIT comes: after 30 seconds the provider gives up."""
    request = await asking(session)
    await _spent(request)
    request.side.commits(Fault.CREDIT_WITHHELD, request.stream)
    await ended(request, within=limit("PAYMENT_TIMEOUT") + 8)
    await request.side.probe()


@FAMILY.case(
    "bound-an-answer",
    requirements=("FLW-014~1", "FLW-002~1"),
    expect=Shows("an answer ends at MAX_ANSWER", fills_an_answer),
    twin=_CHAT,
    tier="full",
    seconds=240,
)
async def bound_an_answer(session: Session) -> None:
    """As many tokens as can be asked for, all paid and credited: at 16 MiB the answer ends with LENGTH.

    A model whose context cannot hold so much is cancelled after a few words, and the case does not apply to it.
    """
    request = await asking(session)
    began = asyncio.get_running_loop().time()
    request.ask(request.content(max_tokens=limit("MAX_TOKENS")) | {4: limit("MAX_DEADLINE_MS")})
    await request.accept()
    for _ in range(32):
        request.pay()
        request.give_credit()
        await chunk(request)
    if 2 * request.received * request.quote.context_length // request.tokens < limit("MAX_ANSWER"):
        request.cancel()
        await ended(request)
        return
    seconds = (asyncio.get_running_loop().time() - began) * limit("MAX_ANSWER") / request.received
    if seconds > _PATIENCE:
        raise session.untestable(f"16 MiB would take {seconds:.0f} seconds", "offer a faster model")
    await request.finish()


# Waits


@FAMILY.case(
    "send-heartbeat",
    requirements=("INF-014~1",),
    expect=All((Answers(), Shows("a CHUNK of nothing comes", shows_a_heartbeat))),
    twin="cancellation/end-answer-that-waits",
    tier="full",
    seconds=30,
)
async def send_heartbeat(session: Session) -> None:
    """The answer waits for a tick. After 20 seconds a heartbeat says that the provider lives: it costs nothing."""
    request = await asking(session)
    await held(request)
    with suppress(OverdueError):
        await chunk(request, within=limit("HEARTBEAT") + 7)
    request.pay()
    request.cancel()
    await ended(request)


@FAMILY.case(
    "give-up-unpaid-answer",
    requirements=("FLW-013~1",),
    expect=All((Refuses("TICK_OVERDUE", stage="answer"), Shows("after 30 seconds", gives_up_in_time))),
    fault=Fault.TICKS_WITHHELD,
    twin="cancellation/end-answer-that-waits",
    tier="full",
    seconds=40,
)
async def give_up_unpaid_answer(session: Session) -> None:
    """The prompt is paid and nothing else: after 30 seconds of waiting the provider gives up, heartbeats or not."""
    request = await asking(session)
    await held(request)
    request.side.commits(Fault.TICKS_WITHHELD, request.stream)
    await ended(request, within=limit("PAYMENT_TIMEOUT") + 8)
    await request.side.probe()


@FAMILY.case(
    "give-up-unpaid-answer-despite-credit",
    requirements=("FLW-013~1",),
    expect=All((Refuses("TICK_OVERDUE", stage="answer"), Shows("after 30 seconds", gives_up_in_time))),
    fault=Fault.TICKS_WITHHELD_BEHIND_CREDIT,
    twin="cancellation/end-answer-that-waits",
    tier="full",
    seconds=40,
)
async def give_up_unpaid_answer_despite_credit(session: Session) -> None:
    """The answer waits for a tick, and a CREDIT comes that does not help it: the 30 seconds go on.

    Else a consumer that pays nothing holds the answer, and its place in the model, with a CREDIT now and then.
    """
    request = await asking(session)
    await held(request)
    request.side.commits(Fault.TICKS_WITHHELD_BEHIND_CREDIT, request.stream)
    await asyncio.sleep(limit("PAYMENT_TIMEOUT") / 2)
    request.write(framing.CREDIT, {0: limit("INITIAL_CREDIT") + limit("MIN_CREDIT_STEP")})
    await ended(request, within=limit("PAYMENT_TIMEOUT") + 8)
    await request.side.probe()


# Streams


@FAMILY.case("answer-streams-in-any-order", requirements=("FLW-010~1",), expect=Answers(count=3), twin=_CHAT)
async def answer_streams_in_any_order(session: Session) -> None:
    """Request 8 is there before requests 0 and 4, as when packets are lost: all three are answered."""
    request = await asking(session)
    requests = [another(request.side) for _ in range(3)]
    for each, stream in zip(requests, (8, 0, 4), strict=True):
        request.side.next_stream = stream
        each.ask()
    for each in requests:
        await each.finish()


@FAMILY.case("answer-streams-beside-each-other", requirements=("FLW-010~1", "INF-028~1"), expect=Answers(count=4))
async def answer_streams_beside_each_other(session: Session) -> None:
    """Four requests are asked at once and read in another order: each gets its own answer on its own stream."""
    request = await asking(session)
    requests = [request, *(another(request.side) for _ in range(3))]
    for number, each in enumerate(requests):
        each.ask(each.content(prompt=f"{number + 1}. Tell me a story."))
    for each in reversed(requests):
        await each.finish()


def _crowd(side: Initiator, streams: int) -> None:
    """Open streams with the first byte of a REQUEST each."""
    for _ in range(streams):
        side.link.write(side.open_stream(), framing.write_varint(400)[:1])


@FAMILY.case("answer-request-among-most-streams", requirements=("FLW-006~1",), expect=Completes(), twin=_CHAT)
async def answer_request_among_most_streams(session: Session) -> None:
    """63 streams have begun, and the 64th brings a whole request: it is answered."""
    request = await asking(session)
    _crowd(request.side, limit("MAX_STREAMS") - 1)
    await answer(request)


@FAMILY.case(
    "refuse-stream-beyond-most",
    requirements=("FLW-006~1",),
    expect=Refuses("BUSY"),
    fault=Fault.STREAM_BEYOND_MOST,
    twin="answer-request-among-most-streams",
)
async def refuse_stream_beyond_most(session: Session) -> None:
    """64 streams have begun, and there is one more: it is refused with BUSY, and nothing else of the consumer's is."""
    request = await asking(session)
    _crowd(request.side, limit("MAX_STREAMS"))
    request.send(request.compose(), fault=Fault.STREAM_BEYOND_MOST)
    await request.finish()
    await request.side.probe()


def _most_streams(side: Initiator) -> int:
    """How many streams the target's QUIC lets be open."""
    key = "initial_max_streams_bidi"
    return next((event.facts[key] for event in side.session.recorder.events if key in event.facts), 0)


@FAMILY.case(
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


@FAMILY.case(
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


@FAMILY.case(
    "discard-bytes-of-stream-that-is-over",
    requirements=("FLW-007~1", "STM-004~1"),
    expect=Answers(),
    twin=_CHAT,
    tier="full",
)
async def discard_bytes_of_stream_that_is_over(session: Session) -> None:
    """Nearly 4 MiB come on a stream whose request was refused: they were on their way, and the next one is answered."""
    request = await asking(session)
    await _discarded(request.side, limit("MAX_DISCARDED"))
    await answer(request)


@FAMILY.case(
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
