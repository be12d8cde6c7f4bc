"""Watched in every case: what the target sends in which state, and when it ends its side: SPEC.md, "States".

A frame of the suite's may have reached the target at any time since it was sent. So what is followed is not one state
but all that are possible; the target breaks a rule where it sends what none of them allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from conformance import framing
from conformance.framing import (
    ACCEPT,
    CALL,
    CANCEL,
    CHUNK,
    COUNTERSIGN,
    CREDIT,
    END,
    ERROR,
    HELLO,
    MODELS,
    REQUEST,
    RESULT,
    TICK,
)
from conformance.judge.finding import Finding
from conformance.judge.record import Frame, LinkRecord, Record
from conformance.wire.transcript import By

from .observer import Observer, broken


@dataclass(frozen=True, slots=True)
class Row:
    """One state: the next one for each frame that may be sent and received in it."""

    sends: Mapping[int, str]
    receives: Mapping[int, str]


Table = Mapping[str, Row]

RESPONDER: Table = {
    "START": Row({HELLO: "HELLO SENT"}, {}),
    "HELLO SENT": Row({}, {HELLO: "OPEN"}),
    "OPEN": Row({MODELS: "OPEN"}, {MODELS: "OPEN"}),
}
INITIATOR: Table = {
    "START": Row({}, {HELLO: "HELLO VERIFIED"}),
    "HELLO VERIFIED": Row({HELLO: "OPEN"}, {}),
    "OPEN": Row({MODELS: "OPEN"}, {MODELS: "OPEN"}),
}
PROVIDER: Table = {
    "IDLE": Row({ERROR: "DONE"}, {REQUEST: "REQUESTED"}),
    "REQUESTED": Row({ACCEPT: "STREAMING", ERROR: "DONE"}, {CANCEL: "CANCELLED"}),
    "STREAMING": Row(
        {CHUNK: "STREAMING", END: "ENDED", ERROR: "DONE"},
        {TICK: "STREAMING", CREDIT: "STREAMING", CANCEL: "CANCELLED", ERROR: "DONE"},
    ),
    "CANCELLED": Row({END: "ENDED", ERROR: "DONE"}, {ERROR: "DONE"}),
    "ENDED": Row({}, {TICK: "ENDED", CREDIT: "ENDED", CANCEL: "ENDED", COUNTERSIGN: "DONE", ERROR: "DONE"}),
    "DONE": Row({}, {}),
}
CONSUMER: Table = {
    "IDLE": Row({REQUEST: "REQUESTED"}, {}),
    "REQUESTED": Row({CANCEL: "WITHDRAWN"}, {ACCEPT: "STREAMING", ERROR: "DONE"}),
    "STREAMING": Row(
        {TICK: "STREAMING", CREDIT: "STREAMING", CANCEL: "CANCELLED", ERROR: "DONE"},
        {CHUNK: "STREAMING", END: "ENDED", ERROR: "DONE"},
    ),
    "WITHDRAWN": Row({ERROR: "DONE"}, {ACCEPT: "CANCELLED", END: "ENDED", ERROR: "DONE"}),
    "CANCELLED": Row({ERROR: "DONE"}, {CHUNK: "CANCELLED", END: "ENDED", ERROR: "DONE"}),
    "ENDED": Row({COUNTERSIGN: "DONE", ERROR: "DONE"}, {}),
    "DONE": Row({}, {}),
}
CALLEE: Table = {
    "IDLE": Row({ERROR: "DONE"}, {CALL: "CALLED"}),
    "CALLED": Row({RESULT: "DONE", ERROR: "DONE"}, {ERROR: "DONE"}),
    "DONE": Row({}, {}),
}
CALLER: Table = {
    "IDLE": Row({CALL: "CALLED"}, {}),
    "CALLED": Row({ERROR: "DONE"}, {RESULT: "DONE", ERROR: "DONE"}),
    "DONE": Row({}, {}),
}
_LAST = {ERROR, END, COUNTERSIGN, RESULT}
"""With each of these its sender's side ends."""


def keeps_to_its_states(record: Record) -> Iterator[Finding]:
    """The target sends no registered frame that its state does not list."""
    for link in record.links:
        theirs = [each for each in link.of("target") if not framing.is_unknown(each.kind)]
        for stream in dict.fromkeys(each.stream for each in theirs):
            yield from _follow(link, stream, [each for each in theirs if each.stream == stream])


def _follow(link: LinkRecord, stream: int, theirs: Sequence[Frame]) -> Iterator[Finding]:
    table, answered = _table(link, stream)
    # Only what leads from one state to another: there may be thousands of the rest.
    moves = {kind for state, row in table.items() for kind, following in row.receives.items() if following != state}
    ours = [each for each in link.of("suite", answered) if each.kind in moves]
    possible = {(next(iter(table), ""), 0)}
    for frame in theirs:
        reached = _reached(table, possible, [each.kind for each in ours if each.event < frame.event])
        possible = {
            (table[state].sends[frame.kind], taken) for state, taken in reached if frame.kind in table[state].sends
        }
        if not possible:
            states = " or ".join(sorted({state for state, _ in reached}))
            message = f"the target sends {frame.name} on stream {stream} in the state {states or 'that no table has'}"
            yield broken(message, "STM-002~1", frame.event, frame.start)
            return


def _table(link: LinkRecord, stream: int) -> tuple[Table, int]:
    """The machine of the target on a stream, and the stream on which the suite speaks to it."""
    if stream == link.target_control:
        return (RESPONDER if link.initiates else INITIATOR), link.suite_control
    if stream % 4 == (0 if link.initiates else 1):
        return (CALLEE if _begins(link, "suite", stream) == CALL else PROVIDER), stream
    if stream % 4 not in (0, 1):
        return {}, stream
    return (CALLER if _begins(link, "target", stream) == CALL else CONSUMER), stream


def _begins(link: LinkRecord, by: By, stream: int) -> int | None:
    return next((each.kind for each in link.of(by, stream)), None)


def _reached(table: Table, possible: set[tuple[str, int]], sent: Sequence[int]) -> set[tuple[str, int]]:
    """What is possible once any number of the frames on their way is there. A frame out of place changes nothing."""
    if not table:
        return set()
    reached = set(possible)
    for state, taken in possible:
        following = state
        for number in range(taken, len(sent)):
            following = table[following].receives.get(sent[number], following)
            reached.add((following, number + 1))
    return reached


def ends_its_side_in_time(record: Record) -> Iterator[Finding]:
    """The target ends its side of a request stream with its last frame, or once the exchange is over."""
    for link in record.links:
        ends = {stream: index for (by, stream), index in link.ends.items() if by == "target" and stream % 4 in (0, 1)}
        for index, event in link.resets:
            stopped = any(each.what == "stop" and each.stream == event.stream for _, each in link.resets)
            if event.by == "target" and event.what == "reset" and event.stream % 4 in (0, 1) and not stopped:
                ends.setdefault(event.stream, index)
        for stream, index in ends.items():
            if not any(each.kind in _LAST and each.event <= index for each in link.of("target", stream)) and not _over(
                link, stream, index
            ):
                message = f"the target ends its side of stream {stream} without a last frame, and nothing is over"
                yield broken(message, "STM-003~2", index)


def _over(link: LinkRecord, stream: int, before: int) -> bool:
    """Whether the suite's side of an exchange was over, or gone."""
    if link.ends.get(("suite", stream), before) < before:
        return True
    if any(index < before and each.stream == stream and each.by == "suite" for index, each in link.resets):
        return True
    return any(each.kind in _LAST and each.event < before for each in link.of("suite", stream))


OBSERVERS: Sequence[Observer] = (keeps_to_its_states, ends_its_side_in_time)
