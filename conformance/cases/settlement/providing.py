"""The target as a provider, and as a consumer, in a network whose accounts the suite keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from conformance import framing
from conformance.cases.networks.common import CONSUMES, met
from conformance.data import error_code, limit
from conformance.judge.called import RESERVE, SETTLE, Call, calls, terms_of
from conformance.judge.consumer import Presents
from conformance.judge.exchange import Exchange, exchanges
from conformance.judge.expect import All, Completes, Refuses, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.observers.observer import broken
from conformance.judge.record import Record
from conformance.script.asking import Asking
from conformance.script.faults import Fault
from conformance.script.initiator import CHAT, Initiator
from conformance.script.networks import BOTH, CALLS, NOTHING, SHOW, Attending, Network, connected, proof_of
from conformance.script.responder import Responder
from conformance.script.session import Session
from conformance.script.target import Target
from conformance.signing import Key
from conformance.wire.link import Listening

from .common import case

_NEEDS = frozenset({"start", "start.model", "join", "dial"})
_SERVED = "serve-with-a-reservation"
_LONG = 20.0
"""Seconds in which a claim comes that nothing hurries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Office:
    """The suite as the settlement node of a network of its own."""

    session: Session
    target: Target
    network: Network
    listening: Listening
    key: Key

    @classmethod
    async def open(cls, session: Session) -> _Office:
        """A new node that provides in the network, and dials the suite."""
        target = await Target.start(session, model=True)
        network = Network(session, k9=session.key.public, k10=2)
        await network.admit(target)
        listening = await session.listen()
        await target.dial(listening.address, session.key.public)
        return cls(session=session, target=target, network=network, listening=listening, key=session.key)

    async def attend(self) -> Attending:
        """The target's next connection, on which both have shown themselves."""
        own, self.session.key = self.session.key, self.key
        side = await Responder.accepted(self.session, self.listening)
        side.greet(capabilities=(CHAT, CALLS))
        await side.hear_hello()
        side.offer()
        attending = Attending(side, self.network, proof=proof_of(self.network, roles=NOTHING))
        attending.says[RESERVE] = {0: self.network.now + 3600}
        await attending.until(SHOW)
        self.session.key = own
        return attending

    async def consumer(self) -> Initiator:
        """A member that asks."""
        self.session.key = Key(self.session.entropy.take(32))
        side = await connected(self.session)
        await self.network.enter(side)
        return side


def _asked(record: Record, procedure: int) -> list[Call]:
    return [each for link in record.links for each in calls(link, "target") if each.procedure == procedure]


def _reservation(record: Record, exchange: Exchange) -> Call | None:
    """The RESERVE of an exchange's open."""
    opened = exchange.request.value[2] if exchange.request is not None else None
    return next((each for each in _asked(record, RESERVE) if each.arguments.get(1) == opened), None)


def _reserves(record: Record) -> Iterator[Finding]:
    """SET-021, SET-024: what is accepted was reserved, for long enough."""
    for exchange in exchanges(record):
        if exchange.accept is None or exchange.request is None:
            continue
        call = _reservation(record, exchange)
        given = call is not None and call.gave and call.answer is not None
        if call is None or not given or call.frame.event > exchange.accept.event:
            yield broken("a request is accepted whose ceiling was not reserved", "SET-021~1", exchange.accept.event)
            continue
        least = exchange.content[4] // 1000 + limit("CLOSING_TIMEOUT")
        if call.arguments.get(4, 0) < min(least, limit("MAX_RESERVATION")):
            message = f"a reservation of {call.arguments.get(4)} seconds is asked for, and {least} are needed"
            yield broken(message, "SET-024~1", call.frame.event)


def _claims(record: Record) -> Iterator[Finding]:
    """SET-025, SET-026: a claim of the exchange comes, and of no more than its ceiling."""
    made = _asked(record, SETTLE)
    if not made:
        yield broken("nothing is claimed of an answer that was given", "SET-025~1")
    for call in made:
        for claim in call.arguments.get(0, ()):
            opened, close = terms_of(claim[1], "open-body"), terms_of(claim.get(4), "close-body")
            if opened and close and close[6] > opened[7]:
                yield broken("more is claimed than the ceiling", "SET-026~1", call.frame.event)


_KEEPS_TO_IT = Shows("what is accepted was reserved", _reserves)
_CLAIMS = Shows("what was served is claimed", _claims)


async def _served(network: Network, attending: Attending, consumer: Initiator) -> None:
    """One request, from its reservation to its receipt."""
    request = Asking(consumer, await network.offer(consumer))
    request.ask()
    await attending.until(RESERVE)
    await request.finish()


@case(_SERVED, "SET-021~1", "SET-024~1", "SET-025~1", "SET-026~1", needs=_NEEDS,
      expect=All((_KEEPS_TO_IT, Completes(permitted=True), _CLAIMS)))  # fmt: skip
async def serve_with_reservation(session: Session) -> None:
    """The ceiling is reserved before anything is promised; the receipt is brought to the settlement node afterwards."""
    office = await _Office.open(session)
    attending = await office.attend()
    await _served(office.network, attending, await office.consumer())
    await attending.until(SETTLE, within=_LONG)


def _numbers(record: Record) -> Iterator[Finding]:
    """SET-022: the settlement node's numbers, as they are."""
    code = error_code("INSUFFICIENT_CREDIT")
    told = [each for link in record.links for each in link.of("target") if each.get(0) == code]
    for error in told:
        if error.kind == framing.ERROR and (error.get(2), error.get(3)) != (_LEFT, _NEEDED):
            message = f"limit and actual are {error.get(2)} and {error.get(3)}, and the settlement node's are others"
            yield broken(message, "SET-022~1", error.event)


_LEFT, _NEEDED = 7, 1234


async def _refused(session: Session, said: Any) -> None:
    """The settlement node gives no reservation."""
    office = await _Office.open(session)
    attending = await office.attend()
    attending.says[RESERVE] = said
    consumer = await office.consumer()
    request = Asking(consumer, await office.network.offer(consumer))
    request.send(request.compose(), fault=session.fault)
    await attending.until(RESERVE)
    await consumer.frame(request.stream, "ERROR")
    consumer.link.write(request.stream, b"", fin=True)
    await consumer.probe()


@case("refuse-for-want-of-credit", "SET-022~1", "SET-021~1", needs=_NEEDS, twin=_SERVED, fault=Fault.OPEN_NOT_PAID_FOR,
      expect=All((_KEEPS_TO_IT, Refuses("INSUFFICIENT_CREDIT", numbers=True, permitted=True),
      Shows("the numbers are the settlement node's", _numbers))))  # fmt: skip
async def refuse_for_want_of_credit(session: Session) -> None:
    """The settlement node says that there is not enough: the consumer is told what there is and what is needed."""
    await _refused(session, ("INSUFFICIENT_CREDIT", _LEFT, _NEEDED))


@case("refuse-without-a-reservation", "SET-023~1", "SET-021~1", needs=_NEEDS, twin=_SERVED,
      fault=Fault.OPEN_NOT_RESERVED, expect=All((_KEEPS_TO_IT,
      Refuses("SETTLEMENT_UNAVAILABLE", permitted=True))))  # fmt: skip
async def refuse_without_reservation(session: Session) -> None:
    """The settlement node's accounts cannot be reached: nothing is served on the hope that they can be later."""
    await _refused(session, ("SETTLEMENT_UNAVAILABLE", 0, 0))


def _claims_again(record: Record) -> Iterator[Finding]:
    made = _asked(record, SETTLE)
    if len({call.link.number for call in made}) < 2:
        verdict = Verdict.FAIL if made else Verdict.INCONCLUSIVE
        yield Finding(verdict=verdict, message="what could not be booked is not claimed again after a crash")


@case("claim-through-a-crash", "SET-025~1", needs=_NEEDS | {"restart", "restart.kill"}, expect=Shows(
      "what was served is claimed again", _claims_again), seconds=5)  # fmt: skip
async def claim_through_crash(session: Session) -> None:
    """The settlement node cannot book the receipt, and the provider is killed: it claims again when it is back."""
    office = await _Office.open(session)
    attending = await office.attend()
    attending.says[SETTLE] = ("SETTLEMENT_UNAVAILABLE", 0, 0)
    await _served(office.network, attending, await office.consumer())
    await attending.until(SETTLE, within=_LONG)
    await office.target.restart(kill=True)
    await (await office.attend()).until(SETTLE, within=_LONG)


@case("tell-the-user-what-is-missing", "SET-027~1", role="initiator", needs=CONSUMES,
      expect=Presents("failed", ("INSUFFICIENT_CREDIT",)))  # fmt: skip
async def tell_the_user(session: Session) -> None:
    """The provider refuses for want of credit: that is what the user is told, and nobody asks on."""
    target, network, side, attending = await met(
        session, proof={"roles": BOTH}, k9=session.key.public, k10=2
    )  # fmt: skip
    await attending.until(SHOW)
    side.offer(side.quote(k1=network.id))
    request = await target.ask(session.key.public, network=network.id)
    serving = await attending.request()
    serving.write(framing.ERROR, {0: error_code("INSUFFICIENT_CREDIT"), 2: _LEFT, 3: _NEEDED}, fin=True)
    await request.answer(within=5)
