"""The suite as initiator and consumer: what an honest one does, step by step, with a place for a fault in each."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any

from conformance import dcbor, framing, shapes, signing
from conformance.dcbor import Item
from conformance.offer import Quote
from conformance.wire.link import DEADLINE, Link, OverdueError

from .faults import Fault
from .session import Session

CHAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame of the target's, as the script reads it: ``value`` is None where it is no item."""

    kind: int
    body: bytes
    value: Any


class UnreadableError(Exception):
    """The target's bytes are no frames; the judge says which requirement that breaks."""


class Initiator:
    """One connection that the suite dialed."""

    def __init__(self, session: Session, link: Link) -> None:
        self.session = session
        self.link = link
        self.provider = b""
        """The target's node key, from its HELLO."""
        self.peer_hello: list[bytes] = []
        """Its HELLO: body and signature."""
        self.quotes: list[Quote] = []
        self.next_stream = 0
        self._buffers: dict[int, bytes] = defaultdict(bytes)
        self._frames: dict[int, deque[Frame]] = defaultdict(deque)
        self._ended: set[int] = set()

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

    # Reading

    async def frame(self, stream: int, what: str, within: float = DEADLINE) -> Frame:
        """The next frame of a registered type on ``stream``.

        Raises `GoneError` where nothing more can come, `OverdueError` after ``within`` seconds.
        """
        while True:
            while not self._frames[stream]:
                if stream in self._ended:
                    self.link.note("wait", **{"for": what, "at_most": 0, "over": True})
                    raise OverdueError(what)
                self._take(await self.link.next(within=within, what=what))
            frame = self._frames[stream].popleft()
            if not framing.is_unknown(frame.kind):
                return frame

    async def expect(self, stream: int, kind: int, within: float = DEADLINE) -> dict[int, Item]:
        """The body of the next frame, which has to be of ``kind`` and well formed. Raises as `frame` does."""
        name = framing.NAMES[kind // 2]
        frame = await self.frame(stream, name, within)
        if frame.kind != kind or not isinstance(frame.value, dict):
            raise UnreadableError(f"{name} was expected on stream {stream}")
        return frame.value

    def _take(self, event: Any) -> None:
        if event.what in ("reset", "stop"):
            self._ended.add(event.stream)
        if event.what != "data":
            return
        whole = self._buffers[event.stream] + event.data
        try:
            frames, left = framing.read_frames(whole)
        except framing.FrameError as error:
            raise UnreadableError(str(error)) from None
        self._buffers[event.stream] = whole[len(whole) - left :]
        for kind, body in frames:
            self._frames[event.stream].append(Frame(kind=kind, body=body, value=_readable(body)))
        if event.fin:
            self._ended.add(event.stream)

    # Control streams

    async def hear_hello(self) -> None:
        """Read the responder's HELLO, which comes without being asked for."""
        frame = await self.frame(3, "HELLO")
        signed = frame.value
        if frame.kind != framing.HELLO or not shapes.is_signed(signed):
            raise UnreadableError("the first frame is no HELLO")
        body = _readable(signed[0])
        if shapes.broken("hello-responder", body) is not None:
            raise UnreadableError("HELLO has no shape")
        self.peer_hello = signed
        self.provider = body[1]

    def hello(self, *, pinned: bool = True, capabilities: tuple[int, ...] = (CHAT,)) -> dict[int, Item]:
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

    def say_hello(self, signed: Item) -> None:
        """Send a HELLO as it is."""
        self.control(framing.HELLO, dcbor.encode(signed))

    async def models(self) -> list[Quote]:
        """Read MODELS: the target has accepted this side."""
        models = await self.expect(3, framing.MODELS)
        if shapes.broken("models", models) is None:
            bodies = [body for body, _ in models[0]]
            self.quotes = [Quote.read(body) for body in bodies if shapes.broken("quote-body", _readable(body)) is None]
        return self.quotes

    def control(self, kind: int, body: bytes) -> None:
        """Send a frame on the control stream."""
        self.link.write(2, framing.write_frame(kind, body))

    # What shows that the connection lives on

    async def probe(self) -> None:
        """Open a request stream with a frame that is no REQUEST: a node that listens answers it (ERR-003)."""
        stream = self.open_stream()
        kind = framing.CREDIT
        self.link.write(stream, framing.write_frame(kind, dcbor.encode({0: 1})), fin=False)
        await self.frame(stream, "ERROR that answers a probe")

    def open_stream(self) -> int:
        """The id of a new request stream."""
        self.next_stream += 4
        return self.next_stream - 4

    def commits(self, fault: Fault, stream: int = -1) -> None:
        """Note that what follows breaks a rule: on ``stream``, where no whole frame would say so."""
        self.link.note_on(stream, "fault", fault=fault.name)

    async def rest(self, within: float) -> None:
        """Whatever comes within so many seconds, or until the connection is over."""
        await self.link.until_over(within)


def _readable(body: bytes) -> Any:
    try:
        return dcbor.decode(body)
    except dcbor.NotDeterministicError:
        return None
