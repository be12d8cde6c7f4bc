"""The suite as responder: what an honest one does, step by step, with a place for a fault in each."""

from __future__ import annotations

from typing import Any

from conformance import dcbor, framing, shapes, signing
from conformance.dcbor import Item
from conformance.wire.link import DEADLINE, Link, Listening, Manner

from .session import Session
from .side import Side, UnreadableError, readable
from .target import MODEL, Target

_LIFETIME = 3600


class Responder(Side):
    """One connection that the target dialed."""

    own_control = 3
    own_streams = 1

    def __init__(self, session: Session, link: Link) -> None:
        super().__init__(session, link)
        self.consumer = b""
        """The target's node key, from its HELLO."""
        self.offered: list[list[bytes]] = []
        """The quotes of the newest MODELS: bodies and signatures."""
        self.next_request = 0
        """The request stream that the target opens next."""

    @classmethod
    async def dialed(
        cls, session: Session, target: Target, *, pinned: bool = True, manner: Manner = Manner.PLAIN
    ) -> Responder:
        """Let the target dial, and stop there."""
        listening = await session.listen(manner)
        await target.dial(listening.address, session.key.public if pinned else None)
        return await cls.accepted(session, listening)

    @classmethod
    async def accepted(cls, session: Session, listening: Listening, within: float = DEADLINE) -> Responder:
        """The next connection of the target's."""
        return cls(session, await session.accept(listening, within))

    @classmethod
    async def connected(cls, session: Session, target: Target, *, pinned: bool = True, **quote: Any) -> Responder:
        """Let the target dial, and greet it; it has been offered one model."""
        side = await cls.dialed(session, target, pinned=pinned)
        await side.welcome(**quote)
        return side

    async def welcome(self, **quote: Any) -> None:
        """Greet, hear the target's HELLO, and offer one model."""
        self.greet()
        await self.hear_hello()
        self.offer(self.quote(**quote))

    # Control streams

    def hello(self, *, capabilities: tuple[int, ...] = (1,)) -> dict[int, Item]:
        """The body of an honest HELLO; a reserved capability is among the others now and then."""
        offered = {*capabilities, *([self.session.entropy.reserved()] if self.session.entropy.below(2) else [])}
        assert self.link.binding is not None  # accepted
        return {0: 1, 1: self.session.key.public, 2: self.link.binding, 3: 1, 4: 1, 5: sorted(offered)}

    def greet(self, **hello: Any) -> None:
        """Send HELLO without being asked."""
        self.say_hello(self.session.key.signed(signing.HELLO, self.hello(**hello)))

    async def hear_hello(self, within: float = DEADLINE) -> None:
        """Read the initiator's HELLO."""
        frame = await self.frame(2, "HELLO", within)
        if frame.kind != framing.HELLO or not shapes.is_signed(frame.value):
            raise UnreadableError("the first frame is no HELLO")
        body = readable(frame.value[0])
        if shapes.broken("hello-initiator", body) is not None:
            raise UnreadableError("HELLO has no shape")
        self.consumer = body[1]

    def quote(self, **changes: Item) -> list[bytes]:
        """A signed quote of one model; ``changes`` are k0 to k10 by their keys."""
        body: dict[int, Item] = {
            0: self.session.key.public,
            1: signing.DIRECT,
            2: MODEL,
            3: bytes(range(32)),
            4: 8192,
            5: 1,
            6: 4,
            7: 8,
            8: 1,
            9: 2,
            10: int(self.session.environment.clock()) + _LIFETIME,
        }
        return self.session.key.signed(signing.QUOTE, body | {int(key[1:]): value for key, value in changes.items()})

    def offer(self, *quotes: list[bytes]) -> None:
        """Send MODELS."""
        self.offered = list(quotes)
        reserved = {self.session.entropy.reserved(): None} if self.session.entropy.below(2) else {}
        self.control(framing.MODELS, dcbor.encode({0: self.offered, **reserved}))
