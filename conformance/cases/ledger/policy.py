"""Whom a provider serves, what, and how much of it unpaid."""

from __future__ import annotations

from collections.abc import Iterator

from conformance import framing
from conformance.judge.exchange import exchanges
from conformance.judge.expect import All, Completes, Greets, Refuses, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.observers.observer import broken
from conformance.judge.record import Record
from conformance.script.faults import Fault
from conformance.script.initiator import Initiator
from conformance.script.session import Session
from conformance.script.target import Target
from conformance.signing import Key

from .common import SERVES, add, asking, case, offered, serving, settled

_ALLOWANCE = 20_000
_SHARE = 12_000
"""Micro-credits of a ceiling: within the allowance once, and not twice."""
_DAY = 86_400


def _offers_nothing(record: Record) -> Iterator[Finding]:
    for link in record.links:
        for frame in link.of("target", link.target_control):
            if frame.kind == framing.MODELS and frame.get(0):
                yield broken("a model is offered to a peer that is not served", "CTL-010~1", frame.event, frame.start)


@case(
    "offer-nothing-to-a-stranger",
    "CTL-010~1",
    expect=All((Greets(), Shows("MODELS is empty", _offers_nothing))),
    needs=SERVES | {"start.allow"},
    twin="serve-and-keep-the-receipt",
)
async def offer_nothing_to_a_stranger(session: Session) -> None:
    """The node serves one other consumer: the suite is greeted, and told of no model."""
    await Target.start(session, model=True, allow=[Key(session.entropy.take(32)).public.hex()])
    await Initiator.connected(session)


@case("serve-within-the-allowance", "NET-003~2", expect=Completes(permitted=True), needs=SERVES | {"start.allowance"})
async def serve_within_the_allowance(session: Session) -> None:
    """A ceiling that fits the allowance is accepted."""
    _, side = await serving(session, allowance=_ALLOWANCE)
    request = asking(side)
    request.ask(ceiling=_SHARE)
    await request.finish()


@case(
    "count-what-is-owed-afterwards",
    "NET-003~2",
    expect=Completes(permitted=True),
    needs=SERVES | {"start.allowance", "receipts"},
    twin="serve-within-the-allowance",
)
async def count_what_is_owed(session: Session) -> None:
    """A request counts with its ceiling while it runs, and with what is owed afterwards: two fit in turn."""
    target, side = await serving(session, allowance=_ALLOWANCE)
    for _ in range(2):
        request = asking(side)
        request.ask(ceiling=_SHARE)
        await request.finish()
        await settled(target)


async def _exceed(session: Session) -> None:
    """One open whose ceiling is above the allowance, or a second beside one that runs."""
    _, side = await serving(session, allowance=_ALLOWANCE)
    ceiling = _ALLOWANCE + 1
    if session.fault is Fault.LEDGER_ALLOWANCE_USED_BY_ANOTHER_KEY:
        running = asking(side)
        # So long that it is not over before the other comes, since nothing more is paid.
        running.ask(running.content(max_tokens=2000), ceiling=_SHARE)
        await running.accept()
        session.key, ceiling = Key(session.entropy.take(32)), _SHARE
        side = await offered(session)
    request = asking(side)
    request.send(request.compose(ceiling=ceiling), fault=session.fault)
    await side.frame(request.stream, "ERROR")
    side.link.write(request.stream, b"", fin=True)
    await side.probe()


add(
    "refuse-beyond-the-allowance",
    "NET-005~1",
    expect=Refuses("INSUFFICIENT_CREDIT", numbers=True, permitted=True),
    fault=Fault.LEDGER_CEILING_BEYOND_ALLOWANCE,
    page="The ceiling is one micro-credit above what the provider gives in a day: no wait helps.",
    script=_exceed,
    needs=SERVES | {"start.allowance"},
    twin="serve-within-the-allowance",
)
add(
    "give-no-allowance-to-a-new-key",
    "NET-003~2",
    "NET-004~1",
    expect=Refuses("ALLOWANCE_EXHAUSTED", numbers=True, permitted=True),
    fault=Fault.LEDGER_ALLOWANCE_USED_BY_ANOTHER_KEY,
    page="One key's request holds most of the allowance; another key asks for as much. Keys are free: all share one.",
    script=_exceed,
    needs=SERVES | {"start.allowance"},
    twin="serve-within-the-allowance",
)


def _one_accepted(record: Record) -> Iterator[Finding]:
    found = [each for each in exchanges(record) if each.request is not None]
    taken = [each.accept.event for each in found if each.accept is not None]
    if len(taken) > 1:
        yield broken(f"{len(taken)} opens are accepted, and the allowance pays for one", "NET-003~2", taken[1])
    elif not taken:
        yield Finding(verdict=Verdict.FAIL, message="none of the opens is accepted, and the allowance pays for one")


@case(
    "reserve-the-allowance-at-once",
    "NET-003~2",
    expect=Shows("one of the requests is accepted", _one_accepted),
    needs=SERVES | {"start.allowance"},
    twin="serve-within-the-allowance",
)
async def reserve_at_once(session: Session) -> None:
    """Five requests in one flight, each for more than half of the allowance: what is promised to one is reserved."""
    _, side = await serving(session, allowance=_ALLOWANCE)
    requests = [asking(side) for _ in range(5)]
    drafts = [each.compose(each.content(max_tokens=2000), ceiling=_SHARE) for each in requests]
    for request, draft in zip(requests, drafts, strict=True):
        request.send(draft)
    for request in requests:
        await side.frame(request.stream, "ACCEPT or ERROR")


@case(
    "renew-the-allowance-after-a-day",
    "NET-003~2",
    expect=Completes(permitted=True),
    needs=SERVES | {"start.allowance", "clock"},
    twin="serve-within-the-allowance",
)
async def renew_the_allowance(session: Session) -> None:
    """A claim uses up most of the allowance; a day later the same is served again."""
    _, side = await serving(session, allowance=_ALLOWANCE)
    request = asking(side)
    quote = side.quotes[0]
    ticks = _SHARE // quote.tick_value
    request.ask(request.content(max_tokens=4000), ceiling=_SHARE)
    await request.accept()
    request.pay(ticks)
    side.link.close()
    await session.call("clock", seconds=_DAY + 3600)
    side = await offered(session)
    request = asking(side)
    request.ask(ceiling=_SHARE)
    await request.finish()


# What was offered, and is not served any more


async def _ask_too_late(session: Session) -> None:
    """An honest open of a quote that was honestly offered, after something has changed."""
    _, side = await serving(session)
    request = asking(side)
    draft = request.compose()
    if session.fault is Fault.LEDGER_MODEL_WITHDRAWN:
        await session.call("withdraw")
    elif session.fault is Fault.LEDGER_CONSUMER_FORBIDDEN:
        await session.call("forbid", consumer=session.key.public.hex())
    else:
        late = side.quotes[0].expires - int(session.environment.clock()) + 180
        await session.call("clock", seconds=late)
    request.send(draft, fault=session.fault)
    await side.frame(request.stream, "ERROR")
    side.link.write(request.stream, b"", fin=True)
    await side.probe()


add(
    "refuse-a-withdrawn-model",
    "INF-025~1",
    expect=Refuses("UNKNOWN_MODEL"),
    fault=Fault.LEDGER_MODEL_WITHDRAWN,
    page="The open names a good quote of a model that the node has stopped to serve since.",
    script=_ask_too_late,
    needs=SERVES | {"withdraw"},
    twin="serve-within-the-allowance",
)
add(
    "refuse-a-consumer-that-is-no-longer-served",
    "INF-026~1",
    expect=Refuses("NOT_ALLOWED"),
    fault=Fault.LEDGER_CONSUMER_FORBIDDEN,
    page="The open names a good quote, and the node's owner has forbidden this consumer since.",
    script=_ask_too_late,
    needs=SERVES | {"forbid"},
    twin="serve-within-the-allowance",
)
add(
    "refuse-an-expired-quote",
    "RCP-005~1",
    expect=Refuses("QUOTE_EXPIRED"),
    fault=Fault.LEDGER_QUOTE_EXPIRED,
    page="The quote expired three minutes ago by the provider's clock: a minute beyond what clocks may differ.",
    script=_ask_too_late,
    needs=SERVES | {"clock"},
    twin="accept-a-quote-within-the-skew",
)


@case("accept-a-quote-within-the-skew", "RCP-053~1", expect=Completes(permitted=True), needs=SERVES | {"clock"})
async def accept_within_the_skew(session: Session) -> None:
    """The quote expired a minute ago by the provider's clock: a consumer whose clock is late is served all the same."""
    _, side = await serving(session)
    late = side.quotes[0].expires - int(session.environment.clock()) + 60
    await session.call("clock", seconds=late)
    request = asking(side)
    request.ask()
    await request.finish()
