"""The roll: whom an authority lists, and who may ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from conformance import signing
from conformance.judge.called import JOIN as JOINS
from conformance.judge.called import Call, Gives, calls, terms_of
from conformance.judge.expect import All, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.observers.observer import broken
from conformance.judge.record import Record
from conformance.judge.series import LivesOn
from conformance.members import Signed
from conformance.script.faults import Fault
from conformance.script.initiator import Initiator
from conformance.script.networks import JOIN, REVOKE, connected
from conformance.script.session import Session
from conformance.signing import Key

from .common import INVITES, Registry, as_another, case, certificate, fails, join, refuse

# The roll

_LISTS = "list-whom-the-owner-puts-out"


def _rolls(record: Record) -> list[tuple[Call, dict[int, Any]]]:
    """The roll that each JOIN gave; empty where it gave none."""
    made = (call for link in record.links for call in calls(link, "suite"))
    return [(call, terms_of(call.result[2], "roll-body")) for call in made if call.procedure == JOINS and call.result]


def _lists(requirement: str, keys: int) -> Shows:
    """Numbers rise, and the last roll lists so many keys."""

    def predicate(record: Record) -> Iterator[Finding]:
        rolls = _rolls(record)
        if len(rolls) < 2:
            yield Finding(verdict=Verdict.INCONCLUSIVE, message="there were no two rolls")
            return
        numbers = [terms.get(1, 0) for _, terms in rolls]
        event = rolls[-1][0].frame.event
        listed = len(rolls[-1][1].get(3, ()))
        if listed != keys:
            yield broken(f"the last roll lists {listed} keys, and had to list {keys}", requirement, event)
        for (_, before), (_, after) in pairwise(rolls):
            if before != after and after.get(1, 0) <= before.get(1, 0):
                yield broken(f"the numbers of rolls are {numbers}, and have to rise", "NET-061~1", event)

    return Shows("a new roll lists the key", predicate)


@case(_LISTS, "NET-061~1", "NET-058~1", expect=All((_lists("NET-058~1", 2), LivesOn(), Gives())),
       needs=INVITES | {"revoke"})  # fmt: skip
async def list_whom_the_owner_puts_out(session: Session) -> None:
    """Three members; the owner puts one out, and then another: each time the third is given a newer roll."""
    registry = await Registry.create(session)
    invite = await registry.invite(uses=3)
    keys = []
    for _ in range(2):
        await join(await as_another(session), registry, invite)
        keys.append(session.key.public)
    side = await as_another(session)
    await join(side, registry, invite)
    for key in keys:
        await registry.tell("revoke", member=key.hex())
        await join(side, registry, None)
    await side.probe()


async def _account(session: Session) -> tuple[Registry, Initiator, Key]:
    """An account that is a member, and a node of it."""
    registry = await Registry.create(session)
    invite = await registry.invite(uses=9)
    account = Key(session.entropy.take(32))
    side = await connected(session)
    await side.answered(side.call(JOIN, registry.asks(account.public, invite, certificate(session, account))))
    return registry, side, account


def _epoch(account: Key, epoch: int, by: Key | None = None) -> Signed:
    return (by or account).signed(signing.EPOCH, {0: account.public, 1: epoch})


@case("withdraw-an-account-s-certificates", "NET-060~1", "NET-061~1", expect=All((_lists("NET-060~1", 1), LivesOn(),
       Gives())))  # fmt: skip
async def withdraw_certificates(session: Session) -> None:
    """An account withdraws its certificates of before: the next roll says so, and its new certificate is good."""
    registry, side, account = await _account(session)
    await side.answered(side.call(REVOKE, {0: _epoch(account, 4)}))
    renewed = certificate(session, account, k3=4)
    await side.answered(side.call(JOIN, registry.asks(account.public, None, renewed)))
    await side.probe()


@refuse("refuse-to-withdraw-for-a-stranger", Fault.REVOKE_STRANGER, "NOT_MEMBER", "NET-059~1",
         twin="withdraw-an-account-s-certificates")  # fmt: skip
async def refuse_stranger(session: Session) -> None:
    """REVOKE of an account that is no member: who may fill the roll could fill it up."""
    _, side, _ = await _account(session)
    await fails(side, REVOKE, {0: _epoch(Key(session.entropy.take(32)), 1)})


@refuse("refuse-to-withdraw-for-another-account", Fault.REVOKE_FORGED, "NOT_ALLOWED", "KEY-015~1",
         twin="withdraw-an-account-s-certificates")  # fmt: skip
async def refuse_forged_epoch(session: Session) -> None:
    """The epoch of a member's account, which another key has signed: it would put the member out."""
    _, side, account = await _account(session)
    await fails(side, REVOKE, {0: _epoch(account, 9, by=session.key)})
