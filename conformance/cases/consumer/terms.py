"""What a consumer may not sign, and how much it may ask at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.cases.initiator.common import ASKS, asks_nothing
from conformance.data import limit
from conformance.judge.consumer import Agrees, Presents, asked, each_request
from conformance.judge.expect import All, Expectation, Shows
from conformance.judge.finding import Finding
from conformance.judge.observers.observer import broken
from conformance.judge.record import Record
from conformance.script.responder import Responder
from conformance.script.session import Session
from conformance.script.target import Target

from .common import TWIN, begin, case


def _nothing_but(requirement: str) -> Expectation:
    return All((asks_nothing(requirement), Presents("failed")))


async def _ask_for(session: Session, quote: dict[str, Any], **options: Any) -> None:
    """Offer something that nobody may take, and let the user ask for it."""
    target = await Target.start(session, **options)
    side = await Responder.connected(session, target, **quote)
    await side.probe()
    await (await target.ask(session.key.public)).answer(within=5)


@case("sign-nothing-in-an-unknown-network", "NET-002~1", expect=_nothing_but("NET-002~1"), twin=TWIN)
async def sign_nothing_in_an_unknown_network(session: Session) -> None:
    """The only quote is in a network that the consumer does not know: nobody knows who settles there."""
    await _ask_for(session, {"k1": bytes(range(32))})


@case(
    "sign-no-ceiling-below-the-prepaid-ticks",
    "RCP-037~1",
    expect=_nothing_but("RCP-037~1"),
    needs=ASKS | {"start.max_spend"},
    twin=TWIN,
)
async def sign_no_ceiling_below_prepaid(session: Session) -> None:
    """The quote wants 8000 micro-credits in advance, and the user gives 5000 at most."""
    await _ask_for(session, {"k8": 1000}, max_spend=5000)


@case("sign-no-ceiling-above-all-ticks", "RCP-035~1", expect=All((Agrees(), Presents("whole"))))
async def sign_no_ceiling_above_all_ticks(session: Session) -> None:
    """Prices are high and ticks are small: 65,536 ticks bound the ceiling, whatever the answer could cost."""
    request, serving = await begin(session, max_tokens=64, quote={"k5": 1000, "k6": 4000, "k7": 1, "k9": 65_536})
    await serving.finish(tokens=2)
    await request.answer()


def _unexpired(record: Record) -> Iterator[Finding]:
    for exchange in asked(record):
        yield broken(
            "a quote was taken that had expired", "RCP-052~1", exchange.request.event if exchange.request else -1
        )


@case("take-no-expired-quote", "RCP-052~1", expect=Shows("no request is sent", _unexpired), twin=TWIN)
async def take_no_expired_quote(session: Session) -> None:
    """The only quote expired an hour ago: a provider would refuse it."""
    await _ask_for(session, {"k10": int(session.environment.clock()) - 3600})


# Bounds

_BOUNDED = Shows("requests are sent, within their bounds", each_request(lambda _: iter(())))


@case("keep-to-the-streams", "FLW-009~1", expect=_BOUNDED, twin=TWIN)
async def keep_to_the_streams(session: Session) -> None:
    """The user asks seventy times at once, and the provider answers nothing: 64 requests may be open."""
    target = await Target.start(session)
    side = await Responder.connected(session, target)
    await side.probe()
    for _ in range(limit("MAX_STREAMS") + 6):
        await target.ask(session.key.public)
    await side.rest(within=1)


@case(
    "keep-to-the-unanswered-bytes",
    "FLW-015~1",
    expect=_BOUNDED,
    twin=TWIN,
)
async def keep_to_the_unanswered_bytes(session: Session) -> None:
    """The user sends six prompts of 900 KB, and the provider answers none: more than four may not be on their way."""
    target = await Target.start(session)
    side = await Responder.connected(session, target, k4=4_194_304, k7=1000)
    await side.probe()
    for _ in range(6):
        await target.ask(session.key.public, prompt="word " * 180_000)
    await side.rest(within=3)
