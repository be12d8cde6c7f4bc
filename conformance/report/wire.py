"""A transcript as rows for people: every frame of both sides in order, and where what the judge found shows."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from conformance.data import error_name, is_registered
from conformance.judge.record import Frame, Record, read
from conformance.printable import printable, shortened
from conformance.wire.transcript import Event, Transcript

from .annotate import Line, frame_lines, groups, notes, raw_lines

Finding: TypeAlias = dict[str, Any]
"""A finding of report.json."""

_MOST_ROWS = 400
_ALIKE = 6
"""Rows of one kind in succession from which on those in the middle are only counted."""
_SUMMARY = 110
_INITIATORS_CONTROL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes:
    """Up to 16 bytes in a row: pieces of hex, each with whether it is the offence, and what the line means."""

    offset: int
    left_out: int
    pieces: tuple[tuple[str, bool], ...]
    depth: int
    note: str


@dataclass(kw_only=True)
class Row:
    """One frame, or one other thing that happened."""

    order: tuple[int, int]
    """Index of its event, and where in that event's data it begins."""
    at: float
    by: str
    link: int
    stream: int = -1
    what: str
    """frame, bytes, or the kind of the event."""
    title: str
    summary: str = ""
    data: bytes = b""
    lines: list[Line] = field(default_factory=list)
    marks: set[int] = field(default_factory=set)
    """Offsets in ``data`` of offending bytes."""
    findings: list[Finding] = field(default_factory=list)
    """What the judge found here."""
    faulty: bool = False
    """Whether it is what the suite sent first behind its fault."""
    more: int = 0
    """How many rows like this one were left out behind it."""

    def bytes(self) -> Iterator[Bytes]:
        """Its bytes, line by line, with what they mean."""
        for line in self.lines:
            for number, (row, left_out) in enumerate(groups(line, frozenset(self.marks))):
                yield Bytes(
                    offset=row[0],
                    left_out=left_out,
                    pieces=tuple(self._pieces(row)),
                    depth=line.depth,
                    note=line.note if number == 0 else "",
                )

    def _pieces(self, row: list[int]) -> Iterator[tuple[str, bool]]:
        for offset in row:
            yield f"{self.data[offset]:02x}", offset in self.marks


def rows(transcript: Transcript, findings: Iterable[Finding]) -> list[Row]:
    """All rows, those alike counted, with the findings at the rows where they show."""
    record = read(transcript)
    sides = _Sides(record)
    found = sorted([*sides.rows(), *_events(record)], key=lambda each: each.order)
    behind = (each for each in found if each.data and each.by == "suite" and each.order[0] > record.fault_at)
    if (faulty := next(behind, None)) is not None:
        faulty.faulty = True
    for finding in findings:
        _attach(finding, found, sides, transcript)
    return _shortened(list(_counted(found)))


class _Sides:
    """The bytes of each side of each stream, cut into frames and what is none."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._data: dict[tuple[int, str, int], bytearray] = defaultdict(bytearray)
        self._starts: dict[int, int] = {}
        self._pieces: dict[tuple[int, str, int], list[tuple[int, Row]]] = defaultdict(list)
        for index, event in record.events():
            if event.what == "data":
                data = self._data[_key(event)]
                self._starts[index] = len(data)
                data += event.data

    def rows(self) -> Iterator[Row]:
        """A row for each piece."""
        for link in self._record.links:
            frames: dict[tuple[int, str, int], list[Frame]] = defaultdict(list)
            for frame in link.frames:
                frames[link.number, frame.by, frame.stream].append(frame)
            for key in [each for each in self._data if each[0] == link.number]:
                for start, row in self._side(key, frames[key]):
                    self._pieces[key].append((start, row))
                    yield row

    def _side(self, key: tuple[int, str, int], frames: list[Frame]) -> Iterator[tuple[int, Row]]:
        data, position = bytes(self._data[key]), 0
        for frame in frames:
            start = self._starts[frame.event] + frame.start
            if position < start:
                yield position, self._raw(key, position, data[position:start])
            position = start + frame.size
            whole = data[start:position]
            head = frame.size - len(frame.body)
            lines = frame_lines(whole, frame.kind, head, by_initiator=key[2] == _INITIATORS_CONTROL)
            summary = f"no item: {frame.reason}" if frame.reason else notes(lines, _SUMMARY)
            yield (
                start,
                Row(
                    order=(frame.event, frame.start),
                    at=frame.at,
                    by=frame.by,
                    link=key[0],
                    stream=frame.stream,
                    what="frame",
                    title=frame.name,
                    summary=summary,
                    data=whole,
                    lines=lines,
                ),
            )
        if position < len(data):
            yield position, self._raw(key, position, data[position:])

    def _raw(self, key: tuple[int, str, int], start: int, data: bytes) -> Row:
        index = max(
            event
            for event, at in self._starts.items()
            if at <= start and _key(self._record.transcript.events[event]) == key
        )
        return Row(
            order=(index, start - self._starts[index]),
            at=self._record.transcript.events[index].at,
            by=key[1],
            link=key[0],
            stream=key[2],
            what="bytes",
            title="no whole frame",
            data=data,
            lines=raw_lines(data, 0, f"{len(data):,} bytes that are no whole frame"),
        )

    def at(self, index: int, event: Event, offset: int) -> tuple[Row, int] | None:
        """The row of the byte at ``offset`` of an event's data, and where the byte is in the row's."""
        position = self._starts[index] + offset
        for start, row in self._pieces[_key(event)]:
            if start <= position < start + len(row.data):
                return row, position - start
        return None


def _key(event: Event) -> tuple[int, str, int]:
    return event.link, event.by, event.stream


def _events(record: Record) -> Iterator[Row]:
    """What is no data, and ends of streams."""
    for index, event in record.events():
        if event.what == "data" and not event.fin:
            continue
        what = "fin" if event.what == "data" else event.what
        title, summary = _words(what, event)
        yield Row(
            order=(index, len(event.data) + 1),
            at=event.at,
            by=event.by,
            link=event.link,
            stream=event.stream,
            what=what,
            title=title,
            summary=summary,
        )


def _words(what: str, event: Event) -> tuple[str, str]:
    facts = event.facts
    if what == "close":
        named = error_name(event.code) if is_registered(event.code) else f"code {event.code}"
        title = named if facts.get("layer") == "application" else f"transport error 0x{max(event.code, 0):x}"
        return f"CONNECTION_CLOSE {title}", shortened(str(facts.get("reason") or ""), _SUMMARY)
    if what in ("reset", "stop"):
        return "RESET_STREAM" if what == "reset" else "STOP_SENDING", f"code {event.code}"
    if what == "wait":
        over = "in vain" if facts.get("over") else ""
        return "waits", f"for {printable(str(facts.get('for')))}, {facts.get('at_most')} s at most; {over}".rstrip("; ")
    texts = {
        "fin": ("FIN", "the end of this side of the stream"),
        "open": ("connection", f"channel binding {printable(str(facts.get('binding', '')))}"),
        "fault": ("on purpose", printable(str(facts.get("fault", "")))),
        "gone": ("connection lost", shortened(str(facts.get("reason") or "without a close"), _SUMMARY)),
        "untestable": ("untestable", printable(str(facts.get("reason")))),
        "done": ("the end of the script", ""),
        "harness": ("fault of the suite", printable(str(facts.get("error", "")), lines=True)),
    }
    said = ", ".join(f"{name} {json.dumps(value)}" for name, value in facts.items())
    return texts[what] if what in texts else (what, shortened(said, _SUMMARY))


def _attach(finding: Finding, found: list[Row], sides: _Sides, transcript: Transcript) -> None:
    """Put a finding at the row where it shows; what never came shows at the last wait in vain, or at the end."""
    index, offset = finding["event"], finding["offset"]
    row: Row | None = None
    if index is not None and index < len(transcript.events):
        event = transcript.events[index]
        place = sides.at(index, event, offset) if event.what == "data" and offset is not None else None
        if place is not None:
            row = place[0]
            row.marks.add(place[1])
        row = row or next((each for each in found if each.order[0] == index), None)
    elif index is None:
        row = next((each for each in reversed(found) if each.what == "wait"), None)
    if row is None:
        at = transcript.events[-1].at if transcript.events else 0.0
        row = Row(order=(len(transcript.events), 0), at=at, by="judge", link=-1, what="end", title="the end")
        found.append(row)
    row.findings.append(finding)


def _counted(found: list[Row]) -> Iterator[Row]:
    """Of long successions of one kind only the first and the last rows."""
    run: list[Row] = []
    for row in [*found, None]:
        if row is not None and run and _alike(row, run[-1]):
            run.append(row)
            continue
        if len(run) > _ALIKE:
            run[2].more = len(run) - 4
            run = [*run[:3], run[-1]]
        yield from run
        run = [] if row is None else [row]


def _alike(row: Row, other: Row) -> bool:
    plain = not (row.findings or other.findings or row.faulty or other.faulty)
    return plain and all(
        getattr(row, name) == getattr(other, name) for name in ("by", "link", "what", "title", "stream")
    )


def _shortened(found: list[Row]) -> list[Row]:
    if len(found) <= _MOST_ROWS:
        return found
    half = _MOST_ROWS // 2
    middle = [each for each in found[half:-half] if each.findings]
    found[half - 1].more += len(found) - 2 * half - len(middle)
    return [*found[:half], *middle, *found[-half:]]
