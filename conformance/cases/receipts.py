"""The end of an exchange, against a provider: its bill, and whether it is agreed on. SPEC.md, "Receipts"."""

from __future__ import annotations

import asyncio

from conformance import framing
from conformance.data import limit
from conformance.judge.expect import Completes, Fails
from conformance.script.asking import Asking
from conformance.script.faults import Fault
from conformance.script.initiator import Initiator
from conformance.script.payment import agreement, asking, brief, completes, streaming
from conformance.script.session import Session

from .registry import Family

FAMILY = Family("receipts")
_TWIN = "accept-countersignature"
_BAD_CLOSE = 71


@FAMILY.case(_TWIN, requirements=("RCP-007~1", "RCP-025~1", "RCP-029~1"), expect=Completes())
async def accept_countersignature(session: Session) -> None:
    """Two answers are billed and agreed on.

    The suite derives every key of each close from what it has seen: the names, the commitments, the counts, the total,
    the reason. The salts have to differ.
    """
    side = await Initiator.connected(session)
    await completes(side)
    await completes(side)


async def _billed(session: Session) -> Asking:
    """An exchange up to its END, to which nothing was said yet."""
    one = await asking(session)
    one.ask(brief(one))
    frame = await one.answer()
    if frame.kind != framing.END or one.close is None:
        one.settle(frame)
    return one


async def _agree_with_fault(session: Session) -> None:
    """Send a faulty COUNTERSIGN behind END."""
    one = await _billed(session)
    if one.close is None:
        return
    one.side.commits(session.fault)
    one.write(framing.COUNTERSIGN, {0: agreement(one, session.fault)}, fin=True)
    await one.side.rest(within=3)


def _reject(slug: str, fault: Fault, page: str) -> None:
    FAMILY.add(
        f"reject-{slug}",
        page=page,
        requirements=("RCP-029~1",),
        script=_agree_with_fault,
        expect=Fails("BAD_CLOSE", "closing"),
        fault=fault,
        twin=_TWIN,
    )


_reject(
    "bad-countersignature",
    Fault.COUNTERSIGN_FLIPPED,
    "One bit of the countersignature is another: what the provider holds is no receipt.",
)
_reject(
    "countersignature-of-another-key",
    Fault.COUNTERSIGN_BY_ANOTHER_KEY,
    "Somebody else agrees to the close.",
)
_reject(
    "countersignature-as-close",
    Fault.COUNTERSIGN_IN_CONTEXT_OF_CLOSE,
    "The consumer signs the close in the context of closes, as a provider would: it bills, and does not agree.",
)
_reject(
    "countersignature-of-another-close",
    Fault.COUNTERSIGN_OF_ANOTHER_CLOSE,
    "The consumer agrees to a close with a total of one more.",
)


@FAMILY.case(
    "reject-countersignature-before-end",
    requirements=("STM-001~1",),
    expect=Fails("UNEXPECTED_FRAME", "answer"),
    fault=Fault.COUNTERSIGN_BEFORE_END,
    twin=_TWIN,
)
async def reject_countersignature_before_end(session: Session) -> None:
    """A COUNTERSIGN while the answer flows: there is nothing yet to agree to."""
    one = await streaming(session)
    one.side.commits(session.fault)
    one.write(framing.COUNTERSIGN, {0: bytes(64)})
    await one.side.rest(within=3)


# Ends without an agreement, behind which the connection lives on


@FAMILY.case(
    "accept-end-without-countersignature",
    requirements=("INF-017~1",),
    expect=Completes(),
    fault=Fault.COUNTERSIGN_WITHHELD,
    twin=_TWIN,
)
async def accept_end_without_countersignature(session: Session) -> None:
    """The consumer ends its side behind END, and agrees to nothing: the provider keeps a claim, and serves on."""
    one = await _billed(session)
    one.side.commits(session.fault)
    one.side.link.write(one.stream, b"", fin=True)
    await completes(one.side)


@FAMILY.case(
    "accept-disputed-close",
    requirements=("STM-001~1",),
    expect=Completes(),
    fault=Fault.CLOSE_DISPUTED,
    twin=_TWIN,
)
async def accept_disputed_close(session: Session) -> None:
    """The consumer gives up with BAD_CLOSE behind a right END: that ends the request, and not the connection."""
    one = await _billed(session)
    one.side.commits(session.fault)
    one.write(framing.ERROR, {0: _BAD_CLOSE}, fin=True)
    await completes(one.side)


@FAMILY.case(
    "accept-second-countersignature-unread",
    requirements=("STM-004~2",),
    expect=Completes(),
    fault=Fault.COUNTERSIGN_TWICE,
    twin=_TWIN,
)
async def accept_second_countersignature_unread(session: Session) -> None:
    """A second COUNTERSIGN, which is not even valid: the exchange is over, and whatever comes then is discarded."""
    one = await _billed(session)
    right = framing.frame(framing.COUNTERSIGN, {0: one.agreement()})
    one.side.commits(session.fault)
    one.side.link.write(one.stream, right + framing.frame(framing.COUNTERSIGN, {0: bytes(64)}), fin=True)
    await completes(one.side)


@FAMILY.case(
    "accept-late-countersignature-unread",
    requirements=("STM-004~2",),
    expect=Completes(),
    fault=Fault.COUNTERSIGN_LATE,
    twin=_TWIN,
    tier="full",
    seconds=15,
    holds=True,
)
async def accept_late_countersignature_unread(session: Session) -> None:
    """A COUNTERSIGN that is not valid comes after CLOSING_TIMEOUT.

    The provider has waited long enough, the exchange is over without a receipt, and what comes is discarded.
    """
    one = await _billed(session)
    await asyncio.sleep(limit("CLOSING_TIMEOUT") + 2)
    one.side.commits(session.fault)
    one.write(framing.COUNTERSIGN, {0: bytes(64)}, fin=True)
    await completes(one.side)


# Crossings


async def _cross(session: Session, *frames: int) -> None:
    """Send frames behind END that an honest consumer may have had on their way, and then agree."""
    one = await asking(session)
    one.ask(brief(one))
    frame = await one.answer()
    if frame.kind == framing.END and one.close is not None:
        last = {0: one.k, 1: one.links[one.k]}
        bodies = {
            framing.TICK: last,
            framing.CREDIT: {0: one.credit + limit("MIN_CREDIT_STEP")},
            framing.CANCEL: {0: len(one.chunks), **{key + 1: value for key, value in last.items()}},
        }
        for kind in frames:
            one.write(kind, bodies[kind])
    one.settle(frame)
    await completes(one.side)


@FAMILY.case("accept-cancel-that-crosses-end", requirements=("RCP-022~2", "STM-001~1"), expect=Completes())
async def accept_cancel_that_crosses_end(session: Session) -> None:
    """A CANCEL that was on its way when END was sent has no effect: END stands, bills all chunks, and is agreed on."""
    await _cross(session, framing.CANCEL)


@FAMILY.case(
    "accept-tick-and-credit-that-cross-end",
    requirements=("RCP-022~2", "STM-001~1"),
    expect=Completes(),
)
async def accept_tick_and_credit_that_cross_end(session: Session) -> None:
    """A tick that is paid already, and credit that nobody needs any more, do no harm behind END."""
    await _cross(session, framing.TICK, framing.CREDIT)
