"""A transcript read again: the frames of each connection, in order, from both sides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from conformance import dcbor, framing, shapes
from conformance.dcbor import Item
from conformance.wire.transcript import By, Event, Transcript

MAX_FRAMES = 200_000
"""Frames of one connection that are read: more than any exchange needs, and a bound of time and memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One whole frame."""

    event: int
    """Index of the event that brought its last byte."""
    at: float
    by: By
    stream: int
    kind: int
    body: bytes
    value: Any
    """The item; None where the body is none (``reason``)."""
    reason: str
    """Why the body is no item, by the registered names of SPEC.md, "Encoding"; empty where it is one."""
    size: int
    """Bytes with head."""
    start: int
    """Where it begins in the data of its event; negative where it began in an event before."""
    number: int
    """How many frames of the same side came before it on its stream."""

    @property
    def name(self) -> str:
        """The registered name of its type, or its number."""
        return f"type {self.kind}" if framing.is_unknown(self.kind) else framing.NAMES[self.kind // 2]

    def byte(self, inside: int) -> int:
        """The offset in its event's data of a byte of the body; -1 for one that came in an event before."""
        return max(self.start + self.size - len(self.body) + inside, -1)

    def get(self, key: int) -> Item:
        """The value of a key of a map; None where there is none."""
        return self.value.get(key) if isinstance(self.value, dict) else None


@dataclass(kw_only=True)
class LinkRecord:
    """One connection."""

    number: int
    initiates: bool = True
    """Whether the suite dialed."""
    binding: bytes = b""
    frames: list[Frame] = field(default_factory=list)
    ends: dict[tuple[By, int], int] = field(default_factory=dict)
    """Who ended which stream by FIN, and at which event."""
    resets: list[tuple[int, Event]] = field(default_factory=list)
    """RESET_STREAM and STOP_SENDING of either side."""
    close: tuple[int, Event] | None = None
    """The target's CONNECTION_CLOSE, or the loss of the connection."""
    suite_closed: int | None = None
    transport: dict[str, Any] = field(default_factory=dict)
    flooded: int | None = None
    """The event from which on no frames are read, because there are too many."""
    broken: tuple[int, str, int, int] | None = None
    """The target's first bytes that are no frame: event, code, stream, offset."""

    def of(self, by: By, stream: int | None = None) -> Iterator[Frame]:
        """The frames of one side, on one stream or on all."""
        return (each for each in self.frames if each.by == by and stream in (None, each.stream))

    @property
    def target_control(self) -> int:
        """The target's control stream."""
        return 3 if self.initiates else 2

    @property
    def suite_control(self) -> int:
        """The suite's control stream."""
        return 2 if self.initiates else 3

    @property
    def target_key(self) -> bytes:
        """The target's node key by its HELLO; empty where that has no shape."""
        first = next(self.of("target", self.target_control), None)
        if first is None or first.kind != framing.HELLO or not shapes.is_signed(first.value):
            return b""
        hello, _ = _item(first.value[0])
        rule = "hello-responder" if self.initiates else "hello-initiator"
        return hello[1] if shapes.broken(rule, hello) is None else b""

    def request_streams(self) -> list[int]:
        """Ids of request streams on which the suite sent something, in order of their first byte."""
        mine = 0 if self.initiates else 1
        return list(dict.fromkeys(each.stream for each in self.frames if each.stream % 4 in (mine, 1 - mine)))

    def own_streams(self) -> list[int]:
        """Those of them that the suite opened."""
        return [each for each in self.request_streams() if (each % 4 == 0) == self.initiates]


@dataclass(kw_only=True)
class Record:
    """Everything that a transcript holds, read."""

    transcript: Transcript
    links: list[LinkRecord] = field(default_factory=list)
    faults: list[tuple[int, Event]] = field(default_factory=list)
    """Index and event of each fault that the suite committed."""
    waits: list[tuple[int, Event]] = field(default_factory=list)
    """What the suite waited for in vain."""

    @property
    def fault_at(self) -> int:
        """Index of the first fault; the number of events where there is none."""
        return self.faults[0][0] if self.faults else len(self.transcript.events)

    @property
    def fault_link(self) -> LinkRecord | None:
        """The connection of the first fault; the last one where there is none."""
        if self.faults and self.faults[0][1].link >= 0:
            return self.links[self.faults[0][1].link]
        return self.links[-1] if self.links else None

    def events(self) -> Iterator[tuple[int, Event]]:
        """All events with their indices."""
        return enumerate(self.transcript.events)


class _Bytes:
    """Bytes of one side of one stream that are not yet a frame."""

    def __init__(self) -> None:
        self.left = b""
        self.frames = 0
        self.over = False
        """Whether nothing more can be read: what comes behind bytes that are no frame is none either."""


def read(transcript: Transcript) -> Record:
    """Read a transcript."""
    record = Record(transcript=transcript)
    pending: dict[tuple[int, By, int], _Bytes] = defaultdict(_Bytes)
    for index, event in enumerate(transcript.events):
        if event.what == "fault":
            record.faults.append((index, event))
        elif event.what == "wait":
            record.waits.append((index, event))
        if event.link >= 0:
            while len(record.links) <= event.link:
                record.links.append(LinkRecord(number=len(record.links)))
            _note(record.links[event.link], index, event, pending)
    return record


def _note(link: LinkRecord, index: int, event: Event, pending: dict[tuple[int, By, int], _Bytes]) -> None:
    if event.what == "open":
        link.initiates = event.facts.get("role") == "initiator"
        link.binding = bytes.fromhex(event.facts.get("binding", ""))
    elif event.what == "transport":
        pings = link.transport.get("pings", 0) + bool(event.facts.get("ping"))
        link.transport |= {**event.facts, "pings": pings}
    elif event.what in ("reset", "stop"):
        link.resets.append((index, event))
    elif event.what == "gone" or (event.what == "close" and event.by == "target"):
        link.close = link.close or (index, event)
    elif event.what == "close":
        link.suite_closed = index
    elif event.what == "data":
        _frames(link, index, event, pending[event.link, event.by, event.stream])
        if event.fin:
            link.ends.setdefault((event.by, event.stream), index)


def _frames(link: LinkRecord, index: int, event: Event, bytes_: _Bytes) -> None:
    if bytes_.over:
        return
    before = len(bytes_.left)
    data = bytes_.left + event.data
    position = 0
    try:
        for kind, body, size in framing.walk(data):
            if len(link.frames) == MAX_FRAMES:
                link.flooded = link.flooded or index
                raise framing.FrameError("RATE_EXCEEDED")
            value, reason = _item(body) if not framing.is_unknown(kind) else (None, "")
            link.frames.append(
                Frame(
                    event=index,
                    at=event.at,
                    by=event.by,
                    stream=event.stream,
                    kind=kind,
                    body=body,
                    value=value,
                    reason=reason,
                    size=size,
                    start=position - before,
                    number=bytes_.frames,
                )
            )
            bytes_.frames += 1
            position += size
    except framing.FrameError as error:
        bytes_.over = True
        if event.by == "target" and link.broken is None and link.flooded is None:
            link.broken = (index, error.code, event.stream, max(position - before, 0))
        position = len(data)
    bytes_.left = data[position:]


def _item(body: bytes) -> tuple[Any, str]:
    try:
        return dcbor.decode(body), ""
    except dcbor.NotDeterministicError as error:
        return None, error.reason
