"""Waits of a provider for payment: a part of the family flow."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from conformance import framing
from conformance.data import limit
from conformance.judge.answered import Answers
from conformance.judge.answers_shown import gives_up_in_time, shows_a_heartbeat
from conformance.judge.expect import All, Refuses, Shows
from conformance.script.answering import asking, chunk, ended, held
from conformance.script.faults import Fault
from conformance.script.session import Session
from conformance.wire.link import OverdueError

from .registry import Family

PART = Family("flow")


@PART.case(
    "send-heartbeat",
    requirements=("INF-014~1",),
    expect=All((Answers(), Shows("a CHUNK of nothing comes", shows_a_heartbeat))),
    twin="cancellation/end-answer-that-waits",
    tier="full",
    seconds=30,
    holds=True,
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


@PART.case(
    "give-up-unpaid-answer",
    requirements=("FLW-013~1",),
    expect=All((Refuses("TICK_OVERDUE", stage="answer"), Shows("after 30 seconds", gives_up_in_time))),
    fault=Fault.TICKS_WITHHELD,
    twin="cancellation/end-answer-that-waits",
    tier="full",
    seconds=40,
    holds=True,
)
async def give_up_unpaid_answer(session: Session) -> None:
    """The prompt is paid and nothing else: after 30 seconds of waiting the provider gives up, heartbeats or not."""
    request = await asking(session)
    await held(request)
    request.side.commits(Fault.TICKS_WITHHELD, request.stream)
    await ended(request, within=limit("PAYMENT_TIMEOUT") + 8)
    await request.side.probe()


@PART.case(
    "give-up-unpaid-answer-despite-credit",
    requirements=("FLW-013~1",),
    expect=All((Refuses("TICK_OVERDUE", stage="answer"), Shows("after 30 seconds", gives_up_in_time))),
    fault=Fault.TICKS_WITHHELD_BEHIND_CREDIT,
    twin="cancellation/end-answer-that-waits",
    tier="full",
    seconds=40,
    holds=True,
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
