"""JOIN: who comes in, by what, and how often."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from conformance import dcbor, signing
from conformance.data import error_code
from conformance.dcbor import Item
from conformance.judge.called import JOIN as JOINS
from conformance.judge.called import Gives, calls, clock
from conformance.judge.expect import All, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.observers.observer import broken
from conformance.judge.record import Record
from conformance.judge.series import LivesOn
from conformance.members import Signed
from conformance.script.faults import Fault
from conformance.script.networks import BOTH, CONSUMER, JOIN, connected
from conformance.script.session import Session
from conformance.script.side import readable
from conformance.signing import Key
from conformance.vectors.networks import Networks

from .common import (
    DAY,
    INVITES,
    JOINED,
    MAKES,
    QUOTA,
    Registry,
    as_another,
    case,
    certificate,
    fails,
    join,
    memberships,
    refuse,
)

# What JOIN gives


def _makes_members(roles: int, quota: int, requirement: str) -> Shows:
    """What JOIN gives makes the caller's member one, with the roles and the quota of the invite."""

    def predicate(record: Record) -> Iterator[Finding]:
        for call, terms in memberships(record):
            assert call.answer is not None  # it gave something
            if not call.result or not call.arguments:
                yield broken("the result of JOIN has not its shape", requirement, call.answer.event)
                continue
            descriptor, membership, roll = (call.result.get(key) for key in range(3))
            found = Networks().membership(
                {
                    "network": call.arguments[0].hex(),
                    "node": call.arguments[2].hex(),
                    "now": int(clock(record, call.answer.event)),
                    "descriptor": _hexed(descriptor),
                    "roll": _hexed(roll),
                    "membership": _hexed(membership),
                    "node_certificate": None,
                    "role": 0,
                }
            )
            if found["verdict"] != "accept":
                yield broken("JOIN gives a membership that makes nobody a member", requirement, call.answer.event)
            elif (terms[3], terms[4]) != (roles, quota):
                message = "the membership has not the roles and the quota of its invite"
                yield broken(message, requirement, call.answer.event)

    return Shows("JOIN makes its caller a member, as it was invited", predicate)


def _hexed(signed: Any) -> str | None:
    return None if signed is None else dcbor.encode(signed).hex()


@case(JOINED, "NET-053~1", tier="smoke", expect=All((LivesOn(), Gives(), _makes_members(CONSUMER, QUOTA,
       "NET-053~1"))))  # fmt: skip
async def join_by_an_invite(session: Session) -> None:
    """The authority's owner makes an invite, and the suite comes with it."""
    registry = await Registry.create(session)
    invite = await registry.invite(quota=QUOTA)
    side = await connected(session)
    await join(side, registry, invite)
    await side.probe()


# Uses


@refuse("refuse-an-invite-that-is-used-up", Fault.INVITE_USED_UP, "INVITE_SPENT", "NET-053~1")
async def refuse_used_up(session: Session) -> None:
    """An invite for one. A second key comes with it."""
    registry = await Registry.create(session)
    invite = await registry.invite()
    await join(await connected(session), registry, invite)
    side = await as_another(session)
    await fails(side, JOIN, registry.asks(session.key.public, invite))


@refuse("refuse-a-use-of-before-the-crash", Fault.INVITE_USED_BEFORE_THE_CRASH, "INVITE_SPENT", "NET-053~1",
         needs=INVITES | {"restart", "restart.kill"})  # fmt: skip
async def refuse_used_before_crash(session: Session) -> None:
    """The authority is killed as soon as JOIN is answered: the use was counted before."""
    registry = await Registry.create(session)
    invite = await registry.invite()
    await join(await connected(session), registry, invite)
    await registry.target.restart(kill=True)
    side = await as_another(session)
    await fails(side, JOIN, registry.asks(session.key.public, invite))


def _counts(uses: int) -> Shows:
    """So many keys come in by one invite, and the others are refused with INVITE_SPENT."""

    def predicate(record: Record) -> Iterator[Finding]:
        made = [each for link in record.links for each in calls(link, "suite") if each.procedure == JOINS]
        gave = sum(each.gave for each in made)
        if gave != uses:
            yield broken(f"an invite for {uses} made {gave} of {len(made)} keys members", "NET-053~1")
        for each in made:
            spent = error_code("INVITE_SPENT")
            if each.answer is None or (not each.gave and each.answer.get(0) != spent):
                yield broken("who came too late is not told that the invite is spent", "NET-053~1", each.frame.event)

    return Shows(f"{uses} of those who come at once are let in", predicate)


@case("count-uses-of-many-at-once", "NET-053~1", expect=All((_counts(2), LivesOn())), twin=JOINED)
async def count_at_once(session: Session) -> None:
    """An invite for two, with which eight keys come at the same moment, each on a connection of its own."""
    registry = await Registry.create(session)
    invite = await registry.invite(uses=2)
    sides = []
    for _ in range(8):
        side = await as_another(session)
        sides.append((side, registry.asks(session.key.public, invite)))
    streams = [(side, side.call(JOIN, asked)) for side, asked in sides]
    for side, stream in streams:
        await side.answered(stream)
    await sides[-1][0].probe()


@case("let-a-member-ask-again", "NET-054~1", expect=All((LivesOn(), Gives())), twin=JOINED)
async def let_ask_again(session: Session) -> None:
    """An invite for two. One key asks three times, as one whose answer was lost would; then another comes in."""
    registry = await Registry.create(session)
    invite = await registry.invite(uses=2)
    side = await connected(session)
    for _ in range(3):
        await join(side, registry, invite)
    side = await as_another(session)
    await join(side, registry, invite)
    await side.probe()


@refuse("refuse-an-invite-that-was-withdrawn", Fault.INVITE_WITHDRAWN, "INVITE_SPENT", "NET-062~1",
         needs=INVITES | {"withdraw-invite"})  # fmt: skip
async def refuse_withdrawn(session: Session) -> None:
    """The owner has withdrawn an invite that nobody had used."""
    registry = await Registry.create(session)
    invite = await registry.invite(uses=9)
    await registry.tell("withdraw-invite", invite=registry.text)
    side = await connected(session)
    await fails(side, JOIN, registry.asks(session.key.public, invite))


@refuse("refuse-an-expired-invite", Fault.INVITE_EXPIRED, "INVITE_SPENT", "NET-041~1", needs=INVITES | {"clock"})
async def refuse_expired(session: Session) -> None:
    """An invite for an hour, two hours later."""
    registry = await Registry.create(session)
    invite = await registry.invite(seconds=3600)
    await session.call("clock", seconds=7200)
    side = await connected(session)
    await fails(side, JOIN, registry.asks(session.key.public, invite))


Edits = Callable[[Session, Signed], Signed]


def _again(session: Session, invite: Signed, key: Key | None = None, **changes: Item) -> Signed:
    """The terms of an invite, changed, under a signature of ``key`` or the one that it had."""
    terms = readable(invite[0]) | {int(name[1:]): value for name, value in changes.items()}
    signed = (key or session.key).signed(signing.INVITE, terms)
    return signed if key is not None else [signed[0], invite[1]]


def _forged(slug: str, fault: Fault, page: str, edit: Edits) -> None:
    async def script(session: Session) -> None:
        registry = await Registry.create(session)
        invite = edit(session, await registry.invite())
        side = await connected(session)
        await fails(side, JOIN, registry.asks(session.key.public, invite))

    script.__doc__ = page
    refuse(f"refuse-an-invite-{slug}", fault, "INVITE_SPENT", "NET-041~1")(script)


_forged(
    "of-nobody",
    Fault.INVITE_FORGED,
    "An invite in the authority's name, which the suite has signed itself.",
    lambda session, invite: _again(session, invite, session.key),
)
_forged(
    "for-more",
    Fault.INVITE_RAISED,
    "A good invite whose number of uses was raised after it was signed.",
    lambda session, invite: _again(session, invite, k2=65_536),
)
_forged(
    "with-another-role",
    Fault.INVITE_PROMOTED,
    "A good invite for consumers, changed to one for providers.",
    lambda session, invite: _again(session, invite, k3=BOTH),
)
_forged(
    "of-another-network",
    Fault.INVITE_FOREIGN,
    "An invite of another network.",
    lambda session, invite: _again(session, invite, session.key, k0=bytes(32)),
)

# Without an invite


@case("join-where-the-owner-named-the-key", "NET-056~1", "NET-055~1", expect=All((LivesOn(), Gives())),
       needs=MAKES | {"admit"})  # fmt: skip
async def join_named(session: Session) -> None:
    """The authority's owner has named the suite's key: it comes without an invite."""
    registry = await Registry.create(session, admission="AUTHORITY")
    await registry.tell("admit", member=session.key.public.hex(), roles=CONSUMER, quota=0)
    side = await connected(session)
    await join(side, registry, None)
    await side.probe()


@case("join-an-open-network", "NET-056~1", expect=All((LivesOn(), Gives())), needs=MAKES)
async def join_open(session: Session) -> None:
    """A public network: every key that asks is a member."""
    registry = await Registry.create(session, admission="OPEN")
    side = await connected(session)
    await join(side, registry, None)
    await side.probe()


@refuse("refuse-a-key-that-nobody-named", Fault.JOIN_UNNAMED, "NOT_MEMBER", "NET-056~1",
         twin="join-where-the-owner-named-the-key", needs=MAKES | {"admit"})  # fmt: skip
async def refuse_unnamed(session: Session) -> None:
    """The owner has named another key."""
    registry = await Registry.create(session, admission="AUTHORITY")
    await registry.tell("admit", member=Key(session.entropy.take(32)).public.hex(), roles=CONSUMER, quota=0)
    side = await connected(session)
    await fails(side, JOIN, registry.asks(session.key.public, None))


@refuse("refuse-to-make-another-key-a-member", Fault.JOIN_FOR_ANOTHER, "NOT_MEMBER", "NET-055~1")
async def refuse_for_another(session: Session) -> None:
    """JOIN for a key that is not the caller's, with a good invite."""
    registry = await Registry.create(session)
    invite = await registry.invite()
    side = await connected(session)
    await fails(side, JOIN, registry.asks(Key(session.entropy.take(32)).public, invite))


@case("join-for-an-account", "NET-055~1", expect=All((LivesOn(), Gives())))
async def join_for_an_account(session: Session) -> None:
    """The member is an account, whose certificate says that the caller acts for it."""
    registry = await Registry.create(session)
    invite = await registry.invite()
    account = Key(session.entropy.take(32))
    side = await connected(session)
    await side.answered(side.call(JOIN, registry.asks(account.public, invite, certificate(session, account))))
    await side.probe()


@refuse("refuse-an-account-that-did-not-sign", Fault.JOIN_ACCOUNT_FORGED, "NOT_MEMBER", "NET-055~1",
         twin="join-for-an-account")  # fmt: skip
async def refuse_forged_account(session: Session) -> None:
    """A certificate in the name of an account, signed by the node itself: it would spend what is another's."""
    registry = await Registry.create(session)
    invite = await registry.invite()
    account = Key(session.entropy.take(32))
    side = await connected(session)
    forged = certificate(session, session.key, k0=account.public)
    await fails(side, JOIN, registry.asks(account.public, invite, forged))


# Renewal


def _keeps_its_serial(record: Record) -> Iterator[Finding]:
    """NET-057: one serial, whose quota is granted once."""
    found = [(call, terms[2]) for call, terms in memberships(record) if terms]
    if len(found) < 2:
        yield Finding(verdict=Verdict.INCONCLUSIVE, message="there were no two memberships")
    for call, serial in found[1:]:
        if serial != found[0][1]:
            message = "a renewed membership has another serial, for which its quota would be granted again"
            yield broken(message, "NET-057~1", call.answer.event if call.answer else -1)


@case("keep-the-serial-of-a-membership", "NET-057~1", expect=All((Shows("the serial stays", _keeps_its_serial),
       LivesOn(), Gives())), needs=INVITES | {"clock"})  # fmt: skip
async def keep_the_serial(session: Session) -> None:
    """A member renews its membership, twice, and days later: the quota stands for one serial, and is granted once."""
    registry = await Registry.create(session)
    invite = await registry.invite(quota=QUOTA)
    side = await connected(session)
    await join(side, registry, invite)
    await join(side, registry, None)
    await session.call("clock", seconds=3 * DAY)
    side = await connected(session)
    await join(side, registry, None)
    await side.probe()


@refuse("refuse-to-renew-a-revoked-membership", Fault.JOIN_REVOKED, "NOT_MEMBER", "NET-058~1",
         needs=INVITES | {"revoke"})  # fmt: skip
async def refuse_revoked(session: Session) -> None:
    """The owner has put the member out, and it asks for a new membership."""
    registry = await Registry.create(session)
    invite = await registry.invite()
    side = await connected(session)
    await join(side, registry, invite)
    await registry.tell("revoke", member=session.key.public.hex())
    await fails(side, JOIN, registry.asks(session.key.public, None))
