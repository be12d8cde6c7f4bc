"""Ticks while the answer flows, against a provider: SPEC.md, "Receipts"."""

from __future__ import annotations

from conformance import framing
from conformance.judge.exchange import Exchange
from conformance.judge.expect import All, Completes, Fails, Refuses, Shows
from conformance.judge.money import Bills, ClosesOr, nothing_is_countersigned
from conformance.offer import Quote
from conformance.script.asking import HONEST
from conformance.script.faults import Fault
from conformance.script.initiator import Initiator
from conformance.script.opens import OPENS
from conformance.script.payment import (
    CANCELS,
    TICKS,
    asking,
    cancelled,
    chunk,
    claim,
    costly,
    refused,
    streaming,
    talkative,
    until_due,
    until_paid_for_text,
    until_stalled,
)
from conformance.script.session import Session

from .registry import Family

FAMILY = Family("payment")
_TWIN = "accept-ticks"
_CANCELLED_TWIN = "accept-cancel-of-paid"
_CANCELLED = 4
"""The finish reason."""


@FAMILY.case(_TWIN, requirements=("RCP-017~1", "RCP-016~1", "RCP-020~1", "RCP-021~1"), expect=Completes())
async def accept_ticks(session: Session) -> None:
    """Every tick is released as it falls due, until an answer that needs several is complete.

    The suite counts at each CHUNK what is owed, what was paid, and whether the window holds the difference.
    """
    one = await asking(session)
    one.ask(talkative(one, 2))
    await one.finish()


@FAMILY.case("accept-late-ticks", requirements=("RCP-017~1",), expect=Completes(), tier="full", seconds=30, holds=True)
async def accept_late_ticks(session: Session) -> None:
    """Nothing is paid until the window is used up; then everything at once.

    The provider has to stop where one more token would exceed the window, and to go on when it is paid.
    """
    one = await streaming(session)
    await until_stalled(one)
    one.pay()
    await chunk(one)
    one.pay()
    await cancelled(one)


@FAMILY.case(
    "accept-ticks-in-advance",
    requirements=("RCP-021~1", "RCP-025~1"),
    expect=Completes(),
    fault=Fault.TICK_BEYOND_DUE,
    twin=_TWIN,
)
async def accept_ticks_in_advance(session: Session) -> None:
    """All ticks of the ceiling at once: more than is due, and within N.

    Only the consumer has a rule against it. The links lead to the anchor, so the provider takes them, and bills what it
    delivered all the same.
    """
    one = await asking(session)
    one.ask(one.content(max_tokens=32))
    await one.accept()
    k, link = TICKS[Fault.TICK_BEYOND_DUE](one)
    one.side.commits(session.fault)
    one.write(framing.TICK, {0: k, 1: link})
    one.k = k
    await one.finish()


async def _pay_with_fault(session: Session) -> None:
    """Send a faulty TICK behind ACCEPT, and see whether the connection lives on."""
    one = await streaming(session, OPENS.get(session.fault, HONEST))
    if one.k == 0:
        await until_due(one)
        one.pay()
    k, link = TICKS[session.fault](one)
    one.side.commits(session.fault)
    one.write(framing.TICK, {0: k, 1: link})
    await refused(one)


def _give_up(slug: str, fault: Fault, *requirements: str, page: str) -> None:
    FAMILY.add(
        f"refuse-{slug}",
        page=page,
        requirements=requirements,
        script=_pay_with_fault,
        expect=Refuses("BAD_TICK", "answer"),
        fault=fault,
        twin=_TWIN,
    )


_give_up(
    "random-link",
    Fault.TICK_LINK_RANDOM,
    "RCP-020~1",
    page="The link of a TICK is of no chain: payment that nobody can ever claim.",
)
_give_up(
    "link-of-tick-before",
    Fault.TICK_LINK_OF_TICK_BEFORE,
    "RCP-020~1",
    page="The number of the next tick, with the link of the last: one payment shown as two.",
)
_give_up(
    "link-too-far",
    Fault.TICK_LINK_TOO_FAR,
    "RCP-020~1",
    page="The number of the next tick, with a link that leads to the anchor in one step more.",
)
_give_up(
    "repeated-tick",
    Fault.TICK_REPEATED,
    "RCP-019~1",
    page="The last tick again: it pays for nothing.",
)
_give_up(
    "lower-tick",
    Fault.TICK_LOWER,
    "RCP-019~1",
    page="A tick below the last one, with its right link: what was paid is not taken back.",
)
_give_up(
    "tick-above-ceiling",
    Fault.TICK_ABOVE_CEILING,
    "RCP-021~1",
    page="The link is right, and its number is one above what the ceiling allows.",
)


# Waits


@FAMILY.case(
    "refuse-unpaid-prompt",
    requirements=("RCP-034~1", "INF-013~1"),
    expect=Refuses("DEADLINE_EXCEEDED", "answer"),
    fault=Fault.TICKS_WITHHELD,
    twin="accept-paid-prompt",
    tier="full",
    seconds=10,
    holds=True,
)
async def refuse_unpaid_prompt(session: Session) -> None:
    """A long prompt that costs more than the prepaid ticks and the window is not paid, and the deadline passes.

    A bill would exceed what the provider may ask for unpaid, so it gives up with DEADLINE_EXCEEDED instead of END.
    """
    one = await asking(session)
    one.ask(costly(one, _unpaid(one.quote)) | {4: 3000})
    await one.accept()
    one.side.commits(session.fault, one.stream)
    await refused(one)


def _unpaid(quote: Quote) -> int:
    """What may be owed behind ACCEPT."""
    return (quote.prepaid_ticks + quote.window) * quote.tick_value


@FAMILY.case("accept-paid-prompt", requirements=("RCP-017~1",), expect=Completes())
async def accept_paid_prompt(session: Session) -> None:
    """A prompt that costs more than the prepaid ticks and the window is paid behind ACCEPT, and answered."""
    one = await asking(session)
    one.ask(costly(one, _unpaid(one.quote)))
    await one.finish(within=60)


# Cancelled answers


def _is_least(exchange: Exchange, quote: Quote) -> bool:
    if exchange.cancel is None:
        return False
    paid = exchange.cancel.value[1] * quote.tick_value
    return bool(exchange.close[6] == paid < exchange.owed(exchange.cancel.value[0]))


def _is_exact(exchange: Exchange, quote: Quote) -> bool:
    if exchange.cancel is None:
        return False
    paid = exchange.cancel.value[1] * quote.tick_value
    return bool(exchange.close[6] == exchange.owed(exchange.cancel.value[0]) <= paid)


@FAMILY.case(
    "accept-cancel-of-unpaid",
    requirements=("RCP-025~1", "RCP-007~1", "INF-023~1"),
    expect=Bills("the total is what the ticks pay, though more was delivered", _CANCELLED, _is_least),
)
async def accept_cancel_of_unpaid(session: Session) -> None:
    """The consumer cancels instead of paying for the text that made the next tick due.

    The bill is of the chunks that CANCEL names, and its total no more than the ticks that were released.
    """
    one = await streaming(session)
    await until_due(one)
    await cancelled(one)


@FAMILY.case(
    _CANCELLED_TWIN,
    requirements=("RCP-025~1", "RCP-007~1", "INF-023~1"),
    expect=Bills("the total is what was delivered, though the ticks pay for more", _CANCELLED, _is_exact),
)
async def accept_cancel_of_paid(session: Session) -> None:
    """The consumer has paid what was due, and cancels: ticks are rounded up, and a receipt is exact."""
    one = await streaming(session)
    await until_paid_for_text(one)
    await cancelled(one)


async def _cancel_with_fault(session: Session) -> None:
    """Send a faulty CANCEL behind text that is paid."""
    one = await streaming(session)
    await until_paid_for_text(one)
    chunks, k, link = CANCELS[session.fault](one)
    one.side.commits(session.fault)
    one.write(framing.CANCEL, {0: chunks, 1: k, 2: link})
    await refused(one)


def _refuse_cancel(slug: str, fault: Fault, requirement: str, page: str) -> None:
    FAMILY.add(
        f"refuse-{slug}",
        page=page,
        requirements=(requirement,),
        script=_cancel_with_fault,
        expect=Refuses("BAD_TICK", "answer"),
        fault=fault,
        twin=_CANCELLED_TWIN,
    )


_refuse_cancel(
    "cancel-with-ticks-beyond-chunks",
    Fault.CANCEL_TICKS_BEYOND_CHUNKS,
    "RCP-023~1",
    "CANCEL pays a tick more than the chunks that it names cost: one of the two numbers is not true.",
)
_refuse_cancel(
    "cancel-with-fewer-chunks-than-paid",
    Fault.CANCEL_FEWER_CHUNKS_THAN_PAID,
    "RCP-023~1",
    "CANCEL names no chunk, though the consumer paid for some: it wants text, and a receipt without it.",
)
_refuse_cancel(
    "cancel-with-random-link",
    Fault.CANCEL_LINK_RANDOM,
    "RCP-020~1",
    "The link of CANCEL is of no chain.",
)
_refuse_cancel(
    "cancel-with-lower-tick",
    Fault.CANCEL_TICKS_LOWER,
    "RCP-021~1",
    "CANCEL names a tick below the last one, with its right link: what was paid is not taken back.",
)


# Frames that are out of place


@FAMILY.case(
    "reject-tick-before-accept",
    requirements=("STM-001~1",),
    expect=ClosesOr(Fails("UNEXPECTED_FRAME", "request"), Refuses("BAD_TICK", "answer", alive=False)),
    fault=Fault.TICK_BEFORE_ACCEPT,
    twin=_TWIN,
)
async def reject_tick_before_accept(session: Session) -> None:
    """A TICK in the same bytes as REQUEST: nothing was promised yet, and nothing can be due.

    The TICK repeats the prepaid ticks. So a provider that has sent ACCEPT before it read on, to which the TICK is not
    early, has to give up with BAD_TICK.
    """
    one = await asking(session)
    draft = one.compose(talkative(one, one.quote.window + 2))
    one.side.commits(session.fault)
    one.stream = one.side.open_stream()
    tick = framing.frame(framing.TICK, {0: one.k, 1: one.links[one.k]})
    one.side.link.write(one.stream, framing.write_frame(draft.kind, draft.body) + tick)
    await one.side.rest(within=3)


@FAMILY.case(
    "refuse-claim-without-request",
    requirements=("ERR-003~2", "RCP-045~1"),
    expect=All((Refuses("UNKNOWN_REQUEST"), Shows("nothing is countersigned", nothing_is_countersigned))),
    fault=Fault.CLAIM_WITHOUT_REQUEST,
    twin=_TWIN,
)
async def refuse_claim_without_request(session: Session) -> None:
    """A bill of a million credits, signed by the one that would get them, as the first frame of a stream.

    Elsewhere such a message was countersigned and paid, with no inference behind it. Here it is no REQUEST.
    """
    side = await Initiator.connected(session)
    stream = side.open_stream()
    side.commits(session.fault)
    side.link.write(stream, framing.write_frame(framing.END, claim(side)))
    frame = await side.frame(stream, "ERROR")
    if frame.kind == framing.ERROR:
        side.link.write(stream, b"", fin=True)
        await side.probe()


@FAMILY.case(
    "reject-claim-of-consumer",
    requirements=("STM-001~1",),
    expect=All((Fails("UNEXPECTED_FRAME", "answer"), Shows("nothing is countersigned", nothing_is_countersigned))),
    fault=Fault.CLAIM_BY_CONSUMER,
    twin=_TWIN,
)
async def reject_claim_of_consumer(session: Session) -> None:
    """The same bill in the middle of an exchange, from the side that asked: only a provider bills."""
    one = await streaming(session)
    one.side.commits(session.fault)
    one.side.link.write(one.stream, framing.write_frame(framing.END, claim(one.side)))
    await one.side.rest(within=3)
