"""What the cases of this family begin with: a settled network whose authority and settlement node the target is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from conformance.case import Script
from conformance.cases.membership.common import Registry
from conformance.cases.registry import Family
from conformance.data import error_code, error_name
from conformance.judge.called import BALANCE, SETTLE, Call, calls
from conformance.judge.expect import Expectation, Refuses
from conformance.judge.finding import Finding, Verdict
from conformance.judge.observers.observer import broken
from conformance.judge.record import Record
from conformance.script.deals import Party
from conformance.script.faults import Fault
from conformance.script.networks import CONSUMER, JOIN, PROVIDER, connected
from conformance.script.session import Session
from conformance.script.side import readable
from conformance.signing import Key

FAMILY = Family("settlement")
KEEPS = frozenset({"start", "create-network", "create-network.settled", "invite"})
QUOTA = 10_000
SETTLED = "reserve-and-settle"


def case(slug: str, *requirements: str, expect: Expectation, **fields: Any) -> Callable[[Script], Script]:
    """A case whose script's docstring is the page."""
    return FAMILY.case(slug, requirements=requirements, expect=expect, **{"needs": KEEPS, **fields})


def refuse(slug: str, fault: Fault, code: str, *requirements: str, **fields: Any) -> Callable[[Script], Script]:
    """A case whose call with the fault is refused."""
    numbers = fields.pop("numbers", False)
    fields = {"fault": fault, "twin": SETTLED, **fields}
    return case(slug, *requirements, expect=Refuses(code, numbers=numbers, permitted=True), **fields)


async def party(session: Session, registry: Registry, roles: int, quota: int = 0) -> Party:
    """A new key of the suite's that has joined and shown itself."""
    joined = await stranger(session, registry, roles, quota)
    await joined.introduce()
    return joined


async def stranger(session: Session, registry: Registry, roles: int, quota: int = 0) -> Party:
    """A new key of the suite's that has joined, and shown nothing."""
    invite = await registry.invite(roles=roles, quota=quota)
    session.key = Key(session.entropy.take(32))
    side = await connected(session)
    answer = await side.answered(side.call(JOIN, registry.asks(session.key.public, invite)))
    result = readable(answer.value[0]) if isinstance(answer.value[0], bytes) else {}
    return Party(session=session, network=registry.network, key=session.key, side=side, membership=result[1])


async def office(session: Session) -> tuple[Registry, Party, Party]:
    """A settled network, a consumer with its quota, and a provider."""
    registry = await Registry.create(session, settled=True)
    consumer = await party(session, registry, CONSUMER, QUOTA)
    return registry, consumer, await party(session, registry, PROVIDER)


async def fails(asker: Party, procedure: int, arguments: Any) -> None:
    """One call with the case's fault, and a sign of life."""
    asker.side.commits(asker.session.fault)
    await asker.calls(procedure, arguments)
    await asker.side.probe()


def made(record: Record, procedure: int) -> list[Call]:
    """Every call of a procedure, in order."""
    found = [call for link in record.links for call in calls(link, "suite") if call.procedure == procedure]
    return sorted(found, key=lambda call: call.frame.event)


@dataclass(frozen=True, slots=True)
class Outcomes(Expectation):
    """What became of every claim, in order: BOOKED or REPEATED with an amount, or the code of a refusal."""

    requirement: str
    expected: tuple[tuple[str, int], ...]

    def describe(self) -> str:
        """For people."""
        return "claims end as " + ", ".join(f"{name} {amount}" for name, amount in self.expected)

    def judge(self, record: Record) -> Iterator[Finding]:
        """All SETTLE calls together."""
        shown = made(record, SETTLE)
        found: list[tuple[str, int]] = []
        for call in shown:
            for each in call.result.get(0, ()):
                named = {1: "BOOKED", 2: "REPEATED"}.get(each[0])
                found.append((named, each[2]) if named else (error_name(each.get(1, 0)), 0))
        if not shown:
            yield Finding(verdict=Verdict.INCONCLUSIVE, message="nothing was claimed")
        elif tuple(found) != self.expected:
            told = ", ".join(f"{name} {amount}" for name, amount in found) or "nothing"
            yield broken(f"the claims ended as {told}", self.requirement, shown[-1].frame.event)


@dataclass(frozen=True, slots=True)
class Available(Expectation):
    """What BALANCE shows each time: what is there less what is reserved."""

    requirement: str
    expected: tuple[int, ...]

    def describe(self) -> str:
        """For people."""
        return "what is available: " + ", ".join(map(str, self.expected))

    def judge(self, record: Record) -> Iterator[Finding]:
        """All BALANCE calls."""
        shown = made(record, BALANCE)
        found = tuple(call.result[0] - call.result[1] if call.result else -1 for call in shown)
        if not shown:
            yield Finding(verdict=Verdict.INCONCLUSIVE, message="no balance was asked for")
        elif found != self.expected:
            yield broken(f"{found} were available", self.requirement, shown[-1].frame.event)


def numbers(limit: int, actual: int, requirement: str) -> Callable[[Record], Iterator[Finding]]:
    """The numbers of the only INSUFFICIENT_CREDIT."""

    def predicate(record: Record) -> Iterator[Finding]:
        code = error_code("INSUFFICIENT_CREDIT")
        errors = [each for link in record.links for each in link.of("target") if each.get(0) == code]
        for error in errors:
            if (error.get(2), error.get(3)) != (limit, actual):
                message = f"limit and actual are {error.get(2)} and {error.get(3)}, not {limit} and {actual}"
                yield broken(message, requirement, error.event)

    return predicate
