"""Whom a member serves in its network, and what it offers there."""

from __future__ import annotations

from collections.abc import Iterator

from conformance import framing
from conformance.judge.called import Gives
from conformance.judge.expect import All, Completes, Refuses, Shows
from conformance.judge.finding import Finding
from conformance.judge.observers.networks import quotes_of
from conformance.judge.observers.observer import broken
from conformance.judge.record import Record
from conformance.judge.series import LivesOn
from conformance.script.asking import Asking
from conformance.script.faults import Fault
from conformance.script.initiator import Initiator
from conformance.script.networks import CONSUMER, NOTHING, SHOW
from conformance.script.session import Session
from conformance.signing import DIRECT, Key

from .common import SERVED, brings, case, inside


def _offered(record: Record) -> Iterator[Finding]:
    """NET-051: MODELS with quotes of the network follows SHOW."""
    rooted = [
        quote for link in record.links for frame in link.of("target", link.target_control)
        for quote in quotes_of(frame) if quote[1] != DIRECT
    ]  # fmt: skip
    if not rooted:
        yield broken("no MODELS with quotes of the network follows SHOW", "NET-051~1")


@case(SERVED, "NET-036~1", "NET-048~1", "NET-051~1", tier="smoke", expect=All((Shows("the network's quotes follow SHOW",
      _offered), Completes(permitted=True), Gives())))  # fmt: skip
async def serve_a_member(session: Session) -> None:
    """The suite shows itself, is offered the model in the network, and asks there: answered, billed and agreed."""
    _, network, side = await inside(session)
    await network.enter(side)
    request = Asking(side, await network.offer(side))
    request.ask()
    await request.finish()


def _nothing(requirement: str) -> Shows:
    """No quote of a rooted network, to anybody."""

    def predicate(record: Record) -> Iterator[Finding]:
        for link in record.links:
            for frame in link.of("target", link.target_control):
                if any(quote[1] != DIRECT for quote in quotes_of(frame)):
                    yield broken("a quote of the network was shown that must not be", requirement, frame.event)

    return Shows("no quote of the network is shown", predicate)


@case("offer-nothing-to-a-stranger", "NET-048~1", expect=All((LivesOn(), _nothing("NET-048~1"))))
async def offer_nothing_to_a_stranger(session: Session) -> None:
    """The suite knows the network, asks for it, and shows nothing of itself: no quote of the network comes."""
    _, network, side = await inside(session)
    await network.prove(side)
    await side.rest(within=3)
    await side.probe()


def _refuses(record: Record) -> Iterator[Finding]:
    for link in record.links:
        for frame in link.of("target"):
            if frame.kind == framing.ACCEPT:
                yield broken("a member without the role of a consumer is served", "NET-036~1", frame.event)


@case("offer-nothing-to-a-member-without-a-role", "NET-048~1", "NET-036~1", twin=SERVED,
      expect=All((LivesOn(), Gives(), Shows("no model can be asked in the network", _refuses))))  # fmt: skip
async def offer_nothing_without_role(session: Session) -> None:
    """The membership has no role: its holder belongs to the network, and may not ask in it."""
    _, network, side = await inside(session)
    await network.enter(side, roles=NOTHING)
    offered = await network.offered(side)
    if offered is not None:
        request = Asking(side, offered)
        request.ask()
        await request.finish()
    await side.probe()


@case("offer-no-model-that-the-network-does-not-allow", "NET-049~1", expect=All((LivesOn(), Gives(),
      _nothing("NET-049~1"))), twin=SERVED)  # fmt: skip
async def offer_no_other_model(session: Session) -> None:
    """The network's list holds another model than the target's."""
    _, network, side = await inside(session, k6=[bytes(31) + b"\1"])
    await network.enter(side)
    await side.rest(within=3)
    await side.probe()


@case("offer-nothing-without-the-role-of-a-provider", "NET-049~1", expect=All((LivesOn(), Gives(),
      _nothing("NET-049~1"))), twin=SERVED)  # fmt: skip
async def offer_nothing_as_a_consumer(session: Session) -> None:
    """The target may ask in the network, and not answer."""
    _, network, side = await inside(session, roles=CONSUMER)
    await network.enter(side)
    await side.rest(within=3)
    await side.probe()


# Whom it serves


@case("refuse-an-open-of-another-connection", "NET-037~1", "NET-048~1", fault=Fault.OPEN_SHOWN_ON_ANOTHER_CONNECTION,
      expect=Refuses("NOT_MEMBER", also=("UNKNOWN_QUOTE",), permitted=True), twin=SERVED)  # fmt: skip
async def refuse_shown_elsewhere(session: Session) -> None:
    """The suite is a member on one connection, and asks on another, with the quote that it was shown on the first."""
    _, network, side = await inside(session)
    await network.enter(side)
    quote = await network.offer(side)
    other = await Initiator.connected(session, capabilities=(1, 2))
    request = Asking(other, quote)
    request.send(request.compose(), fault=session.fault)
    await other.frame(request.stream, "ERROR")
    other.link.write(request.stream, b"", fin=True)
    await other.probe()


@case("serve-a-member-no-more-once-it-is-revoked", "NET-038~1", "NET-036~1", fault=Fault.OPEN_AFTER_REVOCATION,
      expect=Refuses("NOT_MEMBER", also=("UNKNOWN_QUOTE",), permitted=True), twin=SERVED)  # fmt: skip
async def refuse_after_revocation(session: Session) -> None:
    """The suite is a member and has its quote. Another member comes, with a roll that names the suite: it is out."""
    _, network, side = await inside(session)
    await network.enter(side)
    quote = await network.offer(side)
    await brings(session, network, session.key.public)
    request = Asking(side, quote)
    request.send(request.compose(), fault=session.fault)
    await side.frame(request.stream, "ERROR")
    side.link.write(request.stream, b"", fin=True)
    await side.probe()


@case("serve-a-member-through-a-false-roll", "NET-038~1", expect=All((Completes(permitted=True),)), twin=SERVED)
async def serve_through_a_false_roll(session: Session) -> None:
    """A roll comes that names the suite, and that no authority of this network signed: nobody is out for it."""
    _, network, side = await inside(session)
    await network.enter(side)
    own, network.authority = network.authority, Key(session.entropy.take(32))
    false = network.roll(7, {session.key.public: 1})
    network.authority = own
    await side.answered(side.call(SHOW, network.shown(network.membership(session.key.public), k3=false)))
    request = Asking(side, await network.offer(side))
    request.ask()
    await request.finish()
