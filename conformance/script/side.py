"""One side of a connection: what a script reads of the target, and how it writes, in either role."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any

from conformance import dcbor, framing, shapes
from conformance.dcbor import Item
from conformance.wire.link import DEADLINE, Link, OverdueError
from conformance.wire.transcript import Event

from .faults import Fault
from .session import Session

_MAX_UNREAD = 100_000
"""Frames of one stream that are kept until the script asks for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame of the target's, as the script reads it: ``value`` is None where it is no item."""

    kind: int
    body: bytes
    value: Any


class UnreadableError(Exception):
    """The target's bytes are no frames; the judge says which requirement that breaks."""


class Side:
    """One connection, from the suite's side."""

    own_control: int
    own_streams: int
    """Request streams that the suite opens have this id modulo 4."""

    def __init__(self, session: Session, link: Link) -> None:
        self.session = session
        self.link = link
        self.next_stream = self.own_streams
        self._buffers: dict[int, bytes] = defaultdict(bytes)
        self._frames: dict[int, deque[Frame]] = defaultdict(deque)
        self._ended: set[int] = set()

    # Reading

    async def frame(self, stream: int, what: str, within: float = DEADLINE) -> Frame:
        """The next frame of a registered type on ``stream``.

        Raises `GoneError` where nothing more can come, `OverdueError` after ``within`` seconds, and
        `UnreadableError` for a frame that has not its shape: nothing can be said to it.
        """
        while True:
            while not self._frames[stream]:
                if stream in self._ended:
                    self.link.note("wait", **{"for": what, "at_most": 0, "over": True})
                    raise OverdueError(what)
                self._take(await self.link.next(within=within, what=what))
            frame = self._frames[stream].popleft()
            if framing.is_unknown(frame.kind):
                continue
            name = framing.NAMES[frame.kind // 2]
            if frame.kind != framing.HELLO and shapes.broken(name.lower(), frame.value) is not None:
                raise UnreadableError(f"{name} has not its shape")
            return frame

    async def first(self, stream: int, what: str, within: float = DEADLINE) -> Frame:
        """The next frame of a registered type on ``stream``, which stays to be read. Raises as `frame` does."""
        found = await self.frame(stream, what, within)
        self._frames[stream].appendleft(found)
        return found

    async def expect(self, stream: int, kind: int, within: float = DEADLINE) -> dict[int, Item]:
        """The body of the next frame, which has to be of ``kind``. Raises as `frame` does."""
        name = framing.NAMES[kind // 2]
        frame = await self.frame(stream, name, within)
        if frame.kind != kind:
            raise UnreadableError(f"{name} was expected on stream {stream}")
        body: dict[int, Item] = frame.value
        return body

    def _take(self, event: Event) -> None:
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
        if len(self._frames[event.stream]) + len(frames) > _MAX_UNREAD:
            raise UnreadableError(f"more than {_MAX_UNREAD} frames that nobody waits for")
        for kind, body in frames:
            self._frames[event.stream].append(Frame(kind=kind, body=body, value=readable(body)))
        if event.fin:
            self._ended.add(event.stream)

    # Writing

    def control(self, kind: int, body: bytes) -> None:
        """Send a frame on the control stream."""
        self.link.write(self.own_control, framing.write_frame(kind, body))

    def say_hello(self, signed: Item) -> None:
        """Send a HELLO as it is."""
        self.control(framing.HELLO, dcbor.encode(signed))

    def call(self, procedure: int, arguments: Item) -> int:
        """CALL on a new stream; the stream."""
        stream = self.open_stream()
        self.link.write(stream, framing.frame(framing.CALL, {0: procedure, 1: dcbor.encode(arguments)}))
        return stream

    async def answered(self, stream: int, within: float = 12.0) -> Frame:
        """RESULT or ERROR of a call of the suite's, whose stream it ends."""
        frame = await self.frame(stream, "RESULT or ERROR", within)
        self.link.write(stream, b"", fin=True)
        return frame

    def open_stream(self) -> int:
        """The id of a new request stream."""
        self.next_stream += 4
        return self.next_stream - 4

    def commits(self, fault: Fault, stream: int = -1) -> None:
        """Note that what follows breaks a rule: on ``stream``, where the next bytes do not show it."""
        self.link.note_fault(fault.name, stream)

    # What shows that the connection lives on

    async def probe(self) -> None:
        """Open a request stream with a frame that is no REQUEST: a node that listens answers it (ERR-003)."""
        stream = self.open_stream()
        kind = framing.CREDIT
        self.link.write(stream, framing.write_frame(kind, dcbor.encode({0: 1})), fin=False)
        await self.frame(stream, "ERROR that answers a probe")

    async def rest(self, within: float) -> None:
        """Whatever comes within so many seconds, or until the connection is over."""
        await self.link.until_over(within)


def readable(body: bytes) -> Any:
    """The item in ``body``; None where it is none."""
    try:
        return dcbor.decode(body)
    except dcbor.NotDeterministicError:
        return None
