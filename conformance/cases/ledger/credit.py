"""Credit between two nodes: what the suite has earned by serving the target, it spends there, once."""

from __future__ import annotations

import asyncio
from typing import Any

from conformance.cases.initiator.common import ASKS
from conformance.judge.expect import Completes, Refuses
from conformance.script.closing import end_with
from conformance.script.faults import Fault
from conformance.script.responder import Responder
from conformance.script.serving import Serving
from conformance.script.session import Session
from conformance.script.target import Target
from conformance.signing import Key

from .common import SERVES, add, asking, case, offered, settled

_NEEDS = SERVES | ASKS | {"start.allowance", "receipts"}
_DEAR: dict[str, Any] = {"k6": 2000, "k7": 1000}
"""What the suite quotes: 2,000 micro-credits a token, so that few of them pay for a request to the target."""
_PREPAID = _DEAR | {"k8": 16}
_CEILING = 12_000
"""Micro-credits: eight tokens of the suite's earn it once, and not twice; four, or a refusal, do not."""
_TWIN = "serve-for-what-is-owed"


async def _earn(session: Session, *, allowance: int = 0) -> Target:
    """A new node has asked the suite, which gives an answer of eight tokens, or what the fault makes of it."""
    target = await Target.start(session, model=True, allowance=allowance)
    refuses = session.fault is Fault.LEDGER_CREDIT_OF_A_REFUSAL
    side = await Responder.connected(session, target, **(_PREPAID if refuses else _DEAR))
    request = await target.ask(session.key.public)
    serving = await Serving.next(side)
    if refuses:
        serving.error("BUSY")
        await request.answer()
    elif session.fault is Fault.LEDGER_CREDIT_OF_A_BAD_CLOSE:
        await serving.begin()
        end_with(Fault.CLOSE_A_MILLION, serving)
        await serving.until_over()
        await request.answer()
    else:
        await serving.finish()
    await settled(target)
    return target


@case(_TWIN, "NET-006~1", expect=Completes(permitted=True), needs=_NEEDS)
async def serve_for_what_is_owed(session: Session) -> None:
    """A provider without an allowance was served by the suite: it serves the suite as much."""
    await _earn(session)
    request = asking(await offered(session))
    request.ask(ceiling=_CEILING)
    await request.finish()


@case("serve-for-what-is-owed-and-the-rest", "NET-006~1", expect=Completes(permitted=True), needs=_NEEDS, twin=_TWIN)
async def serve_for_both(session: Session) -> None:
    """The ceiling is more than what is owed, and more than the allowance; together they cover it."""
    await _earn(session, allowance=_CEILING)
    request = asking(await offered(session))
    request.ask(ceiling=2 * _CEILING)
    await request.finish()


async def _spend(session: Session) -> None:
    """A request for more than is left of what the suite's key has earned."""
    target = await _earn(session)
    side = await offered(session)
    if session.fault is Fault.LEDGER_CREDIT_OF_ANOTHER_PEER:
        session.key = Key(session.entropy.take(32))
        side = await offered(session)
    elif session.fault in (Fault.LEDGER_CREDIT_IN_USE, Fault.LEDGER_CREDIT_SPENT):
        first = asking(side)
        # So long that it is not over before the other comes, since nothing more is paid.
        first.ask(first.content(max_tokens=2000), ceiling=_CEILING)
        await first.accept()
        if session.fault is Fault.LEDGER_CREDIT_SPENT:
            first.pay(_CEILING // side.quotes[0].tick_value)
            await asyncio.sleep(0.5)  # the tick has come
            side.link.close()
            await settled(target)
            await target.restart()
            side = await offered(session)
    request = asking(side)
    request.send(request.compose(ceiling=_CEILING), fault=session.fault)
    await side.frame(request.stream, "ERROR")
    side.link.write(request.stream, b"", fin=True)
    await side.probe()


_NONE: frozenset[str] = frozenset()
for _slug, _fault, _requirement, _page, _more in (
    ("spend-credit-once", Fault.LEDGER_CREDIT_IN_USE, "NET-007~1",
     "A request that runs holds what the suite has earned, and another asks for as much.", _NONE),
    ("remember-what-was-spent", Fault.LEDGER_CREDIT_SPENT, "NET-007~1",
     "What the suite has earned was claimed, and the provider started again.", frozenset({"restart"})),
    ("spend-nothing-of-another-peer", Fault.LEDGER_CREDIT_OF_ANOTHER_PEER, "NET-008~1",
     "One key has earned, and another asks: credit is between two.", _NONE),
    ("earn-nothing-for-a-refusal", Fault.LEDGER_CREDIT_OF_A_REFUSAL, "NET-009~1",
     "The suite refused the target's request: what was prepaid is not owed, and earned nothing.", _NONE),
    ("earn-no-more-by-a-bad-close", Fault.LEDGER_CREDIT_OF_A_BAD_CLOSE, "NET-009~1",
     "The suite billed a million credits for four tokens: it has earned the ticks that were released.", _NONE),
):  # fmt: skip
    add(
        _slug,
        _requirement,
        expect=Refuses("INSUFFICIENT_CREDIT", numbers=True, permitted=True),
        fault=_fault,
        page=_page,
        script=_spend,
        needs=_NEEDS | _more,
        twin=_TWIN,
    )
