"""CANCEL: when the user leaves, and at the end of each wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from conformance.cases.initiator.common import ASKS
from conformance.data import limit
from conformance.finish import CANCELLED, STOP
from conformance.judge.consumer import Agrees, GivesUp, Presents, each_request, last
from conformance.judge.exchange import Exchange
from conformance.judge.expect import All, Expectation, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.record import Record
from conformance.script.faults import Fault
from conformance.script.session import Session

from .common import SETTLE, TWIN, add, begin, case


def _counts(exchange: Exchange) -> Iterator[Finding]:
    frame = exchange.cancel
    if frame is None:
        yield Finding(verdict=Verdict.FAIL, message="no CANCEL came")
    elif frame.get(0) != len(exchange.chunks):
        message = f"CANCEL names {frame.get(0)} chunks, and {len(exchange.chunks)} had come"
        yield Finding(verdict=Verdict.FAIL, message=message, event=frame.event, requirements=("INF-018~1",))


_CANCELS = Shows("CANCEL names what has come", each_request(_counts))


@case(
    "cancel-when-the-user-leaves",
    "INF-015~1",
    "INF-018~1",
    "RCP-046~1",
    expect=All((_CANCELS, Agrees())),
    needs=ASKS | {"cancel"},
    twin=TWIN,
)
async def cancel_when_the_user_leaves(session: Session) -> None:
    """The user leaves after four tokens: the provider is told, bills what was received, and is countersigned."""
    request, serving = await begin(session, max_tokens=64)
    await serving.begin()
    await asyncio.sleep(SETTLE)
    await request.cancel()
    await serving.until_cancelled()
    serving.end(CANCELLED)
    await serving.until_over()


@case(
    "withdraw-before-accept",
    "INF-015~1",
    "INF-018~1",
    "RCP-046~1",
    expect=All((_CANCELS, Agrees())),
    needs=ASKS | {"cancel"},
    twin=TWIN,
)
async def withdraw_before_accept(session: Session) -> None:
    """The user leaves before the provider has accepted; ACCEPT was on its way, and END bills the prepaid."""
    request, serving = await begin(session)
    await request.cancel()
    await serving.until_cancelled()
    serving.accept()
    serving.end(CANCELLED)
    await serving.until_over()


@case(
    "agree-to-an-end-that-crosses-cancel",
    "RCP-046~1",
    expect=Agrees(),
    needs=ASKS | {"cancel"},
    twin=TWIN,
)
async def agree_to_a_crossing_end(session: Session) -> None:
    """END was on its way when CANCEL was sent: within the payment window it stands, with another reason."""
    request, serving = await begin(session, max_tokens=64)
    await serving.begin()
    await asyncio.sleep(SETTLE)
    await request.cancel()
    await serving.until_cancelled()
    serving.chunk()
    serving.chunk()
    serving.end(STOP)
    await serving.until_over()


async def _withhold_end(session: Session) -> None:
    """After CANCEL, nothing."""
    request, serving = await begin(session, max_tokens=64)
    await serving.begin()
    await request.cancel()
    await serving.until_cancelled()
    serving.commits(session.fault)
    await serving.until_over(within=limit("CLOSING_TIMEOUT") + 5)
    await serving.side.probe()


add(
    "give-up-without-an-end",
    "INF-020~1",
    expect=GivesUp("TIMEOUT"),
    fault=Fault.END_WITHHELD_AFTER_CANCEL,
    page="The provider says nothing after CANCEL: ten seconds later the consumer gives up.",
    script=_withhold_end,
    needs=ASKS | {"cancel"},
    twin="cancel-when-the-user-leaves",
    tier="full",
    seconds=16,
)


def _cancels_within(seconds: float) -> Expectation:
    """CANCEL comes within so many seconds of the fault."""

    def check(record: Record) -> Iterator[Finding]:
        exchange = last(record)
        frame = exchange.cancel if exchange is not None else None
        since = record.faults[0][1].at if record.faults else 0.0
        if frame is None or frame.at - since > seconds:
            yield Finding(verdict=Verdict.FAIL, message=f"no CANCEL came within {seconds:.0f} s")
        elif frame.at < since:
            yield Finding(verdict=Verdict.FAIL, message="CANCEL came before anything was late", event=frame.event)

    return Shows("the consumer cancels", check)


async def _stay_silent(session: Session) -> None:
    """ACCEPT, and nothing more."""
    request, serving = await begin(session, deadline_ms=600_000)
    serving.accept()
    serving.commits(session.fault)
    await serving.until_cancelled(within=limit("SILENCE_TIMEOUT") + 5)
    serving.end(CANCELLED)
    await serving.until_over()
    await request.answer()


async def _overstay(session: Session) -> None:
    """A heartbeat a second, and no answer."""
    request, serving = await begin(session, deadline_ms=1_000)
    serving.accept()
    serving.commits(session.fault)
    for _ in range(limit("DEADLINE_GRACE") + 4):
        serving.chunk("", 0)
        await asyncio.sleep(1)
    await serving.until_cancelled(within=2)
    serving.end(CANCELLED)
    await serving.until_over()
    await request.answer()


add(
    "cancel-a-silent-provider",
    "INF-019~1",
    expect=All((_cancels_within(limit("SILENCE_TIMEOUT") + 3), Presents("failed"))),
    fault=Fault.PROVIDER_GONE_SILENTLY,
    page="The provider accepts and then says nothing, not even a heartbeat: a minute later the consumer cancels.",
    script=_stay_silent,
    tier="full",
    seconds=66,
)
add(
    "cancel-beyond-the-deadline",
    "INF-019~1",
    expect=All((_cancels_within(limit("DEADLINE_GRACE") + 4), Presents("failed"))),
    fault=Fault.PROVIDER_OVERSTAYS_DEADLINE,
    page="The request asks for an answer within a second; six seconds later only heartbeats have come.",
    script=_overstay,
    tier="full",
    seconds=14,
)
