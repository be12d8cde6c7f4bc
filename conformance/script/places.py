"""Every place where a responder reads bytes of the initiator's: how a case gets there, and puts damaged bytes there.

The table of SPEC.md, "Errors", says what each place does with bytes that break a rule.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from conformance import dcbor, framing, signing
from conformance.data import error_code, limit
from conformance.dcbor import Item
from conformance.offer import Quote

from .asking import Asking, Draft, Edits
from .faults import Fault
from .frames import Damage
from .initiator import Initiator
from .session import Session

_PATIENCE = 3.0
"""Seconds in which a target that has to close a connection does so."""
_MEASURE = 60_000
"""What is left in a quote's or REQUEST's frame beside a damaged body."""

Reach: TypeAlias = Callable[[Session], Awaitable[Initiator]]
Send: TypeAlias = Callable[[Initiator, Fault, Damage], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One kind of bytes that the target reads."""

    name: str
    what: str
    """For people."""
    reach: Reach
    send: Send
    """Commit the fault with damaged bytes, and wait for what follows."""
    lives_on: bool = False
    """Whether the connection has to live on, and other requests on it."""


async def run(session: Session, place: Place, damage: Damage) -> None:
    """Go there, and send damaged bytes once."""
    side = await place.reach(session)
    await place.send(side, session.fault, damage)
    if place.lives_on:
        await side.probe()


def asking(side: Initiator) -> Asking:
    """A request for the target's first model."""
    return Asking(side, side.quote())


async def complete(side: Initiator) -> None:
    """One honest request, to its end."""
    one = asking(side)
    one.ask()
    await one.finish()


async def visit(session: Session) -> None:
    """What an honest initiator does in a while: it is refused, is answered, and is refused again."""
    side = await Initiator.connected(session)
    await side.probe()
    await complete(side)
    await side.probe()


async def answering(session: Session, *, max_tokens: int | None = None) -> Asking:
    """A request that the target has accepted, and for which nothing is paid yet.

    Without ``max_tokens`` it asks for more than the target may send unpaid, so that a fast answer does not end either.
    """
    one = asking(await Initiator.connected(session))
    await answered_unpaid(one, max_tokens)
    return one


async def answered_unpaid(one: Asking, max_tokens: int | None = None) -> None:
    """Ask, and read ACCEPT, as `answering` does."""
    unpaid = (one.quote.prepaid_ticks + one.quote.window) * one.quote.tick_value // max(one.quote.price_out, 1)
    most = min(unpaid + 8, one.quote.context_length // 2) if max_tokens is None else max_tokens
    one.send(one.compose(one.content(max_tokens=most)), reserved=False)
    await one.accept()


# Control streams


async def _heard(session: Session) -> Initiator:
    side = await Initiator.dial(session)
    await side.hear_hello()
    return side


async def _hello_frame(side: Initiator, fault: Fault, damage: Damage) -> None:
    signed = dcbor.encode(side.session.key.signed(signing.HELLO, side.hello()))
    await fail(side, fault, framing.HELLO, damage(signed, limit("MAX_HELLO")))


async def _hello_body(side: Initiator, fault: Fault, damage: Damage) -> None:
    body = damage(dcbor.encode(side.hello()), limit("MAX_HELLO") - 100)
    await fail(side, fault, framing.HELLO, signed_as_it_is(side, signing.HELLO, body))


async def _models(side: Initiator, fault: Fault, damage: Damage) -> None:
    body = dcbor.encode({0: [side.session.key.signed(signing.QUOTE, own_quote(side))]})
    await fail(side, fault, framing.MODELS, damage(body, limit("MAX_MODELS")))


async def _quote(side: Initiator, fault: Fault, damage: Damage) -> None:
    body = damage(dcbor.encode(own_quote(side)), _MEASURE)
    signed = [body, side.session.key.sign(signing.QUOTE, body)]
    await fail(side, fault, framing.MODELS, dcbor.encode({0: [signed]}))


async def fail(side: Initiator, fault: Fault, kind: int, body: bytes) -> None:
    """Commit a fault with a frame of the control stream, and wait for the end of the connection."""
    side.commits(fault)
    side.control(kind, body)
    await side.rest(_PATIENCE)


def signed_as_it_is(side: Initiator, context: str, body: bytes) -> bytes:
    """The signed object of bytes that need not be an item."""
    return dcbor.encode([body, side.session.key.sign(context, body)])


def own_quote(side: Initiator) -> dict[int, Item]:
    """The body of a quote of the suite's own: an initiator may offer models, too."""
    return {
        0: side.session.key.public,
        1: signing.DIRECT,
        2: "conformance",
        3: bytes(32),
        4: 2048,
        5: 1,
        6: 1,
        7: 8,
        8: 1,
        9: 2,
        10: int(side.session.environment.clock()) + 3600,
    }


def invented_quote(side: Initiator) -> Quote:
    """A quote that the target never made, for requests that are refused before anybody looks for it."""
    return Quote.read(dcbor.encode(own_quote(side) | {0: side.provider}))


# The first frame of a request


def _request(draft: Draft, damage: Damage) -> None:
    draft.body = damage(draft.body, limit("MAX_REQUEST"))


def _content(draft: Draft, damage: Damage) -> None:
    draft.encoded = damage(draft.encoded, limit("MAX_REQUEST") - _MEASURE)


def _open(draft: Draft, damage: Damage) -> None:
    body = damage(dcbor.encode(draft.opened), limit("MAX_REQUEST") - _MEASURE)
    draft.signed = [body, draft.key.sign(signing.OPEN, body)]


async def refused(one: Asking, fault: Fault, edits: Edits) -> None:
    """Send a REQUEST that a fault has edited, and wait for what it is answered with."""
    one.send(one.compose(edits=edits), fault=fault)
    await one.side.frame(one.stream, "ERROR")


async def _send_request(side: Initiator, fault: Fault, damage: Damage) -> None:
    await refused(asking(side), fault, Edits(body=lambda draft: _request(draft, damage)))


async def _send_content(side: Initiator, fault: Fault, damage: Damage) -> None:
    await refused(asking(side), fault, Edits(encoded=lambda draft: _content(draft, damage)))


async def _send_open(side: Initiator, fault: Fault, damage: Damage) -> None:
    await refused(asking(side), fault, Edits(signed=lambda draft: _open(draft, damage)))


# Later frames of a request


def next_tick(one: Asking) -> dict[int, Item]:
    """The body of a TICK that advances."""
    k = max(one.due, one.k + 1)
    if k >= len(one.links):
        raise one.side.session.untestable("the ceiling is used up by one tick", "offer a model with smaller ticks")
    return {0: k, 1: one.links[k]}


LATER: dict[int, Callable[[Asking], dict[int, Item]]] = {
    framing.TICK: next_tick,
    framing.CREDIT: lambda one: {0: one.credit + limit("MIN_CREDIT_STEP")},
    framing.CANCEL: lambda one: {0: len(one.chunks), 1: one.k, 2: one.links[one.k]},
    framing.ERROR: lambda _: {0: error_code("INTERNAL")},
}
"""Honest bodies of what a consumer sends while it is answered."""


def _later(kind: int) -> Send:
    async def send(side: Initiator, fault: Fault, damage: Damage) -> None:
        one = asking(side)
        await answered_unpaid(one)
        body = damage(dcbor.encode(LATER[kind](one)), limit("MAX_SMALL"))
        side.commits(fault)
        side.link.write(one.stream, framing.write_frame(kind, body))
        await side.rest(_PATIENCE)

    return send


async def _countersign(side: Initiator, fault: Fault, damage: Damage) -> None:
    one = asking(side)
    one.send(one.compose(one.content(max_tokens=2)), reserved=False)
    body = damage(dcbor.encode({0: await one.until_end()}), limit("MAX_SMALL"))
    side.commits(fault)
    side.link.write(one.stream, framing.write_frame(framing.COUNTERSIGN, body), fin=True)
    await side.rest(_PATIENCE)


_reach_models: Reach = Initiator.connected

HELLO_FRAME = Place(
    name="hello-frame", what="The body of HELLO, which is a signed object", reach=_heard, send=_hello_frame
)
HELLO_BODY = Place(name="hello-body", what="The signed body of HELLO", reach=_heard, send=_hello_body)
MODELS = Place(name="models", what="The body of MODELS of the initiator", reach=_reach_models, send=_models)
QUOTE = Place(name="quote", what="The signed body of a quote of the initiator", reach=_reach_models, send=_quote)
REQUEST = Place(name="request", what="The body of REQUEST", reach=_reach_models, send=_send_request, lives_on=True)
CONTENT = Place(name="content", what="The content of REQUEST", reach=_reach_models, send=_send_content, lives_on=True)
OPEN = Place(name="open", what="The signed body of the open", reach=_reach_models, send=_send_open, lives_on=True)
TICK = Place(name="tick", what="The body of TICK", reach=_reach_models, send=_later(framing.TICK))
CREDIT = Place(name="credit", what="The body of CREDIT", reach=_reach_models, send=_later(framing.CREDIT))
CANCEL = Place(name="cancel", what="The body of CANCEL", reach=_reach_models, send=_later(framing.CANCEL))
ERROR = Place(name="error", what="The body of the consumer's ERROR", reach=_reach_models, send=_later(framing.ERROR))
COUNTERSIGN = Place(name="countersign", what="The body of COUNTERSIGN", reach=_reach_models, send=_countersign)
