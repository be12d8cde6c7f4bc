"""What the cases of this family begin with: a node that is the authority of a network."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

from conformance import dcbor, signing
from conformance.case import Script
from conformance.cases.registry import Family
from conformance.dcbor import Item
from conformance.judge.called import JOIN as JOINS
from conformance.judge.called import Call, calls, terms_of
from conformance.judge.expect import Expectation, Refuses
from conformance.judge.record import Record
from conformance.members import Signed
from conformance.script.faults import Fault
from conformance.script.initiator import Initiator
from conformance.script.networks import BOTH, CONSUMER, JOIN, connected
from conformance.script.session import Session
from conformance.script.target import Target
from conformance.signing import Key

FAMILY = Family("membership")
MAKES = frozenset({"start", "create-network"})
INVITES = MAKES | {"invite"}
JOINED = "join-by-an-invite"
QUOTA = 5_000_000
DAY = 86_400


class Registry:
    """The target as the authority of a new network."""

    def __init__(self, target: Target, network: bytes) -> None:
        self.target = target
        self.network = network

    @classmethod
    async def create(cls, session: Session, *, admission: str = "INVITE", **options: Any) -> Registry:
        """A new node, and a network of its own."""
        target = await Target.start(session)
        result = await session.call("create-network", admission=admission, **options)
        return cls(target, bytes.fromhex(result["network"]))

    async def invite(self, *, uses: int = 1, roles: int = CONSUMER, quota: int = 0, seconds: int = DAY) -> Signed:
        """A new invite, read from its text."""
        self.text: str = (
            await self.target.session.call(
                "invite", network=self.network.hex(), uses=uses, roles=roles, quota=quota, seconds=seconds
            )
        )["invite"]
        data = self.text.removeprefix("mycellm-invite:")
        signed: Signed = dcbor.decode(base64.urlsafe_b64decode(data + "=" * (-len(data) % 4)))
        return signed

    async def tell(self, verb: str, **options: Any) -> None:
        """Let the network's owner do something."""
        await self.target.session.call(verb, network=self.network.hex(), **options)

    def asks(self, member: bytes, invite: Signed | None, certificate: Signed | None = None) -> dict[int, Item]:
        """The arguments of JOIN."""
        return {0: self.network, 1: invite, 2: member, **({} if certificate is None else {3: certificate})}


def case(slug: str, *requirements: str, expect: Expectation, **fields: Any) -> Callable[[Script], Script]:
    """A case whose script's docstring is the page."""
    return FAMILY.case(slug, requirements=requirements, expect=expect, **{"needs": INVITES, **fields})


def refuse(slug: str, fault: Fault, code: str, *requirements: str, **fields: Any) -> Callable[[Script], Script]:
    """A case whose last call is refused."""
    return case(slug, *requirements, expect=Refuses(code, permitted=True), **{"fault": fault, "twin": JOINED, **fields})


async def as_another(session: Session) -> Initiator:
    """A connection of the suite's under a new key."""
    session.key = Key(session.entropy.take(32))
    return await connected(session)


async def join(side: Initiator, registry: Registry, invite: Signed | None) -> None:
    """JOIN for the suite's own key."""
    await side.answered(side.call(JOIN, registry.asks(side.session.key.public, invite)))


async def fails(side: Initiator, procedure: int, arguments: dict[int, Item]) -> None:
    """One call with the case's fault."""
    side.commits(side.session.fault)
    await side.answered(side.call(procedure, arguments))
    await side.probe()


def certificate(session: Session, account: Key, **changes: Item) -> Signed:
    """An account's word for the suite's node."""
    now = int(session.environment.clock())
    terms: dict[int, Item] = {0: account.public, 1: session.key.public, 2: BOTH, 3: 0, 4: now, 5: now + DAY}
    return account.signed(signing.CERTIFICATE, terms | {int(key[1:]): value for key, value in changes.items()})


def memberships(record: Record) -> Iterator[tuple[Call, dict[int, Any]]]:
    """Each JOIN that gave something, with the body of the membership."""
    for link in record.links:
        for call in calls(link, "suite"):
            if call.procedure == JOINS and call.gave:
                yield call, terms_of(call.result.get(1), "membership-body") if call.result else {}
