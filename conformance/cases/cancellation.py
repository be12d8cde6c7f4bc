"""Answers that end before their time: SPEC.md, "Inference exchange", CANCEL and consumers that leave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from conformance import dcbor, framing
from conformance.finish import CANCELLED
from conformance.judge.answered import Answers
from conformance.judge.cancels_shown import bills_what_cancel_names, says_cancelled, takes_it_as_gone, takes_one_cancel
from conformance.judge.expect import Fails, Shows
from conformance.script.answering import asking, ended, held, running
from conformance.script.asking import Asking
from conformance.script.faults import Fault
from conformance.script.session import Session

from .registry import Family

FAMILY = Family("cancellation")
_CHAT = "inference/accept-chat"
_TWIN = "end-cancelled-answer"
_BILLS = Shows("END bills what CANCEL names, or ERROR comes", bills_what_cancel_names)


@FAMILY.case(_TWIN, requirements=("INF-023~1", "STM-002~1", "STM-003~2"), expect=_BILLS, twin=_CHAT)
async def end_cancelled_answer(session: Session) -> None:
    """CANCEL in the middle of a long answer, for all chunks so far: END with CANCELLED comes, and is agreed.

    The refusals of this family have this case as their honest twin.
    """
    request = await asking(session)
    await running(request)
    request.cancel()
    await ended(request)


@FAMILY.case("end-answer-cancelled-at-first-chunk", requirements=("INF-023~1",), expect=_BILLS, twin=_CHAT)
async def end_answer_cancelled_at_first_chunk(session: Session) -> None:
    """CANCEL that names the first chunk alone, though more have come and none is paid: the bill ends there."""
    request = await asking(session)
    await running(request, chunks=3)
    request.cancel(chunks=1)
    await ended(request)


@FAMILY.case("end-answer-of-no-chunks", requirements=("INF-023~1",), expect=_BILLS, twin=_CHAT)
async def end_answer_of_no_chunks(session: Session) -> None:
    """CANCEL that names no chunk: what is left to bill is the prompt."""
    request = await asking(session)
    await running(request)
    request.cancel(chunks=0)
    await ended(request)


@FAMILY.case("end-paid-answer", requirements=("INF-023~1",), expect=_BILLS, twin=_CHAT)
async def end_paid_answer(session: Session) -> None:
    """Every chunk is paid as it comes, then CANCEL: it crosses chunks on their way, which nobody bills."""
    request = await asking(session)
    await running(request, chunks=0)
    for _ in range(12):
        request.pay()
        await request.chunk()
    request.pay()
    request.cancel()
    await ended(request)


@FAMILY.case("end-longest-request", requirements=("INF-023~1", "INF-004~2"), expect=_BILLS, twin=_CHAT)
async def end_longest_request(session: Session) -> None:
    """As many tokens and as long a deadline as a request may ask for, and CANCEL after the first words."""
    request = await asking(session)
    request.ask(request.content(max_tokens=4_194_304) | {4: 3_600_000})
    await request.accept()
    request.pay()
    await request.chunk()
    request.cancel()
    await ended(request)


@FAMILY.case("answer-cancel-before-accept", requirements=("INF-027~2", "INF-023~1"), expect=_BILLS, twin=_CHAT)
async def answer_cancel_before_accept(session: Session) -> None:
    """CANCEL right behind REQUEST: END or ERROR comes, behind an ACCEPT that was on its way, and no text is billed."""
    request = await asking(session)
    request.ask(request.content(max_tokens=256))
    request.cancel()
    await ended(request)


@FAMILY.case("take-cancel-in-pieces", requirements=("INF-023~1", "FRM-007~1"), expect=_BILLS, twin=_CHAT)
async def take_cancel_in_pieces(session: Session) -> None:
    """CANCEL arrives byte by byte."""
    request = await asking(session)
    await running(request)
    body = dcbor.encode({0: len(request.chunks), 1: request.k, 2: request.links[request.k]})
    for byte in framing.write_frame(framing.CANCEL, body):
        request.side.link.write(request.stream, bytes((byte,)))
        await asyncio.sleep(0)
    await ended(request)


@FAMILY.case(
    "take-one-cancel",
    requirements=("INF-023~1", "STM-001~1"),
    expect=Shows("the second CANCEL is refused before END, and ignored behind it", takes_one_cancel),
    fault=Fault.CANCEL_TWICE,
    twin=_TWIN,
)
async def take_one_cancel(session: Session) -> None:
    """CANCEL twice at once: the second one changes nothing that the first one said.

    Where it finds END sent, it is ignored; where it does not, the connection fails with UNEXPECTED_FRAME.
    """
    request = await asking(session)
    await running(request, chunks=3)
    request.cancel(chunks=1)
    request.side.commits(Fault.CANCEL_TWICE)
    request.cancel(chunks=0)
    await ended(request)
    await request.side.rest(within=0.5)


@FAMILY.case(
    "ignore-frames-behind-end",
    requirements=("RCP-022~2", "STM-001~1"),
    expect=Answers(finish=frozenset({CANCELLED})),
    twin=_TWIN,
)
async def ignore_frames_behind_end(session: Session) -> None:
    """After END come a TICK, a CREDIT and a CANCEL, as if they had crossed it: nothing of them has an effect.

    Then the consumer agrees, and the next request is answered.
    """
    request = await asking(session)
    await running(request)
    request.cancel()
    await ended(request, agree=False)
    request.write(framing.TICK, {0: request.k + 1, 1: request.links[request.k + 1]})
    request.write(framing.CREDIT, {0: request.credit + 65_536})
    request.cancel()
    request.countersign()
    await request.side.probe()


@FAMILY.case(
    "reject-cancel-of-chunks-not-sent",
    requirements=("INF-016~1",),
    expect=Fails("UNEXPECTED_FRAME", "answer"),
    fault=Fault.CANCEL_OF_CHUNKS_NOT_SENT,
    twin=_TWIN,
)
async def reject_cancel_of_chunks_not_sent(session: Session) -> None:
    """CANCEL names many more chunks than there are: nobody takes what was never sent."""
    request = await asking(session)
    await running(request)
    request.side.commits(Fault.CANCEL_OF_CHUNKS_NOT_SENT)
    request.cancel(chunks=len(request.chunks) + 100_000)
    await request.side.rest(within=3)


@FAMILY.case(
    "reject-cancel-of-one-chunk-more",
    requirements=("INF-016~1",),
    expect=Fails("UNEXPECTED_FRAME", "answer"),
    fault=Fault.CANCEL_OF_ONE_CHUNK_MORE,
    twin="end-answer-that-waits",
    tier="full",
    seconds=8,
    holds=True,
)
async def reject_cancel_of_one_chunk_more(session: Session) -> None:
    """The answer waits for a tick, so that all its chunks are here; CANCEL names one more."""
    request = await asking(session)
    await held(request)
    request.side.commits(Fault.CANCEL_OF_ONE_CHUNK_MORE)
    request.cancel(chunks=len(request.chunks) + 1)
    await request.side.rest(within=3)


@FAMILY.case(
    "end-answer-that-waits",
    requirements=("INF-023~1",),
    expect=Shows("END says CANCELLED", says_cancelled),
    twin=_CHAT,
    tier="full",
    seconds=8,
    holds=True,
)
async def end_answer_that_waits(session: Session) -> None:
    """The answer waits for a tick when CANCEL comes, with all its chunks and the ticks of the prompt."""
    request = await asking(session)
    await held(request)
    request.cancel()
    await ended(request)


@FAMILY.case(
    "take-ended-request-as-gone",
    requirements=("INF-017~1", "STM-003~2"),
    expect=Shows("nothing more is sent to it", takes_it_as_gone),
    fault=Fault.STREAM_ENDED_WITH_REQUEST,
    twin=_TWIN,
)
async def take_ended_request_as_gone(session: Session) -> None:
    """REQUEST comes with the end of the consumer's side, as a request of HTTP does.

    Whoever ends its side can neither pay nor agree: it is gone. No END is sent to it, and the connection lives on.
    """
    request = await asking(session)
    draft = request.compose()
    stream = request.side.open_stream()
    request.side.commits(Fault.STREAM_ENDED_WITH_REQUEST, stream)
    request.side.link.write(stream, framing.write_frame(framing.REQUEST, draft.body), fin=True)
    await request.side.probe()
    await request.side.rest(within=0.5)


Leave: TypeAlias = Callable[[Asking], None]


def _ends(request: Asking) -> None:
    request.side.link.write(request.stream, b"", fin=True)


def _ends_inside(request: Asking) -> None:
    frame = framing.write_frame(framing.CANCEL, dcbor.encode({0: 0, 1: request.k, 2: request.links[request.k]}))
    request.side.link.write(request.stream, frame[:-1], fin=True)


def _resets(request: Asking) -> None:
    request.side.link.reset(request.stream)


def _stops(request: Asking) -> None:
    request.side.link.stop(request.stream)


def _leaving(leave: Leave, fault: Fault) -> Callable[[Session], Awaitable[None]]:
    async def script(session: Session) -> None:
        request = await asking(session)
        await running(request)
        request.side.commits(fault, request.stream)
        leave(request)
        await request.side.probe()
        await request.side.rest(within=0.5)

    return script


for _slug, _fault, _leave, _page in (
    ("ended-stream", Fault.STREAM_ENDED_EARLY, _ends, "The consumer ends its side in the middle of an answer."),
    (
        "stream-ended-inside-frame",
        Fault.STREAM_ENDED_INSIDE_FRAME,
        _ends_inside,
        "The consumer's side ends one byte before a CANCEL does: the CANCEL counts for nothing, the end for itself.",
    ),
    ("reset-stream", Fault.STREAM_RESET_EARLY, _resets, "The consumer resets the stream in the middle of an answer."),
    ("stopped-stream", Fault.STREAM_STOPPED_EARLY, _stops, "The consumer stops reading in the middle of an answer."),
):
    FAMILY.add(
        f"take-{_slug}-as-gone",
        page=f"{_page} It is gone: no END is sent to it, the provider ends its side, and the connection lives on.",
        requirements=("INF-017~1", "STM-003~2"),
        script=_leaving(_leave, _fault),
        expect=Shows("nothing more is sent to it", takes_it_as_gone),
        fault=_fault,
        twin=_TWIN,
    )
