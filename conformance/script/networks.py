"""Networks of the suite's own: it is their root and their authority, and makes whom it likes a member."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance import dcbor, framing, signing
from conformance.data import error_code
from conformance.dcbor import Item
from conformance.members import Signed
from conformance.offer import Quote
from conformance.signing import Key
from conformance.wire.link import OverdueError

from .initiator import CHAT, Initiator
from .responder import Responder
from .serving import Serving
from .session import Session
from .side import Frame, UnreadableError, readable
from .target import Target

CALLS = 2
PROVE, SHOW, JOIN, REVOKE = 1, 2, 3, 4
PRIVATE = 2
BOTH, CONSUMER, PROVIDER, NOTHING = 3, 1, 2, 0
_DAY = 86_400
_OFFER_WITHIN = 6.0
"""Seconds in which MODELS follows SHOW."""


class Network:
    """One network: a root, an authority, and what they sign."""

    def __init__(self, session: Session, **terms: Item) -> None:
        self.session = session
        self.root, self.authority = (Key(session.entropy.take(32)) for _ in range(2))
        self.id = signing.rooted(self.root.public)
        self.serial = session.entropy.take(16)
        self.descriptor = self.describe(**terms)

    @property
    def now(self) -> int:
        """Seconds since 1970."""
        return int(self.session.environment.clock())

    def describe(self, **changes: Item) -> Signed:
        """A descriptor; ``changes`` are k0 to k11 by their keys."""
        terms: dict[int, Item] = {
            0: self.root.public,
            1: "suite",
            2: PRIVATE,
            3: 2,
            4: 1,
            5: self.authority.public,
            6: None,
            7: 1,
            8: 0,
            9: None,
            10: 1,
            11: self.now + 30 * _DAY,
        }
        return self.root.signed(signing.DESCRIPTOR, terms | _keys(changes))

    def membership(self, member: bytes, *, roles: int = BOTH, by: Key | None = None, **changes: Item) -> Signed:
        """A membership; ``changes`` are k0 to k7 by their keys."""
        terms: dict[int, Item] = {
            0: self.id,
            1: member,
            2: self.serial,
            3: roles,
            4: 0,
            5: 0,
            6: self.now,
            7: self.now + _DAY,
        }
        return (by or self.authority).signed(signing.MEMBERSHIP, terms | _keys(changes))

    def roll(self, number: int, revoked: Mapping[bytes, int]) -> Signed:
        """A roll."""
        listed = [[key, revoked[key]] for key in sorted(revoked)]
        return self.authority.signed(signing.ROLL, {0: self.id, 1: number, 2: self.now, 3: listed})

    async def admit(self, target: Target, *, roles: int = BOTH, roll: Signed | None = None, **changes: Item) -> None:
        """Make the target a member."""
        await self.session.call(
            "join",
            descriptor=_hexed(self.descriptor),
            membership=_hexed(self.membership(target.node, roles=roles, **changes)),
            roll=None if roll is None else _hexed(roll),
        )

    # As initiator

    async def prove(self, side: Initiator) -> Frame:
        """PROVE."""
        return await side.answered(side.call(PROVE, {0: self.blind(side)}))

    def blind(self, side: Initiator | Responder, caller: bytes | None = None) -> bytes:
        """What names this network on a connection."""
        assert side.link.binding is not None  # connected
        return signing.blind(self.id, side.link.binding, caller or self.session.key.public)

    def shown(self, membership: Signed, **more: Item) -> dict[int, Item]:
        """The arguments of SHOW."""
        return {0: self.id, 1: membership, 3: None, **_keys(more)}

    async def enter(self, side: Initiator, *, roles: int = BOTH, **more: Item) -> None:
        """PROVE and SHOW; the target knows the suite as a member."""
        await self.prove(side)
        await side.answered(side.call(SHOW, self.shown(self.membership(side.session.key.public, roles=roles), **more)))

    async def offer(self, side: Initiator) -> Quote:
        """The first quote of this network. Raises `UntestableError` where none comes."""
        found = await self.offered(side)
        if found is None:
            raise side.session.untestable(
                "no quote of the network came", "let the target offer its model in every network that it provides in"
            )
        return found

    async def offered(self, side: Initiator) -> Quote | None:
        """The first quote of this network; None where none comes."""
        try:
            while True:
                found = [each for each in side.quotes if each.network == self.id]
                if found:
                    return found[0]
                models = await side.expect(3, framing.MODELS, _OFFER_WITHIN)
                side.quotes = [Quote.read(body) for body, _ in models[0]]
        except OverdueError:
            return None


class Attending:
    """The suite as responder: it answers what the target calls, stream by stream."""

    def __init__(self, side: Responder, network: Network, *, proof: dict[int, Item] | None) -> None:
        self.side = side
        self.network = network
        self.proof = proof
        """What it answers to PROVE; None to refuse with NOT_MEMBER."""
        self.says: dict[int, Item | tuple[str, int, int]] = {}
        """What it answers to other procedures: a result, or a code with its limit and actual."""

    async def until(self, procedure: int, within: float = 5.0) -> None:
        """Answer calls, up to one of ``procedure``. Raises `OverdueError`."""
        while await self.next(within) != procedure:
            pass

    async def next(self, within: float = 5.0) -> int:
        """Answer the next call; its procedure. Raises `UnreadableError` where it is none."""
        stream = self.side.next_request
        frame = await self.side.first(stream, "a call of the target", within)
        if frame.kind != framing.CALL:
            raise UnreadableError("CALL was expected")
        await self.side.frame(stream, "CALL")
        self.side.next_request += 4
        procedure, arguments = frame.value[0], readable(frame.value[1])
        self.answer(stream, procedure, arguments if isinstance(arguments, dict) else {})
        return int(procedure)

    def answer(self, stream: int, procedure: int, arguments: dict[int, Any]) -> None:
        """RESULT or ERROR."""
        mine = arguments.get(0) == self.network.blind(self.side, self.side.consumer)
        if procedure == PROVE and mine and self.proof is not None:
            self.give(stream, self.proof)
        elif procedure == SHOW and arguments.get(0) == self.network.id:
            self.give(stream, {})
        elif procedure in self.says:
            said = self.says[procedure]
            if isinstance(said, tuple):
                numbers = {2: said[1], 3: said[2]} if said[2] else {}
                body = {0: error_code(said[0]), **numbers}
                self.side.link.write(stream, framing.frame(framing.ERROR, body), fin=True)
            else:
                self.give(stream, said)
        else:
            self.refuse(stream, error_code("NOT_MEMBER" if procedure == PROVE else "UNSUPPORTED"))

    def give(self, stream: int, result: Item) -> None:
        """RESULT."""
        self.side.link.write(stream, framing.frame(framing.RESULT, {0: dcbor.encode(result)}), fin=True)

    def refuse(self, stream: int, code: int) -> None:
        """ERROR."""
        self.side.link.write(stream, framing.frame(framing.ERROR, {0: code}), fin=True)

    async def request(self, within: float = 5.0) -> Serving:
        """The next request, behind calls that are answered. Raises `OverdueError`."""
        while True:
            frame = await self.side.first(self.side.next_request, "a request of the target", within)
            if frame.kind != framing.CALL:
                return await Serving.next(self.side, within)
            await self.next(within)


def proof_of(network: Network, *, roles: int = BOTH, **changes: Item) -> dict[int, Item]:
    """What the suite answers to PROVE as a member; ``changes`` are those of its membership."""
    membership = network.membership(network.session.key.public, roles=roles, **changes)
    return {0: network.descriptor, 1: membership, 3: None}


async def connected(session: Session) -> Initiator:
    """A connection on which calls are agreed. Raises `UntestableError` where the target takes none."""
    side = await Initiator.connected(session, capabilities=(CHAT, CALLS))
    if CALLS not in side.capabilities:
        raise session.not_applicable("the target does not declare the capability CALLS")
    return side


async def dialed(session: Session, target: Target, *, pinned: bool = True, calls: bool = True) -> Responder:
    """A connection that the target dialed, on which nothing is offered yet."""
    side = await Responder.dialed(session, target, pinned=pinned)
    side.greet(capabilities=(CHAT, CALLS) if calls else (CHAT,))
    await side.hear_hello()
    side.offer()
    return side


def _keys(changes: Mapping[str, Item]) -> dict[int, Item]:
    return {int(key.removeprefix("k")): value for key, value in changes.items()}


def _hexed(signed: Signed) -> str:
    return dcbor.encode(signed).hex()
