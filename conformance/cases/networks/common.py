"""What the cases of this family begin with: a network of the suite's own, of which the target is a member."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.case import Script
from conformance.cases.initiator.common import ASKS
from conformance.cases.registry import Family
from conformance.judge.expect import Expectation
from conformance.script.faults import Fault
from conformance.script.initiator import Initiator
from conformance.script.networks import BOTH, SHOW, Attending, Network, connected, dialed, proof_of
from conformance.script.responder import Responder
from conformance.script.session import Session
from conformance.script.target import Target
from conformance.signing import Key

FAMILY = Family("networks")
PROVIDES = frozenset({"start", "start.model", "join"})
CONSUMES = ASKS | {"join", "ask.network"}
SERVED, SHOWED, ASKED = "serve-a-member", "show-a-membership", "ask-a-member"


def case(slug: str, *requirements: str, expect: Expectation, **fields: Any) -> Callable[[Script], Script]:
    """A case whose script's docstring is the page: of the target as provider, where ``fields`` do not say otherwise."""
    return FAMILY.case(slug, requirements=requirements, expect=expect, **{"needs": PROVIDES, **fields})


def add(
    slug: str, *requirements: str, expect: Expectation, fault: Fault, page: str, script: Script, **fields: Any
) -> None:
    """A case with a fault."""
    FAMILY.add(
        slug,
        requirements=requirements,
        expect=expect,
        fault=fault,
        page=page,
        script=script,
        **{"needs": PROVIDES, "twin": SHOWED, **fields},
    )


async def inside(session: Session, *, roles: int = BOTH, **terms: Any) -> tuple[Target, Network, Initiator]:
    """A new node that provides in a network of the suite's, and a connection to it."""
    target = await Target.start(session, model=True)
    network = Network(session, **terms)
    await network.admit(target, roles=roles)
    return target, network, await connected(session)


async def met(
    session: Session, *, roles: int = BOTH, proof: dict[str, Any] | None = None, **terms: Any
) -> tuple[Target, Network, Responder, Attending]:
    """A new node of a network of the suite's has dialed the suite, which proves itself with ``proof``'s changes."""
    target = await Target.start(session)
    network = Network(session, **terms)
    await network.admit(target, roles=roles)
    side = await dialed(session, target)
    return target, network, side, Attending(side, network, proof=proof_of(network, **(proof or {})))


async def brings(session: Session, network: Network, revoked: bytes) -> None:
    """Another member shows itself with a roll that lists ``revoked``."""
    own, session.key = session.key, Key(session.entropy.take(32))
    try:
        side = await Initiator.connected(session, capabilities=(1, 2))
        await network.prove(side)
        shown = network.shown(network.membership(session.key.public), k3=network.roll(1, {revoked: 1}))
        await side.answered(side.call(SHOW, shown))
    finally:
        session.key = own
