"""What a provider keeps of an exchange, and what it may claim."""

from __future__ import annotations

from collections.abc import Iterator

from conformance import framing
from conformance.finish import CANCELLED
from conformance.judge.agreement import owed
from conformance.judge.consumer import results
from conformance.judge.exchange import exchanges
from conformance.judge.expect import All, Completes, Fails, Refuses, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.observers.observer import broken
from conformance.judge.record import Record
from conformance.script.asking import Asking
from conformance.script.faults import Fault
from conformance.script.session import Session

from .common import SERVES, TELLS, add, asking, case, offered, serving, settled

_KEEPS = SERVES | {"receipts"}
_TWIN = "serve-and-keep-the-receipt"
_ENDLESS = 2000
"""Tokens that cost more than what the payment window lets pass unpaid."""
_LONG = 100
"""Tokens that cost more than what is prepaid, so that ticks are due."""


@case(_TWIN, "RCP-050~1", "RCP-051~1", expect=All((Completes(), TELLS)), needs=_KEEPS)
async def serve_and_keep(session: Session) -> None:
    """An answer is served, paid and countersigned: what the provider claims is the total, once."""
    target, side = await serving(session)
    request = asking(side)
    request.ask()
    await request.finish()
    await settled(target)


@case("claim-no-agreement-without-countersign", "RCP-030~1", "RCP-050~1", expect=TELLS, needs=_KEEPS, twin=_TWIN)
async def claim_no_agreement(session: Session) -> None:
    """The consumer takes the whole answer, and leaves without COUNTERSIGN: that is a claim, and no receipt."""
    target, side = await serving(session)
    request = asking(side)
    request.ask()
    await _until_end(request)
    side.link.write(request.stream, b"", fin=True)
    await settled(target)


async def _forge(session: Session) -> None:
    """COUNTERSIGN with a signature of nobody."""
    target, side = await serving(session)
    request = asking(side)
    request.ask()
    await _until_end(request)
    side.commits(session.fault)
    request.write(framing.COUNTERSIGN, {0: bytes(64)}, fin=True)
    await side.rest(within=3)
    await settled(target)


add(
    "claim-no-agreement-with-a-forged-countersign",
    "RCP-029~1",
    "RCP-030~1",
    expect=All((Fails("BAD_CLOSE", "closing"), TELLS)),
    fault=Fault.LEDGER_COUNTERSIGNATURE_FORGED,
    page="The countersignature is 64 zeros: the connection fails, and nothing counts as agreed.",
    script=_forge,
    needs=_KEEPS,
    twin=_TWIN,
)


async def _ask_for_nothing(session: Session) -> None:
    """A ceiling that pays for no token."""
    target, side = await serving(session)
    request = asking(side)
    least = side.quotes[0].prepaid_ticks * side.quotes[0].tick_value
    content = request.content(prompt="word " * (least + 16))
    request.send(request.compose(content, ceiling=least), fault=session.fault)
    await side.frame(request.stream, "ERROR")
    side.link.write(request.stream, b"", fin=True)
    await side.probe()
    await settled(target)


add(
    "claim-nothing-for-a-refused-request",
    "RCP-031~1",
    expect=All((Refuses("CEILING_TOO_LOW", numbers=True), TELLS)),
    fault=Fault.LEDGER_CEILING_TOO_LOW,
    page="The ceiling does not pay for the prompt: the request is refused, and its prepaid ticks are not claimed.",
    script=_ask_for_nothing,
    needs=_KEEPS,
    twin=_TWIN,
)


@case("claim-what-was-released", "RCP-050~1", expect=TELLS, needs=_KEEPS, twin=_TWIN)
async def claim_what_was_released(session: Session) -> None:
    """The consumer leaves in the middle: what it had released is claimed, not what was computed."""
    target, side = await serving(session)
    request = asking(side)
    request.ask(request.content(max_tokens=_ENDLESS))
    await request.accept()
    request.pay()
    await request.chunk()
    side.link.reset(request.stream)
    await settled(target)


def _late(record: Record) -> Iterator[Finding]:
    """The claim is what the last counted tick pays."""
    shown = results(record, "receipts")
    exchange = next((each for each in exchanges(record) if each.end is not None), None)
    if not shown or exchange is None or exchange.quote is None:
        yield Finding(verdict=Verdict.INCONCLUSIVE, message="no END came")
        return
    index, result = shown[-1]
    entry = next((each for each in result["receipts"] if each["sequence"] == exchange.opened[3]), None)
    due = owed(exchange, index)
    if exchange.cancel is not None and exchange.close.get(7) != CANCELLED:
        yield Finding(verdict=Verdict.INCONCLUSIVE, message="END was sent before CANCEL came")
        return
    if exchange.cancel is not None:
        due = min(exchange.cancel.get(1) * exchange.quote.tick_value, exchange.close[6], exchange.opened[7])
    claimed = entry["owed"] if entry is not None else 0
    if claimed != due:
        yield broken(f"{claimed} are claimed, and the ticks that count pay for {due}", "RCP-022~2", index)


@case(
    "count-a-tick-that-crosses-end",
    "RCP-022~2",
    expect=Shows("the claim counts the late tick", _late),
    needs=_KEEPS,
    twin=_TWIN,
)
async def count_a_late_tick(session: Session) -> None:
    """The last tick was on its way when END was sent: it still pays, though no COUNTERSIGN follows it."""
    target, side = await serving(session)
    request = asking(side)
    request.ask(request.content(max_tokens=_LONG))
    await _until_end(request, late=True)
    request.pay()
    side.link.write(request.stream, b"", fin=True)
    await settled(target)


async def _tick_after_cancel(session: Session) -> None:
    """CANCEL, and then a tick all the same."""
    target, side = await serving(session)
    request = asking(side)
    # More than the window lets pass unpaid, so that the answer is not over before CANCEL comes.
    request.ask(request.content(max_tokens=_ENDLESS))
    await request.accept()
    request.pay()
    await request.chunk()
    request.cancel()
    while (await request.next()).kind != framing.END:
        pass
    side.commits(session.fault)
    request.pay(request.k + 1)
    side.link.write(request.stream, b"", fin=True)
    await settled(target)


add(
    "ignore-a-tick-after-cancel",
    "RCP-022~2",
    expect=Shows("the claim does not count the tick", _late),
    fault=Fault.LEDGER_TICK_AFTER_CANCEL,
    page="A tick comes after the END that answers CANCEL: the bill stands at what CANCEL named.",
    script=_tick_after_cancel,
    needs=_KEEPS,
    twin=_TWIN,
)


async def _use_a_number_again(session: Session) -> None:
    """A new open with a number that the provider has seen before it went down."""
    crash = session.fault is Fault.LEDGER_NUMBER_OF_BEFORE_THE_CRASH
    target, side = await serving(session)
    number = session.sequence()
    request = asking(side)
    request.ask(sequence=number)
    if crash:
        await _until_end(request)
        await target.restart(kill=True)
    else:
        await request.finish()
        await settled(target)
        await target.restart()
    side = await offered(session)
    request = asking(side)
    request.send(request.compose(sequence=number), fault=session.fault)
    await side.frame(request.stream, "ERROR")
    side.link.write(request.stream, b"", fin=True)
    await side.probe()
    if not crash:
        await settled(target)


add(
    "remember-opens-through-a-crash",
    "RCP-055~1",
    "RCP-040~1",
    expect=Refuses("SEQUENCE_USED"),
    fault=Fault.LEDGER_NUMBER_OF_BEFORE_THE_CRASH,
    page="The provider is killed as soon as its END has come: the open has to be on the disk, and its number used up.",
    script=_use_a_number_again,
    needs=SERVES | {"restart", "restart.kill"},
    twin=_TWIN,
)
add(
    "book-nothing-twice",
    "RCP-040~1",
    "RCP-051~1",
    expect=All((Refuses("SEQUENCE_USED"), TELLS)),
    fault=Fault.LEDGER_NUMBER_OF_A_RECEIPT,
    page="After a restart the number of a receipt comes again in another open: one debt stays one.",
    script=_use_a_number_again,
    needs=_KEEPS | {"restart"},
    twin=_TWIN,
)


async def _until_end(request: Asking, *, late: bool = False) -> None:
    """Read until END; pay what is due, or with ``late`` only what the window asks for."""
    await request.accept()
    while True:
        quote = request.quote
        if late:
            needed = -(-quote.owed(request.input_tokens or 0, request.tokens + 1) // quote.tick_value) - quote.window
            request.pay(min(needed, len(request.links) - 1))
        else:
            request.pay()
        if (await request.next()).kind == framing.END:
            return
