"""The suite as initiator and consumer: what an honest one does, step by step, with a place for a fault in each."""

from __future__ import annotations

from typing import Any

from conformance import framing, shapes, signing
from conformance.answers import CAPABILITIES
from conformance.dcbor import Item
from conformance.offer import Quote
from conformance.wire.link import Link

from .session import Session
from .side import Frame, Side, UnreadableError, readable

__all__ = ["CHAT", "Frame", "Initiator", "UnreadableError"]

CHAT = 1
OFFERED = tuple(CAPABILITIES.values())
"""The capabilities of the suite."""
POLICY_LIFT = "start the target with a model, and let it serve the suite's node (any node, or --key FILE)"


class Initiator(Side):
    """One connection that the suite dialed."""

    own_control = 2
    own_streams = 0

    def __init__(self, session: Session, link: Link) -> None:
        super().__init__(session, link)
        self.provider = b""
        """The target's node key, from its HELLO."""
        self.capabilities: list[int] = []
        """What its HELLO declares."""
        self.peer_hello: list[bytes] = []
        """Its HELLO: body and signature."""
        self.quotes: list[Quote] = []

    @classmethod
    async def dial(cls, session: Session) -> Initiator:
        """Dial, and stop there."""
        return cls(session, await session.dial())

    @classmethod
    async def connected(cls, session: Session, **hello: Any) -> Initiator:
        """Dial and greet; MODELS has come."""
        side = await cls.dial(session)
        await side.greet(**hello)
        await side.models()
        return side

    # Control streams

    async def hear_hello(self) -> None:
        """Read the responder's HELLO, which comes without being asked for."""
        frame = await self.frame(3, "HELLO")
        signed = frame.value
        if frame.kind != framing.HELLO or not shapes.is_signed(signed):
            raise UnreadableError("the first frame is no HELLO")
        body = readable(signed[0])
        if shapes.broken("hello-responder", body) is not None:
            raise UnreadableError("HELLO has no shape")
        self.peer_hello = signed
        self.provider = body[1]
        self.capabilities = body[5]

    def hello(self, *, pinned: bool = True, capabilities: tuple[int, ...] = OFFERED) -> dict[int, Item]:
        """The body of an honest HELLO; a reserved capability is among the others now and then."""
        offered = {*capabilities, *([self.session.entropy.reserved()] if self.session.entropy.below(2) else [])}
        assert self.link.binding is not None  # dialed
        return {
            0: 0,
            1: self.session.key.public,
            2: self.link.binding,
            3: 1,
            4: 1,
            5: sorted(offered),
            6: self.provider,
            7: signing.name(signing.HELLO, self.peer_hello[0]),
            8: pinned,
        }

    async def greet(self, **hello: Any) -> None:
        """Read the responder's HELLO, and answer it honestly."""
        await self.hear_hello()
        self.say_hello(self.session.key.signed(signing.HELLO, self.hello(**hello)))

    async def models(self) -> list[Quote]:
        """Read MODELS: the target has accepted this side."""
        models = await self.expect(3, framing.MODELS)
        bodies = [body for body, _ in models[0]]
        self.quotes = [Quote.read(body) for body in bodies if shapes.broken("quote-body", readable(body)) is None]
        return self.quotes

    def quote(self) -> Quote:
        """The first model that the target offers. Raises `UntestableError` where it offers none."""
        if CHAT not in self.capabilities:
            raise self.session.not_applicable("the target does not declare the capability CHAT")
        if not self.quotes:
            raise self.session.untestable("the target offers no model to the suite's node", POLICY_LIFT)
        return self.quotes[0]
