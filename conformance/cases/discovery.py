"""FIND and ANNOUNCE: whose word on where a node is counts, for how long, and for whom: SPEC.md, "Discovery"."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from conformance import signing
from conformance.case import Script
from conformance.dcbor import Item
from conformance.judge.called import FIND as FINDS
from conformance.judge.called import Gives, calls, terms_of
from conformance.judge.expect import All, Expectation, Refuses, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.observers.observer import broken
from conformance.judge.record import Record
from conformance.judge.series import LivesOn
from conformance.members import Signed
from conformance.script.faults import Fault
from conformance.script.initiator import Initiator
from conformance.script.networks import Network, connected
from conformance.script.session import Session
from conformance.script.target import Target
from conformance.signing import Key

from .registry import Family

FAMILY = Family("discovery")
FIND, ANNOUNCE = 8, 9
_NEEDS = frozenset({"start", "join"})
_FOUND = "find-who-announced-itself"
_ELSEWHERE: Item = [[bytes((198, 51, 100, 7)), 4433]]
"""An address of documentation: nobody dials it, and it may be told."""
_HOUR = 3600


def _case(slug: str, *requirements: str, expect: Expectation, **fields: Any) -> Callable[[Script], Script]:
    return FAMILY.case(slug, requirements=requirements, expect=expect, **{"needs": _NEEDS, **fields})


def record(network: Network, key: Key, **changes: Item) -> Signed:
    """A node's word on where it is; ``changes`` are k0 to k5 by their keys."""
    now = network.now
    terms: dict[int, Item] = {0: key.public, 1: 1, 2: network.id, 3: _ELSEWHERE, 4: now, 5: now + _HOUR}
    return key.signed(signing.RECORD, terms | {int(name[1:]): value for name, value in changes.items()})


async def _inside(session: Session, network: Network | None = None) -> tuple[Target, Network, Initiator]:
    """A new node in a network of the suite's, and the suite as a member of it."""
    target = await Target.start(session)
    network = network or Network(session)
    await network.admit(target)
    return target, network, await _member(session, network)


async def _member(session: Session, network: Network) -> Initiator:
    """A connection under a new key, which has shown itself."""
    session.key = Key(session.entropy.take(32))
    side = await connected(session)
    await network.enter(side)
    return side


async def _announce(side: Initiator, signed: Signed) -> None:
    await side.answered(side.call(ANNOUNCE, {0: signed}))


async def _find(side: Initiator, network: Network, most: int = 64) -> None:
    await side.answered(side.call(FIND, {0: network.blind(side), 1: most}))


def _found(record_: Record) -> list[list[dict[int, Any]]]:
    """The bodies of the records that each FIND gave."""
    made = [each for link in record_.links for each in calls(link, "suite") if each.procedure == FINDS and each.gave]
    ordered = sorted(made, key=lambda each: each.frame.event)
    return [[terms_of(signed, "record-body") for signed in each.result.get(0, ())] for each in ordered]


def _finds(requirement: str, judge: Callable[[list[dict[int, Any]], Record], str | None]) -> Shows:
    """What the last FIND gave, less the target's own record."""

    def predicate(record_: Record) -> Iterator[Finding]:
        found = _found(record_)
        if not found:
            yield Finding(verdict=Verdict.INCONCLUSIVE, message="nothing was looked for")
            return
        keys = {link.target_key for link in record_.links}
        others = [terms for terms in found[-1] if terms.get(0) not in keys]
        if (problem := judge(others, record_)) is not None:
            yield broken(problem, requirement)

    return Shows("FIND gives what it has to, and nothing else", predicate)


def _sequence(number: int) -> Callable[[list[dict[int, Any]], Record], str | None]:
    def judge(found: list[dict[int, Any]], _: Record) -> str | None:
        told = [terms.get(1) for terms in found]
        return None if told == [number] else f"the records told have the sequences {told}, and it had to be {number}"

    return judge


def _nobody(found: list[dict[int, Any]], _: Record) -> str | None:
    return "a record is told that must not be" if found else None


@_case(_FOUND, "DSC-009~1", "DSC-016~1", expect=All((LivesOn(), Gives(), _finds("DSC-009~1", _sequence(1)))))
async def find_announced(session: Session) -> None:
    """A member announces its own record, and another member is told it."""
    _, network, side = await _inside(session)
    await _announce(side, record(network, session.key))
    side = await _member(session, network)
    await _find(side, network)
    await side.probe()


# Records


Makes = Callable[[Network, Key], Signed]


def _refuse(slug: str, fault: Fault, code: str, requirement: str, *, page: str, makes: Makes) -> None:
    """A record that is wrong in one way."""

    async def script(session: Session) -> None:
        _, network, side = await _inside(session)
        side.commits(session.fault)
        await _announce(side, makes(network, session.key))
        await side.probe()

    script.__doc__ = page
    expected = Refuses(code, permitted=True)
    _case(f"refuse-a-record-{slug}", requirement, expect=expected, fault=fault, twin=_FOUND)(script)


def _other(network: Network) -> Key:
    return Key(network.session.entropy.take(32))


for _slug, _fault, _code, _requirement, _page, _makes in (
    ("of-another-node", Fault.RECORD_OF_ANOTHER, "NOT_ALLOWED", "DSC-016~1",
     "A good record of another node, which did not bring it itself: who passes on rumours is not believed.",
     lambda network, _: record(network, _other(network))),
    ("in-another-s-name", Fault.RECORD_FORGED, "MALFORMED", "DSC-002~1",
     "A record in another node's name, signed by the caller.",
     lambda network, key: record(network, key, k0=_other(network).public)),
    ("without-signature", Fault.RECORD_UNSIGNED, "MALFORMED", "DSC-002~1",
     "64 zeros for a signature.", lambda network, key: [record(network, key)[0], bytes(64)]),
    ("that-has-expired", Fault.RECORD_EXPIRED, "MALFORMED", "DSC-003~1",
     "A record that ended an hour ago.",
     lambda network, key: record(network, key, k4=network.now - 7200, k5=network.now - 3600)),
    ("of-the-future", Fault.RECORD_FUTURE, "MALFORMED", "DSC-003~1",
     "A record that will be issued in an hour.",
     lambda network, key: record(network, key, k4=network.now + 3600, k5=network.now + 7200)),
    ("for-ever", Fault.RECORD_FOR_EVER, "MALFORMED", "DSC-003~1",
     "A record of a week: a node that has left would be told for so long.",
     lambda network, key: record(network, key, k5=network.now + 7 * 86_400)),
    ("with-five-addresses", Fault.RECORD_MANY_ADDRESSES, "MALFORMED", "DSC-001~1",
     "Five addresses, where four may be.",
     lambda network, key: record(network, key, k3=[[bytes((198, 51, 100, each)), 4433] for each in range(5)])),
    ("with-a-name-for-an-address", Fault.RECORD_NAME, "MALFORMED", "DSC-001~1",
     "A host name where an address has to be: a name leads wherever its owner likes.",
     lambda network, key: record(network, key, k3=[["metadata.internal", 80]])),
):  # fmt: skip
    _refuse(_slug, _fault, _code, _requirement, page=_page, makes=_makes)


@_case("refuse-a-record-of-two-bodies", "DSC-004~1", expect=Refuses("MALFORMED"), fault=Fault.RECORD_TWO_BODIES,
       twin=_FOUND)  # fmt: skip
async def refuse_two_bodies(session: Session) -> None:
    """A second record with the sequence of the first, which leads elsewhere."""
    _, network, side = await _inside(session)
    await _announce(side, record(network, session.key))
    side.commits(session.fault)
    await _announce(side, record(network, session.key, k3=[]))
    await side.probe()


@_case("keep-the-newest-record", "DSC-004~1", expect=All((LivesOn(), _finds("DSC-004~1", _sequence(5)))))
async def keep_newest(session: Session) -> None:
    """A record with the sequence 5, and then an older one, as somebody who recorded it would bring it."""
    _, network, side = await _inside(session)
    await _announce(side, record(network, session.key, k1=5))
    await _announce(side, record(network, session.key, k1=3, k3=[[bytes((198, 51, 100, 9)), 4433]]))
    side = await _member(session, network)
    await _find(side, network)
    await side.probe()


def _nowhere(found: list[dict[int, Any]], _: Record) -> str | None:
    return "a record of a node that has left is told" if any(terms.get(3) for terms in found) else None


@_case("forget-who-has-left", "DSC-010~1", expect=All((LivesOn(), Gives(), _finds("DSC-010~1", _nowhere))))
async def forget_left(session: Session) -> None:
    """A node announces itself, and then that it has no address any more: where it was is told to nobody."""
    _, network, side = await _inside(session)
    await _announce(side, record(network, session.key))
    await _announce(side, record(network, session.key, k1=2, k3=[]))
    side = await _member(session, network)
    await _find(side, network)
    await side.probe()


@_case("forget-what-has-expired", "DSC-018~1", "DSC-010~1", expect=All((LivesOn(), Gives(), _finds("DSC-018~1",
       _nobody))), needs=_NEEDS | {"clock"})  # fmt: skip
async def forget_expired(session: Session) -> None:
    """A record of an hour, two hours later: a node that went without a word is not told for ever."""
    _, network, side = await _inside(session)
    await _announce(side, record(network, session.key))
    await session.call("clock", seconds=2 * _HOUR)
    side = await _member(session, network)
    await _find(side, network)
    await side.probe()


def _most(count: int) -> Shows:
    def predicate(record_: Record) -> Iterator[Finding]:
        found = _found(record_)
        if not found or not found[-1]:
            yield Finding(verdict=Verdict.INCONCLUSIVE, message="nothing was found")
        elif len(found[-1]) > count:
            yield broken(f"{len(found[-1])} records are given, and {count} were wanted", "DSC-018~1")

    return Shows(f"no more than {count} records are given", predicate)


@_case("give-no-more-than-is-wanted", "DSC-018~1", expect=All((LivesOn(), Gives(), _most(1))))
async def give_most(session: Session) -> None:
    """Three members have announced themselves, and one record is wanted."""
    _, network, side = await _inside(session)
    await _announce(side, record(network, session.key))
    for _ in range(2):
        side = await _member(session, network)
        await _announce(side, record(network, session.key))
    side = await _member(session, network)
    await _find(side, network, most=1)
    await side.probe()


# Networks


async def _stranger(session: Session, procedure: int) -> None:
    """A key that has shown nothing."""
    _, network, _ = await _inside(session)
    session.key = Key(session.entropy.take(32))
    side = await connected(session)
    await network.prove(side)
    arguments = {FIND: {0: network.blind(side), 1: 64}, ANNOUNCE: {0: record(network, session.key)}}[procedure]
    side.commits(session.fault)
    await side.answered(side.call(procedure, arguments))
    await side.probe()


@_case("refuse-to-tell-a-stranger", "DSC-017~1", "DSC-014~1", expect=Refuses("NOT_MEMBER"), fault=Fault.FIND_UNSHOWN,
       twin=_FOUND)  # fmt: skip
async def refuse_find(session: Session) -> None:
    """FIND in the network, by a peer that knows it and has not shown itself there."""
    await _stranger(session, FIND)


@_case("refuse-the-record-of-a-stranger", "DSC-017~1", expect=Refuses("NOT_MEMBER"), fault=Fault.ANNOUNCE_UNSHOWN,
       twin=_FOUND)  # fmt: skip
async def refuse_announce(session: Session) -> None:
    """ANNOUNCE in the network, by a peer that has not shown itself there."""
    await _stranger(session, ANNOUNCE)


@_case("refuse-to-look-in-an-unknown-network", "DSC-017~1", expect=Refuses("NOT_MEMBER"), fault=Fault.FIND_UNKNOWN,
       twin=_FOUND)  # fmt: skip
async def refuse_unknown(session: Session) -> None:
    """FIND with a blind that names nothing."""
    _, _, side = await _inside(session)
    side.commits(session.fault)
    await side.answered(side.call(FIND, {0: session.entropy.take(32), 1: 64}))
    await side.probe()


@_case("keep-networks-apart", "DSC-014~1", expect=All((LivesOn(), Gives(), _finds("DSC-014~1", _nobody))))
async def keep_apart(session: Session) -> None:
    """The target is in two networks. Somebody announces itself in one, and somebody else asks in the other."""
    target, one, side = await _inside(session)
    other = Network(session)
    await other.admit(target)
    await _announce(side, record(one, session.key))
    side = await _member(session, other)
    await _find(side, other)
    await side.probe()


# Dialing


def _dials_nobody(record_: Record) -> Iterator[Finding]:
    for link in record_.links:
        if not link.initiates:
            yield broken("the target dials an address of its own machine, because a peer said so", "DSC-005~1")


@_case("dial-nobody-at-home", "DSC-005~1", expect=All((Shows("nothing is dialed", _dials_nobody), LivesOn())),
       seconds=4, tier="full")  # fmt: skip
async def dial_nobody_at_home(session: Session) -> None:
    """A member's record leads to the target's own machine, where the suite listens: who said so is not believed."""
    _, network, side = await _inside(session)
    listening = await session.listen()
    host, _, port = listening.address.rpartition(":")
    where: Item = [[bytes(map(int, host.split("."))), int(port)]]
    await _announce(side, record(network, session.key, k3=where))
    side = await _member(session, network)
    await side.rest(within=4)
    await side.probe()
