"""Watched in every case: frames, HELLO, control streams and closes of the target, in either role."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conformance import dcbor, framing, shapes, signing
from conformance.data import is_registered, limit
from conformance.judge import where
from conformance.judge.finding import Finding
from conformance.judge.record import Frame, LinkRecord, Record

from .objects import WRITTEN
from .observer import Observer
from .observer import broken as _fail


def well_formed(record: Record) -> Iterator[Finding]:
    """Every frame is a frame, every body an item of its shape."""
    for link in record.links:
        if link.broken is not None:
            event, code, stream, offset = link.broken
            rule = "FRM-004~1" if code == "FRAME_TOO_LARGE" else "FRM-002~1"
            yield _fail(f"the target's bytes on stream {stream} are no frame ({code})", rule, event, offset)
        for frame in link.of("target"):
            if framing.is_unknown(frame.kind):
                continue
            rule = framing.NAMES[frame.kind // 2].lower()
            if frame.reason:
                place = frame.byte(where.violation(frame.body))
                cited = WRITTEN.get(frame.reason, "ENC-003~1")
                yield _fail(f"the body of {frame.name} is no item: {frame.reason}", cited, frame.event, place)
            elif rule != "hello" and (broken := shapes.broken(rule, frame.value)) is not None:
                place = frame.byte(where.value(frame.body, *where.key_in(broken)))
                cited = "VER-007~1" if "unknown key" in broken else "FRM-001~1"
                yield _fail(f"{frame.name} has not its shape: {broken}", cited, frame.event, place)


def greets_properly(record: Record) -> Iterator[Finding]:
    """HELLO is the first frame of the control stream, of its shape, signed, with the binding of its connection."""
    for link in record.links:
        first = next(link.of("target", link.target_control), None)
        if first is None:
            continue
        role = "responder" if link.initiates else "initiator"
        if first.kind != framing.HELLO:
            rule = "HSK-003~1" if link.initiates else "HSK-002~1"
            yield _fail(f"{first.name} is the first frame of the control stream", rule, first.event, first.start)
            continue
        yield from _hello(link, first, role)


def _hello(link: LinkRecord, frame: Frame, role: str) -> Iterator[Finding]:
    if not shapes.is_signed(frame.value):
        yield _fail("HELLO is no signed object", "HSK-018~1", frame.event, frame.start)
        return
    body, signature = frame.value

    def place(*path: int) -> int:
        return frame.byte(where.value(frame.body, *path))

    if not dcbor.is_item(body):
        return  # another observer says so, of every signed body
    hello = dcbor.decode(body)
    if (broken := shapes.broken(f"hello-{role}", hello)) is not None:
        yield _fail(f"HELLO has not its shape: {broken}", "HSK-018~1", frame.event, place(0, *where.key_in(broken)))
        return
    if hello[2] != link.binding:
        yield _fail("the binding of HELLO is not that of its connection", "HSK-016~1", frame.event, place(0, 2))
    if not signing.is_signed_by(hello[1], signing.HELLO, body, signature):
        yield _fail("the signature of HELLO is not valid under its node_key", "KEY-001~1", frame.event, place(1))
    if hello[5] != sorted(set(hello[5])):
        yield _fail("the capabilities are not ascending", "HSK-017~1", frame.event, place(0, 5))


def closes_properly(record: Record) -> Iterator[Finding]:
    """A connection is closed with a registered code, and without a word."""
    for link in record.links:
        if link.close is None or link.close[1].what != "close":
            continue
        index, event = link.close
        if event.facts.get("layer") == "application" and not is_registered(event.code):
            yield _fail(f"the code {event.code} is not registered", "ERR-001~1", index)
        if event.facts.get("layer") == "application" and event.facts.get("reason"):
            yield _fail("the close has a reason phrase", "ERR-001~1", index)


def keeps_control_stream(record: Record) -> Iterator[Finding]:
    """The control stream is neither ended nor reset, and the other not stopped."""
    for link in record.links:
        if (index := link.ends.get(("target", link.target_control))) is not None:
            yield _fail("the target ended its control stream", "CTL-002~1", index)
        stopped = {(event.stream, "reset") for _, event in link.resets if event.by == "suite" and event.what == "stop"}
        for index, event in link.resets:
            # QUIC itself answers STOP_SENDING with RESET_STREAM (RFC 9000 section 3.5).
            if event.by == "target" and event.stream in (2, 3) and (event.stream, event.what) not in stopped:
                yield _fail(f"the target sent {event.what} for a control stream", "CTL-002~1", index)


def paces_control_stream(record: Record) -> Iterator[Finding]:
    """Frames after HELLO stay within the allowance of the control stream."""
    for link in record.links:
        budget, counted = float(limit("CONTROL_BURST")), None
        for frame in link.of("target", link.target_control):
            if frame.number == 0:
                continue
            elapsed = 0.0 if counted is None else frame.at - counted
            counted = frame.at
            budget = min(limit("CONTROL_BURST"), budget + elapsed * limit("CONTROL_RATE")) - 1
            if budget < -1:  # one for what the network delayed and brings at once
                yield _fail("more frames on the control stream than it allows", "CTL-005~1", frame.event)
                break


def sends_known_frames(record: Record) -> Iterator[Finding]:
    """No frame of a type that this version does not know, unless it is odd, and never as the first of a stream."""
    for link in record.links:
        for frame in link.of("target"):
            if framing.is_unknown(frame.kind) and frame.kind % 2 == 0:
                yield _fail(f"frame type {frame.kind} is not agreed", "VER-007~1", frame.event, frame.start)
            elif framing.is_unknown(frame.kind) and frame.number == 0 and _opened_by_target(link, frame.stream):
                yield _fail("a reserved type is the first frame of a stream", "EXT-010~2", frame.event, frame.start)


def _opened_by_target(link: LinkRecord, stream: int) -> bool:
    """Whether the target speaks first on a stream."""
    return stream == link.target_control or stream % 4 == (1 if link.initiates else 0)


OBSERVERS: Sequence[Observer] = (
    well_formed,
    greets_properly,
    closes_properly,
    keeps_control_stream,
    paces_control_stream,
    sends_known_frames,
)
