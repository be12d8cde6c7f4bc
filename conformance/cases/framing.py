"""Frames on their streams: SPEC.md, "Framing" and "States"."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial

from conformance import dcbor, framing, signing
from conformance.dcbor import Item
from conformance.judge.ending import Stage
from conformance.judge.expect import All, Completes, Expectation, Fails, Greets, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.record import Record
from conformance.judge.series import Watched
from conformance.script import places
from conformance.script.asking import Asking
from conformance.script.faults import Fault
from conformance.script.frames import HEADS
from conformance.script.initiator import Initiator
from conformance.script.session import Session

from .registry import Family

FAMILY = Family("framing")
_HELLO = "handshake/accept-pinned"
_WHOLE = "accept-byte-by-byte"
_ANSWERED = "encoding/accept-every-type"
_PATIENCE = 3.0
_PAUSE = 0.4
"""Seconds for which a last byte is held back."""


# Bytes and frames


@FAMILY.case(_WHOLE, requirements=("FRM-007~1", "FRM-001~1"), expect=Completes())
async def accept_byte_by_byte(session: Session) -> None:
    """HELLO, REQUEST and a frame of a reserved type come byte by byte; where the pieces end means nothing."""
    side = await Initiator.dial(session)
    await side.hear_hello()
    signed = dcbor.encode(session.key.signed(signing.HELLO, side.hello()))
    await _slowly(side, 2, framing.write_frame(framing.HELLO, signed))
    await side.models()
    one = places.asking(side)
    draft = one.compose()
    one.stream = side.open_stream()
    await _slowly(side, one.stream, framing.write_frame(framing.REQUEST, draft.body))
    await _slowly(side, one.stream, framing.write_frame(session.entropy.reserved(), b"anything"))
    await one.finish()


async def _slowly(side: Initiator, stream: int, data: bytes) -> None:
    """Each byte as a piece of its own; what QUIC joins, it joins."""
    for byte in data:
        side.link.write(stream, bytes((byte,)))
        await asyncio.sleep(0)


def _acts_only_on_whole_frames(record: Record) -> Iterator[Finding]:
    """Nothing of the target's comes between all but the last byte of a frame, and that byte."""
    events = record.transcript.events
    held = [index for index, event in record.events() if event.what == "wait" and "last byte" in str(event.facts)]
    for index in held:
        last = next((at for at in range(index, len(events)) if events[at].what == "data" and events[at].by == "suite"),
                    len(events))  # fmt: skip
        for at in range(index, last):
            if events[at].by == "target" and events[at].what in ("data", "close", "reset", "stop"):
                message = f"the target acts ({events[at].what}) before the last byte of a frame is there"
                yield Finding(verdict=Verdict.FAIL, message=message, event=at)
                return


_HELD: Expectation = Shows("nothing happens before the last byte", _acts_only_on_whole_frames)


async def _hold_back(side: Initiator, stream: int, data: bytes) -> None:
    """Send all but the last byte; that one after a while in which nothing may come."""
    side.link.write(stream, data[:-1])
    side.link.note("wait", **{"for": "the last byte", "at_most": _PAUSE})
    await side.rest(_PAUSE)
    side.link.write(stream, data[-1:])


@FAMILY.case("wait-for-whole-hello", requirements=("FRM-007~1",), expect=All((_HELD, Greets())), seconds=1)
async def wait_for_whole_hello(session: Session) -> None:
    """The last byte of HELLO comes late, and MODELS has to come later."""
    side = await Initiator.dial(session)
    await side.hear_hello()
    signed = dcbor.encode(session.key.signed(signing.HELLO, side.hello()))
    await _hold_back(side, 2, framing.write_frame(framing.HELLO, signed))
    await side.models()


@FAMILY.case("wait-for-whole-request", requirements=("FRM-007~1",), expect=All((_HELD, Completes())), seconds=1)
async def wait_for_whole_request(session: Session) -> None:
    """The last byte of REQUEST comes late, and ACCEPT has to come later."""
    side = await Initiator.connected(session)
    one = places.asking(side)
    draft = one.compose()
    one.stream = side.open_stream()
    await _hold_back(side, one.stream, framing.write_frame(framing.REQUEST, draft.body))
    await one.finish()


@FAMILY.case("wait-for-whole-first-frame", requirements=("FRM-007~1",), expect=_HELD, seconds=1)
async def wait_for_whole_first_frame(session: Session) -> None:
    """A first frame that is no REQUEST is refused whatever its body is, but not before its body is there."""
    side = await Initiator.connected(session)
    stream = side.open_stream()
    await _hold_back(side, stream, framing.write_frame(framing.CREDIT, dcbor.encode({0: 1})))
    await side.frame(stream, "ERROR")


def _nothing_came(record: Record) -> Iterator[Finding]:
    """No frame of the target's on the first request stream."""
    for frame in record.links[-1].of("target", 0) if record.links else ():
        yield Finding(verdict=Verdict.FAIL, message=f"{frame.name} answers a frame that was cut", event=frame.event)
        return


@FAMILY.case(
    "ignore-frame-cut-by-fin",
    requirements=("FRM-007~1", "INF-017~1"),
    expect=All((Shows("nothing answers it", _nothing_came), Greets())),
)
async def ignore_frame_cut_by_fin(session: Session) -> None:
    """A REQUEST ends one byte early, with the consumer's side: its bytes count for nothing, and nobody is there."""
    side = await Initiator.connected(session)
    one = places.asking(side)
    frame = framing.write_frame(framing.REQUEST, one.compose().body)
    side.link.write(side.open_stream(), frame[:-1], fin=True)
    await side.probe()


# Heads


async def _faulty_head(session: Session, where: str) -> None:
    """A frame with a faulty head, in one of the places where a frame is read."""
    build = HEADS[session.fault]
    if where == "hello":
        side = await Initiator.dial(session)
        await side.hear_hello()
        signed = dcbor.encode(session.key.signed(signing.HELLO, side.hello()))
        stream, data = 2, build(framing.HELLO, signed)
    elif where == "control":
        side = await Initiator.connected(session)
        stream, data = 2, build(framing.MODELS, dcbor.encode({0: []}))
    elif where == "request":
        side = await Initiator.connected(session)
        stream, data = side.open_stream(), build(framing.REQUEST, places.asking(side).compose().body)
    else:
        one = await places.answering(session)
        side, stream = one.side, one.stream
        data = build(framing.TICK, dcbor.encode(places.next_tick(one)))
    side.commits(session.fault)
    side.link.write(stream, data)
    await side.rest(_PATIENCE)


_PLACES: dict[str, tuple[Stage, str, str]] = {
    "hello": ("handshake", _HELLO, "the HELLO of the initiator"),
    "control": ("control", "control/accept-models-of-initiator", "a MODELS of the initiator"),
    "request": ("control", _ANSWERED, "a REQUEST"),
    "answer": ("answer", _ANSWERED, "a TICK"),
}
_HEAD_FAULTS = {
    Fault.LENGTH_NOT_SHORTEST: ("ENCODING", "FRM-003~1", "The length of {} takes twice the bytes that it needs."),
    Fault.TYPE_NOT_SHORTEST: ("ENCODING", "FRM-003~1", "The type of {} takes twice the bytes that it needs."),
    Fault.LENGTH_ENORMOUS: (
        "FRAME_TOO_LARGE",
        "FRM-005~1",
        "The head of {} says that 2^62 - 1 bytes follow. Nobody waits for them, and nobody makes room for them.",
    ),
}
for _fault, (_code, _requirement, _page) in _HEAD_FAULTS.items():
    for _where, (_stage, _twin, _what) in _PLACES.items():
        FAMILY.add(
            f"reject-{_fault.name.lower().replace('_', '-')}-in-{_where}",
            page=_page.format(_what),
            requirements=(_requirement,),
            script=partial(_faulty_head, where=_where),
            expect=Fails(_code, _stage),
            fault=_fault,
            twin=_twin,
        )

# States


def _bodies(side: Initiator, one: Asking) -> dict[int, Item]:
    """A body of its shape for every frame type, so that nothing is wrong with the frame but its place."""
    key = side.session.key
    bare = [b"\xa0", bytes(64)]
    return {
        framing.HELLO: key.signed(signing.HELLO, side.hello()),
        framing.MODELS: {0: []},
        framing.ERROR: {0: 1},
        framing.REQUEST: {0: b"\xa0", 1: bytes(32), 2: bare, 3: bytes(32)},
        framing.ACCEPT: {0: 1},
        framing.CHUNK: {0: "", 1: 0},
        framing.TICK: {0: one.k + 1, 1: bytes(32)},
        framing.CREDIT: {0: one.credit + 65_536},
        framing.CANCEL: {0: 0, 1: one.k, 2: bytes(32)},
        framing.END: {0: bytes(32), 1: bare},
        framing.COUNTERSIGN: {0: bytes(64)},
        framing.CALL: {0: 7, 1: b"\xa0"},
        framing.RESULT: {0: b"\xa0"},
    }


async def _out_of_state(session: Session, kind: int, state: Stage) -> None:
    """Reach a state, and send a frame that no row of it has."""
    if state == "control":
        side = await Initiator.connected(session)
        one, stream = Asking(side, places.invented_quote(side)), 2
    else:
        one = await places.answering(session, max_tokens=None if state == "answer" else 2)
        side, stream = one.side, one.stream
        if state == "closing":
            await one.until_end()
    side.commits(session.fault)
    side.link.write(stream, framing.write_frame(kind, dcbor.encode(_bodies(side, one)[kind])))
    await side.rest(_PATIENCE)


_PROVIDERS = (
    framing.HELLO,
    framing.MODELS,
    framing.REQUEST,
    framing.ACCEPT,
    framing.CHUNK,
    framing.END,
    framing.CALL,
    framing.RESULT,
)
_STATES: dict[Stage, tuple[tuple[int, ...], str, str]] = {
    "control": (
        tuple(kind for kind in range(0, 2 * len(framing.NAMES), 2) if kind != framing.MODELS),
        "control/accept-models-of-initiator",
        "{} comes on the control stream after the handshake, where only MODELS has a place.",
    ),
    "answer": (
        (*_PROVIDERS, framing.COUNTERSIGN),
        _ANSWERED,
        "{} comes from the consumer while it is answered.",
    ),
    "closing": (
        _PROVIDERS,
        _ANSWERED,
        "{} comes from the consumer behind END, where COUNTERSIGN is due.",
    ),
}
for _state, (_kinds, _twin, _page) in _STATES.items():
    for _kind in _kinds:
        _name = framing.NAMES[_kind // 2]
        FAMILY.add(
            f"reject-{_name.lower()}-in-{_state}",
            page=_page.format(_name),
            requirements=("STM-001~1",),
            script=partial(_out_of_state, kind=_kind, state=_state),
            expect=Fails("UNEXPECTED_FRAME", _state),
            fault=Fault.FRAME_OUT_OF_STATE,
            twin=_twin,
            tier="full" if _state == "closing" and _kind not in (framing.REQUEST, framing.CHUNK) else "core",
        )


FAMILY.add(
    "send-honest-frames",
    page="Every frame of the target is in its shortest form and within its limit, and every body an item of its shape. "
    "An honest initiator is refused and answered; the same is watched in every other case.",
    requirements=(
        "FRM-001~1",
        "FRM-002~1",
        "FRM-004~1",
        "ENC-001~1",
        "ENC-002~1",
        "ENC-003~1",
        "ENC-004~1",
    ),
    script=places.visit,
    expect=Watched(),
)

FAMILY.add(
    "keep-to-states",
    page="The target sends no registered frame in a state that does not list it. "
    "An honest initiator is refused and answered; the same is watched in every other case.",
    requirements=("STM-002~1",),
    script=places.visit,
    expect=Watched(),
)
