"""What a consumer keeps of an exchange."""

from __future__ import annotations

import asyncio

from conformance.cases.consumer.common import SETTLE
from conformance.cases.initiator.common import ASKS
from conformance.judge.consumer import Agrees
from conformance.judge.expect import All
from conformance.script.closing import end_with
from conformance.script.faults import Fault
from conformance.script.responder import Responder
from conformance.script.serving import Serving
from conformance.script.session import Session
from conformance.script.target import Request, Target

from .common import TELLS, add, case, settled

_KEEPS = ASKS | {"receipts"}
_TWIN = "keep-the-receipt"


async def _asked(session: Session) -> tuple[Target, Request, Serving]:
    target = await Target.start(session)
    side = await Responder.connected(session, target)
    request = await target.ask(session.key.public)
    return target, request, await Serving.next(side)


@case(_TWIN, "RCP-044~1", "RCP-032~1", expect=All((Agrees(), TELLS)), role="initiator", needs=_KEEPS)
async def keep_the_receipt(session: Session) -> None:
    """An answer was paid and agreed on: its receipt is stored, byte by byte what was signed, for the total and once."""
    target, _, serving = await _asked(session)
    await serving.finish()
    await settled(target)


@case(
    "keep-the-receipt-through-a-crash",
    "RCP-044~1",
    expect=All((Agrees(), TELLS)),
    role="initiator",
    needs=_KEEPS | {"restart", "restart.kill"},
    twin=_TWIN,
)
async def keep_the_receipt_through_a_crash(session: Session) -> None:
    """The node is killed at the moment at which its COUNTERSIGN has come: the receipt has to be on the disk by then."""
    target, _, serving = await _asked(session)
    await serving.finish()
    await target.restart(kill=True)
    await target.receipts()


@case("owe-nothing-for-a-refusal", "RCP-032~1", expect=TELLS, role="initiator", needs=_KEEPS, twin=_TWIN)
async def owe_nothing_for_a_refusal(session: Session) -> None:
    """The provider refuses before it accepts: not even what was prepaid is owed."""
    target, request, serving = await _asked(session)
    serving.error("BUSY")
    await request.answer()
    await settled(target)


@case("owe-what-was-released", "RCP-032~1", expect=TELLS, role="initiator", needs=_KEEPS, twin=_TWIN)
async def owe_what_was_released(session: Session) -> None:
    """The provider gives up after four tokens: what was released until then is owed, and no more."""
    target, request, serving = await _asked(session)
    await serving.begin()
    serving.error("INTERNAL")
    await request.answer()
    await settled(target)


@case("owe-for-a-cut-answer", "RCP-032~1", "INF-031~1", expect=TELLS, role="initiator", needs=_KEEPS, twin=_TWIN)
async def owe_for_a_cut_answer(session: Session) -> None:
    """The provider's side ends without END: the released ticks are owed, whatever else was on its way."""
    target, request, serving = await _asked(session)
    await serving.begin()
    serving.side.link.write(serving.stream, b"", fin=True)
    await request.answer()
    await settled(target)


@case("owe-for-a-lost-connection", "RCP-032~1", "ERR-009~1", expect=TELLS, role="initiator", needs=_KEEPS, twin=_TWIN)
async def owe_for_a_lost_connection(session: Session) -> None:
    """The connection is closed in the middle of an answer: the exchange is over, and the released ticks are owed."""
    target, request, serving = await _asked(session)
    await serving.begin()
    await asyncio.sleep(SETTLE)  # the last tick has to have come
    serving.side.link.close()
    await request.answer()
    await settled(target)


async def _overcharge(session: Session) -> None:
    """A close that is one micro-credit too dear."""
    target, request, serving = await _asked(session)
    await serving.begin()
    serving.commits(session.fault)
    end_with(session.fault, serving)
    await serving.until_over()
    await request.answer()
    await settled(target)


add(
    "owe-no-more-for-a-bad-close",
    "RCP-032~1",
    "RCP-045~1",
    expect=TELLS,
    fault=Fault.CLOSE_A_MILLION,
    page="The close bills a million credits for four tokens: the released ticks are owed, and no more.",
    script=_overcharge,
    role="initiator",
    needs=_KEEPS,
    twin=_TWIN,
)
