"""More than was authorised: input, output, bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from conformance.cases.initiator.common import ASKS
from conformance.finish import CANCELLED
from conformance.judge.consumer import GivesUp, Presents, last
from conformance.judge.expect import All, Fails, Shows
from conformance.judge.finding import Finding
from conformance.judge.observers.observer import broken
from conformance.judge.record import Record
from conformance.script.faults import Fault
from conformance.script.serving import INPUT_TOKENS
from conformance.script.session import Session
from conformance.wire.link import OverdueError

from .common import SETTLE, TWIN, add, begin, case


async def _overrun_input(session: Session) -> None:
    """ACCEPT with too many tokens."""
    beyond = 8193 if session.fault is Fault.INPUT_BEYOND_CONTEXT else 1001
    options: dict[str, Any] = {} if session.fault is Fault.INPUT_BEYOND_CONTEXT else {"max_spend": 1000}
    request, serving = await begin(session, **options)
    serving.commits(session.fault)
    serving.accept(beyond)
    await serving.until_over()
    await serving.side.probe()
    await request.answer()


async def _overrun_tokens(session: Session) -> None:
    """Pay for everything, and get one token too many."""
    _, serving = await begin(session)
    serving.accept()
    await serving.say(8)
    await serving.paid()
    serving.commits(session.fault)
    serving.chunk()
    await serving.until_over()
    await serving.side.probe()


async def _overrun_ceiling(session: Session) -> None:
    """A CHUNK after which more is owed than the ceiling."""
    _, serving = await begin(session, max_tokens=64, max_spend=100)
    serving.accept()
    while serving.quote.owed(INPUT_TOKENS, serving.tokens + 1) <= serving.opened[7]:
        await serving.say(1)
    await asyncio.sleep(SETTLE)
    serving.commits(session.fault)
    serving.chunk()
    await serving.until_over()
    await serving.side.probe()


add(
    "give-up-input-beyond-context",
    "RCP-014~2",
    expect=All((GivesUp("OVERRUN"), Presents("failed"))),
    fault=Fault.INPUT_BEYOND_CONTEXT,
    page="ACCEPT bills more input tokens than the model's context holds.",
    script=_overrun_input,
)
add(
    "give-up-input-beyond-ceiling",
    "RCP-014~2",
    expect=All((GivesUp("OVERRUN"), Presents("failed"))),
    fault=Fault.INPUT_BEYOND_CEILING,
    page="ACCEPT bills an input that costs more than the ceiling of the open.",
    script=_overrun_input,
    needs=ASKS | {"start.max_spend"},
)
add(
    "give-up-output-beyond-max-tokens",
    "RCP-015~1",
    expect=GivesUp("OVERRUN"),
    fault=Fault.OUTPUT_BEYOND_MAX_TOKENS,
    page="Eight tokens were asked for, and a ninth comes: a budget that is only a wish is none.",
    script=_overrun_tokens,
)
add(
    "give-up-output-beyond-ceiling",
    "RCP-015~1",
    expect=GivesUp("OVERRUN"),
    fault=Fault.OUTPUT_BEYOND_CEILING,
    page="A CHUNK comes after which more is owed than the consumer has authorised.",
    script=_overrun_ceiling,
    needs=ASKS | {"start.max_spend"},
)


def _doubts(record: Record) -> Iterator[Finding]:
    exchange = last(record)
    if exchange is not None and exchange.cancel is None and exchange.consumer_error is None:
        yield broken("a prompt of sixty bytes is billed with 5000 tokens, and the consumer goes on", "RCP-038~1")


@case(
    "doubt-an-input-that-cannot-be",
    "RCP-038~1",
    expect=Shows("the consumer cancels at the prepaid ticks", _doubts),
    twin=TWIN,
)
async def doubt_an_input(session: Session) -> None:
    """ACCEPT bills 5000 tokens for a prompt of sixty bytes: within the ceiling, but more than there can be."""
    request, serving = await begin(session, max_tokens=4000)
    serving.accept(5000)
    with suppress(OverdueError):  # then the judge says that it believes
        await serving.until_cancelled(within=3)
        serving.end(CANCELLED)
        await serving.until_over()
        await request.answer()


async def _flood(session: Session) -> None:
    """After CANCEL no CREDIT comes; go on beyond the limit."""
    request, serving = await begin(session, max_tokens=64)
    await serving.begin()
    await request.cancel()
    await serving.until_cancelled()
    serving.commits(session.fault)
    while serving.sent <= serving.credit:
        serving.chunk("x" * 8192, 0)
    await serving.side.rest(within=3)


add(
    "reject-chunks-beyond-credit",
    "FLW-003~1",
    expect=Fails("FLOW_CONTROL", "answer"),
    fault=Fault.CHUNKS_BEYOND_CREDIT,
    page="A consumer that has cancelled gives no more credit; chunks that exceed what it gave fail the connection.",
    script=_flood,
    needs=ASKS | {"cancel"},
    twin="cancel-when-the-user-leaves",
)
