"""Watched in every case: what the target calls, and what it offers, asks and shows in which network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from conformance import dcbor, framing, shapes, signing
from conformance.data import limit
from conformance.judge.called import ANNOUNCE, FIND, SHOW, Shown, calls, proved
from conformance.judge.exchange import exchanges
from conformance.judge.finding import Finding
from conformance.judge.record import Frame, LinkRecord, Record
from conformance.members import CONSUMER, PROVIDER

from .observer import Observer
from .observer import broken as _fail

_CALLS = 2


def calls_where_it_may(record: Record) -> Iterator[Finding]:
    """A call goes over a connection that may carry it."""
    for link in record.links:
        for call in calls(link, "target"):
            hellos = [_hello(link, by, call.frame.event) for by in ("suite", "target")]
            pinned = hellos[1].get(8) is True if not link.initiates else hellos[0].get(8) is True
            if not all(_CALLS in each.get(5, ()) for each in hellos):
                yield _fail("a call was made that was not agreed", "CAL-001~1", call.frame.event, call.frame.start)
            elif not pinned and call.procedure not in (FIND, ANNOUNCE):
                yield _fail("a call was made without a pin", "CAL-001~1", call.frame.event, call.frame.start)


def _hello(link: LinkRecord, by: str, before: int) -> dict[int, Any]:
    for frame in link.frames:
        if frame.by == by and frame.kind == framing.HELLO and frame.event < before and shapes.is_signed(frame.value):
            value = dcbor.decode(frame.value[0]) if dcbor.is_item(frame.value[0]) else None
            return value if isinstance(value, dict) else {}
    return {}


def calls_within_bounds(record: Record) -> Iterator[Finding]:
    """So many calls at once, and so many in a time."""
    for link in record.links:
        made = list(calls(link, "target"))
        for number, call in enumerate(made, 1):
            at = call.frame.event
            running = [each for each in made if each.frame.event <= at < (each.answer.event if each.answer else at + 1)]
            given_up = {each.stream for each in link.of("target") if each.kind == framing.ERROR and each.event < at}
            running = [each for each in running if each.frame.stream not in given_up]
            if len(running) > limit("MAX_CALLS"):
                yield _fail(f"{len(running)} calls are open at once", "CAL-002~2", at, call.frame.start)
                return
            allowed = limit("CALL_BURST") + limit("CALL_RATE") * (call.frame.at - made[0].frame.at + 1)
            if number > allowed:
                yield _fail(f"{number} calls came faster than the allowance grows", "CAL-002~2", at, call.frame.start)
                return


def _is_of(found: Sequence[Shown], network: bytes, before: int, role: int = 0) -> Shown | None:
    """What makes one side a member with ``role`` at an event."""
    fitting = (each for each in found if each.standing.network == network and each.event < before)
    return next((each for each in fitting if each.member.roles & role == role), None)


def shows_itself_to_members(record: Record) -> Iterator[Finding]:
    """NET-031: SHOW for a network that the peer has proved on this connection."""
    for link in record.links:
        members = list(proved(record, link, "suite"))
        for call in calls(link, "target"):
            if call.procedure != SHOW or not call.arguments:
                continue
            if _is_of(members, call.arguments[0], call.frame.event) is None:
                message = "the target shows itself to a peer that has not proved the network"
                yield _fail(message, "NET-031~1", call.frame.event, call.frame.start)


def asks_members(record: Record) -> Iterator[Finding]:
    """NET-035, NET-039: an open in a rooted network, between members, for what the network allows."""
    for exchange in exchanges(record, provider="suite"):
        frame, network = exchange.request, exchange.opened.get(0)
        if frame is None or network is None or network == signing.DIRECT:
            continue
        members = list(proved(record, exchange.link, "suite"))
        peer = _is_of(members, network, frame.event, PROVIDER)
        shown = [
            each
            for each in calls(exchange.link, "target")
            if each.procedure == SHOW and each.gave and each.answer is not None and each.answer.event < frame.event
            if each.arguments and each.arguments[0] == network
        ]
        own = dcbor.decode(shown[-1].arguments[1][0]) if shown else {}
        if peer is None:
            yield _fail("an open goes to a peer that has not proved the network", "NET-035~1", frame.event, frame.start)
        elif not own.get(3, 0) & CONSUMER:
            yield _fail("an open is signed without the role of a consumer", "NET-035~1", frame.event, frame.start)
        elif exchange.quote is not None and not peer.standing.allows(exchange.quote.model_digest):
            message = "an open is signed for a model that the network does not allow"
            yield _fail(message, "NET-039~1", frame.event, frame.start)


def offers_to_members(record: Record) -> Iterator[Finding]:
    """NET-048, NET-049: quotes of a rooted network."""
    for link in record.links:
        own = list(proved(record, link, "target"))
        peers = list(proved(record, link, "suite"))
        for frame in link.of("target", link.target_control):
            for quote in quotes_of(frame):
                if quote[1] == signing.DIRECT:
                    continue
                if not _accepted(link, quote[1], frame.event) and _is_of(peers, quote[1], frame.event) is None:
                    message = "a quote of a network is shown to a peer that has not shown itself"
                    yield _fail(message, "NET-048~1", frame.event, frame.start)
                mine = _is_of(own, quote[1], frame.event)
                if mine is not None and not (mine.member.roles & PROVIDER and mine.standing.allows(quote[3])):
                    message = "a quote is made for what the target may not answer in the network"
                    yield _fail(message, "NET-049~1", frame.event, frame.start)


def _accepted(link: LinkRecord, network: bytes, before: int) -> bool:
    """Whether the target took the suite for a member, by a SHOW of before: RESULT may come behind MODELS."""
    return any(
        call.procedure == SHOW and call.gave and call.arguments.get(0) == network and call.frame.event < before
        for call in calls(link, "suite")
    )


def quotes_of(frame: Frame) -> Iterator[dict[int, Any]]:
    """The quotes of a MODELS that have their shape."""
    if frame.kind != framing.MODELS or shapes.broken("models", frame.value) is not None:
        return
    for body, _ in frame.value[0]:
        value = dcbor.decode(body) if dcbor.is_item(body) else None
        if isinstance(value, dict) and shapes.broken("quote-body", value) is None:
            yield value


OBSERVERS: Sequence[Observer] = (
    calls_where_it_may,
    calls_within_bounds,
    shows_itself_to_members,
    asks_members,
    offers_to_members,
)
