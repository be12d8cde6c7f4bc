"""Deadlines of a request, and requests that never are whole: a part of the family inference."""

from __future__ import annotations

from conformance import framing
from conformance.data import limit
from conformance.finish import DEADLINE
from conformance.judge.answered import Answers
from conformance.judge.answers_shown import decides_before_the_deadline, waits_for_the_request
from conformance.judge.cancels_shown import takes_no_request
from conformance.judge.expect import All, Refuses, Shows
from conformance.script.answering import answer, asking, ended, held
from conformance.script.asking import PROMPT
from conformance.script.faults import Fault
from conformance.script.session import Session

from .registry import Family

PART = Family("inference")
_TWIN = "accept-chat"


@PART.case("end-at-deadline", requirements=("INF-013~1", "INF-011~1"), expect=Answers(), twin=_TWIN)
async def end_at_deadline(session: Session) -> None:
    """A long answer with a second and a half to live, paid as it comes: it is over by then, with DEADLINE or sooner."""
    request = await asking(session)
    await answer(request, request.content(max_tokens=400) | {4: 1500})


@PART.case(
    "end-unpaid-answer-at-deadline",
    requirements=("INF-013~1",),
    expect=Answers(finish=frozenset({DEADLINE})),
    twin=_TWIN,
    tier="full",
    seconds=30,
    holds=True,
)
async def end_unpaid_answer_at_deadline(session: Session) -> None:
    """The deadline passes while the answer waits for a tick: the wait for payment does not outlive it."""
    request = await asking(session)
    await held(request, k4=25_000)
    await ended(request, within=35)


@PART.case(
    "give-up-unpaid-prompt-at-deadline",
    requirements=("INF-013~1", "RCP-034~1"),
    expect=Refuses("DEADLINE_EXCEEDED", stage="answer"),
    fault=Fault.PROMPT_NOT_PAID,
    twin=_TWIN,
    tier="full",
    seconds=4,
    holds=True,
)
async def give_up_unpaid_prompt_at_deadline(session: Session) -> None:
    """The prompt costs more than was prepaid and the window covers, and no tick comes.

    At the deadline an END would bill what the consumer never has to agree to, so ERROR with DEADLINE_EXCEEDED comes.
    """
    request = await asking(session)
    quote = request.quote
    covered = (quote.prepaid_ticks + quote.window) * quote.tick_value
    words = covered // max(quote.price_in, 1) + 8
    if not quote.price_in or words > quote.context_length // 3:
        raise session.untestable("a prompt is covered by the window", "offer a model with a smaller window or tick")
    content = request.content(prompt="sea " * words) | {4: 4000}
    request.send(request.compose(content), fault=Fault.PROMPT_NOT_PAID)
    if quote.owed(await request.accept(), 0) <= covered:
        raise session.untestable("the prompt has fewer tokens than words", "offer a model with a common tokenizer")
    await ended(request)
    await request.side.probe()


@PART.case(
    "decide-before-deadline",
    requirements=("INF-022~1", "INF-013~1"),
    expect=Shows("the request is refused or ends once its deadline passed", decides_before_the_deadline),
    twin=_TWIN,
)
async def decide_before_deadline(session: Session) -> None:
    """A request that has a millisecond: DEADLINE_EXCEEDED before ACCEPT, or behind it an END with DEADLINE.

    What may not come is an ACCEPT when nobody waits any more.
    """
    request = await asking(session)
    request.ask(request.content(max_tokens=400, prompt=PROMPT * 8) | {4: 1})
    await request.finish()


@PART.case(
    "refuse-unfinished-request",
    requirements=("INF-024~1",),
    expect=All((Refuses("TIMEOUT"), Shows("after 30 seconds", waits_for_the_request))),
    fault=Fault.REQUEST_UNFINISHED,
    twin=_TWIN,
    tier="full",
    seconds=32,
)
async def refuse_unfinished_request(session: Session) -> None:
    """Half a REQUEST, and then nothing: the provider waits for 30 seconds from the first byte, and no longer."""
    request = await asking(session)
    data = framing.write_frame(framing.REQUEST, request.compose().body)
    side, stream = request.side, request.side.open_stream()
    side.commits(Fault.REQUEST_UNFINISHED, stream)
    side.link.write(stream, data[: len(data) // 2])
    await side.frame(stream, "ERROR", within=limit("REQUEST_TIMEOUT") + 8)
    await side.probe()


@PART.case(
    "ignore-request-without-end",
    requirements=("FRM-007~1", "STM-003~2"),
    expect=Shows("nothing is promised for a REQUEST that never was whole", takes_no_request),
    fault=Fault.REQUEST_ENDED_BEFORE_ITS_LAST_BYTE,
    twin=_TWIN,
)
async def ignore_request_without_end(session: Session) -> None:
    """The stream ends one byte before the REQUEST does: there was no request, and the connection lives on."""
    request = await asking(session)
    data = framing.write_frame(framing.REQUEST, request.compose().body)
    side, stream = request.side, request.side.open_stream()
    side.commits(Fault.REQUEST_ENDED_BEFORE_ITS_LAST_BYTE, stream)
    side.link.write(stream, data[:-1], fin=True)
    await side.probe()
