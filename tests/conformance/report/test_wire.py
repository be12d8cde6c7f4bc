"""The wire dump: no byte is lost, whatever the bytes are, and findings stand where they show."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance import dcbor, framing
from conformance.case import Case
from conformance.cases.registry import cases
from conformance.honest.node import Node
from conformance.report import wire
from conformance.report.annotate import frame_lines, groups
from conformance.report.names import keys
from conformance.report.wire import Row, rows
from conformance.running.memory import transcript_of
from conformance.wire.transcript import Event, Transcript

from .runs import PINNED


def event(**fields: Any) -> Event:
    made: dict[str, Any] = {"at": 0.5, "link": 0, "by": "target", "what": "data", "stream": 3, **fields}
    return Event(**made)


def transcript(*events: Event) -> Transcript:
    opened = event(by="suite", what="open", stream=-1, facts={"role": "initiator", "binding": "00" * 32})
    return Transcript(header={"case": PINNED}, events=(opened, *events))


def finding(index: int | None, offset: int | None = None) -> dict[str, Any]:
    return {"verdict": "fail", "message": "no", "requirements": [], "event": index, "offset": offset, "lift": None}


def frames(made: list[Row]) -> list[Row]:
    return [each for each in made if each.data]


@pytest.mark.parametrize("case", cases().values(), ids=lambda case: case.id)
def test_all_bytes_of_both_sides_are_there_in_order(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_ALIKE", 1_000_000)
    monkeypatch.setattr(wire, "_MOST_ROWS", 1_000_000)
    ran = transcript_of(case, Node)
    sent: dict[tuple[int, str, int], bytes] = {}
    for each in ran.events:
        if each.what == "data":
            sent[each.link, each.by, each.stream] = sent.get((each.link, each.by, each.stream), b"") + each.data
    shown: dict[tuple[int, str, int], bytes] = {}
    for row in frames(rows(ran, [])):
        shown[row.link, row.by, row.stream] = shown.get((row.link, row.by, row.stream), b"") + row.data
    assert shown == {key: data for key, data in sent.items() if data}


ITEMS = st.recursive(
    st.integers(0, 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=20) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 12), inner, max_size=4),
    max_leaves=12,
)


@given(kind=st.sampled_from([*range(0, 22, 2), 65, 24]), body=ITEMS.map(dcbor.encode) | st.binary(max_size=200))
def test_lines_cover_a_frame_byte_for_byte(kind: int, body: bytes) -> None:
    whole = framing.write_frame(kind, body)
    lines = frame_lines(whole, kind, len(whole) - len(body), by_initiator=bool(len(body) % 2))
    assert [line.start for line in lines] == [0, *(line.end for line in lines[:-1])]
    assert lines[-1].end == len(whole)
    assert all(line.note for line in lines)


def test_lines_say_what_the_specification_calls_it() -> None:
    body = dcbor.encode({0: dcbor.encode({0: 1, 3: 64}), 1: bytes(32)})
    whole = framing.write_frame(framing.REQUEST, body)
    notes = [line.note for line in frame_lines(whole, framing.REQUEST, len(whole) - len(body), by_initiator=True)]
    assert notes == [
        "length: 44",
        "type: 6, REQUEST",
        "a map of 2",
        "content: 6 bytes that hold an item",
        "a map of 2",
        "operation: 1",
        "max_tokens: 64",
        "salt: 32 bytes",
    ]
    assert keys("no-such-rule") == {}


def test_long_strings_keep_what_is_marked() -> None:
    data = bytes(2) + bytes(range(200)) * 5
    line = frame_lines(framing.write_frame(65, data), 65, 4, by_initiator=True)[-1]
    shown = list(groups(line, frozenset({600})))
    assert any(600 in row for row, _ in shown)
    assert sum(len(row) + left_out for row, left_out in shown) == len(data)
    assert sum(len(row) for row, _ in shown) < 200


def test_a_byte_in_the_second_frame_of_an_event_is_marked_there() -> None:
    first, second = (framing.write_frame(framing.ACCEPT, dcbor.encode({0: each})) for each in (1, 2))
    made = rows(transcript(event(stream=0, data=first + second)), [finding(1, len(first) + 3)])
    assert [row.marks for row in frames(made)] == [set(), {3}]
    assert [len(row.findings) for row in frames(made)] == [0, 1]


def test_a_frame_in_pieces_is_whole_and_marked_by_its_own_offsets() -> None:
    frame = framing.write_frame(framing.CHUNK, dcbor.encode({0: "Hello", 1: 1}))
    made = rows(transcript(event(stream=0, data=frame[:4]), event(stream=0, data=frame[4:])), [finding(2, 1)])
    (row,) = frames(made)
    assert row.data == frame
    assert row.marks == {5}


def test_bytes_that_are_no_frame_are_shown_as_they_are() -> None:
    good = framing.write_frame(framing.ACCEPT, dcbor.encode({0: 1}))
    made = rows(transcript(event(stream=0, data=good + b"\xff\xff")), [finding(1, len(good))])
    assert [(row.what, row.data) for row in frames(made)] == [("frame", good), ("bytes", b"\xff\xff")]
    assert frames(made)[1].marks == {0}


def test_what_never_came_shows_where_it_was_waited_for() -> None:
    waited = event(by="suite", what="wait", stream=-1, facts={"for": "MODELS", "at_most": 15, "over": True})
    closed = event(by="suite", what="close", stream=-1, code=0, facts={"layer": "application"})
    made = rows(transcript(waited, closed), [finding(None)])
    assert [row.what for row in made if row.findings] == ["wait"]
    made = rows(transcript(closed), [finding(None)])
    assert [row.what for row in made if row.findings] == ["end"]


def test_many_frames_alike_are_counted() -> None:
    tick = framing.write_frame(framing.CREDIT, dcbor.encode({0: 70_000}))
    ran = transcript(*(event(stream=0, data=tick) for _ in range(1000)))
    made = frames(rows(ran, [finding(500, 0)]))
    assert len(made) + sum(row.more for row in made) == 1000
    assert len(made) < 15
    assert [row.order[0] for row in made if row.findings] == [500]


def test_very_many_rows_keep_those_with_findings() -> None:
    pair = [framing.write_frame(framing.CREDIT, b"\xa0"), framing.write_frame(framing.CANCEL, b"\xa0")]
    ran = transcript(*(event(stream=0, data=pair[number % 2]) for number in range(3000)))
    made = rows(ran, [finding(1500)])
    assert len(made) < 500
    assert len([row for row in made if row.findings]) == 1
    assert len(made) + sum(row.more for row in made) == 3001
