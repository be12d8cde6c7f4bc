"""How a node refuses, and what it no longer does afterwards: SPEC.md, "Errors" and "States"."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from conformance import dcbor, framing
from conformance.entropy import RESERVED
from conformance.finish import CANCELLED
from conformance.judge.exchange import exchanges
from conformance.judge.expect import All, Completes, Fails, Refuses, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.record import Record
from conformance.judge.series import LivesOn
from conformance.script import places
from conformance.script.faults import Fault
from conformance.script.frames import head
from conformance.script.initiator import Initiator
from conformance.script.session import Session

from .registry import Family

FAMILY = Family("errors")
_ANSWERED = "encoding/accept-every-type"
"""The finish reason of an answer that was cancelled."""
_LINGER = 2.5
"""Seconds in which a target has ended its side."""


# A first frame that is no REQUEST


async def _first_frame(session: Session, kind: int, body: bytes) -> None:
    """Open a stream with a frame that is no REQUEST."""
    side = await Initiator.connected(session)
    side.commits(session.fault)
    stream = side.open_stream()
    side.link.write(stream, framing.write_frame(kind, body))
    await side.frame(stream, "ERROR")
    await side.probe()


def _refuse_first(what: str, kind: int, body: bytes, page: str) -> None:
    FAMILY.add(
        f"refuse-{what}-as-first-frame",
        page=f"{page} A dropped first frame would leave its sender waiting for ever, so it is answered.",
        requirements=("ERR-003~2",),
        script=partial(_first_frame, kind=kind, body=body),
        expect=Refuses("UNKNOWN_REQUEST"),
        fault=Fault.FIRST_FRAME_NO_REQUEST,
        twin=_ANSWERED,
    )


_FIRST = {
    framing.HELLO: [b"\xa0", bytes(64)],
    framing.MODELS: {0: []},
    framing.ERROR: {0: 1},
    framing.ACCEPT: {0: 1},
    framing.CHUNK: {0: "", 1: 0},
    framing.TICK: {0: 1, 1: bytes(32)},
    framing.CREDIT: {0: 131_072},
    framing.CANCEL: {0: 0, 1: 0, 2: bytes(32)},
    framing.END: {0: bytes(32), 1: [b"\xa0", bytes(64)]},
    framing.COUNTERSIGN: {0: bytes(64)},
    framing.RESULT: {0: b"\xa0"},
}
for _kind, _body in _FIRST.items():
    _name = framing.NAMES[_kind // 2]
    _refuse_first(_name.lower(), _kind, dcbor.encode(_body), f"A request stream begins with {_name}.")
_refuse_first("unknown-even", RESERVED[-1] + 1, b"", "A request stream begins with an even type that nobody knows.")
_refuse_first("unknown-odd", RESERVED[7], b"what is this", "A request stream begins with a reserved type.")
_refuse_first(
    "unreadable-tick", framing.TICK, b"\xff\xff", "A request stream begins with TICK, and its body is no item."
)


# What is over


def _sides_ended(record: Record) -> Iterator[Finding]:
    """The target has ended its side of every request stream on which it sent ERROR or END."""
    for link in record.links:
        for frame in link.of("target"):
            if frame.kind in (framing.ERROR, framing.END) and ("target", frame.stream) not in link.ends:
                message = f"the target did not end its side of stream {frame.stream} with {frame.name}"
                yield Finding(verdict=Verdict.FAIL, message=message, event=frame.event)


@FAMILY.case(
    "end-side-with-error",
    requirements=("STM-003~2",),
    expect=All((LivesOn(), Shows("ERROR ends the target's side", _sides_ended))),
    seconds=3,
    holds=True,
)
async def end_side_with_error(session: Session) -> None:
    """A request that is refused: ERROR is the target's last frame, and with it the target ends its side."""
    side = await Initiator.connected(session)
    await side.probe()
    await side.probe()
    await side.rest(_LINGER)


@FAMILY.case(
    "end-side-with-end",
    requirements=("STM-003~2",),
    expect=All((Completes(), Shows("END ends the target's side", _sides_ended))),
    seconds=4,
    holds=True,
)
async def end_side_with_end(session: Session) -> None:
    """A request that is answered: END is the target's last frame, and with it the target ends its side."""
    side = await Initiator.connected(session)
    await places.complete(side)
    await side.rest(_LINGER)


@FAMILY.case("refuse-without-words", requirements=("ERR-002~1", "ERR-003~2"), expect=LivesOn())
async def refuse_without_words(session: Session) -> None:
    """A request that is refused: ERROR has a code and the numbers that the code's registry entry names, no more.

    The same is watched in every other case.
    """
    side = await Initiator.connected(session)
    await side.probe()


_LATE = (
    framing.write_frame(framing.TICK, dcbor.encode({0: 1, 1: bytes(32)})),
    framing.write_frame(framing.REQUEST, b"\xff"),
    framing.write_frame(RESERVED[-1] + 1, b"even"),
    framing.write_frame(framing.HELLO, b""),
    head(framing.CHUNK, 2**62 - 1),
    b"\xff" * 4096,
)
"""All of which would end a connection, were it not on its way when the exchange ended."""


@FAMILY.case("discard-behind-refusal", requirements=("STM-004~2",), expect=LivesOn())
async def discard_behind_refusal(session: Session) -> None:
    """A consumer that does not know yet that it was refused goes on sending, whatever that is.

    It is read by nobody, since the exchange is over: the connection lives on, and the next request is answered.
    """
    side = await Initiator.connected(session)
    stream = side.open_stream()
    side.link.write(stream, framing.write_frame(framing.CREDIT, dcbor.encode({0: 1})))
    await side.frame(stream, "ERROR")
    for late in _LATE:
        side.link.write(stream, late)
    side.link.write(stream, b"", fin=True)
    await side.probe()


@FAMILY.case("discard-behind-giving-up", requirements=("STM-004~2",), expect=LivesOn())
async def discard_behind_giving_up(session: Session) -> None:
    """A consumer gives up with ERROR in the middle of an answer, and bytes of no sense come behind it."""
    one = await places.answering(session)
    one.write(framing.ERROR, {0: 1})
    for late in _LATE:
        one.side.link.write(one.stream, late)
    one.side.link.write(one.stream, b"", fin=True)
    await one.side.probe()


def _acts_on_nothing_more(record: Record) -> Iterator[Finding]:
    """No END for the CANCEL that came behind the frame for which the connection had to fail."""
    for exchange in exchanges(record):
        if exchange.end is not None and exchange.close.get(7) == CANCELLED:
            message = "the target acts on a CANCEL that comes behind a frame for which it fails the connection"
            yield Finding(verdict=Verdict.FAIL, message=message, event=exchange.end.event)


@FAMILY.case(
    "ignore-what-follows-a-failure",
    requirements=("ERR-007~1",),
    expect=All((Shows("nothing behind the failure is acted on", _acts_on_nothing_more), Fails("ENCODING", "answer"))),
    fault=Fault.ITEM_TRAILING_BYTES,
    twin=_ANSWERED,
)
async def ignore_what_follows_a_failure(session: Session) -> None:
    """A TICK that is no item, and behind it in the same piece a CANCEL without fault.

    The connection fails for the first, so that nobody may answer the second.
    """
    one = await places.answering(session)
    tick = framing.write_frame(framing.TICK, dcbor.encode(places.next_tick(one)) + b"\xf6")
    body = {0: len(one.chunks), 1: one.k, 2: one.links[one.k]}
    one.side.commits(session.fault)
    one.side.link.write(one.stream, tick + framing.write_frame(framing.CANCEL, dcbor.encode(body)))
    await one.side.rest(3)


# Closing


@FAMILY.case(
    "close-without-words",
    requirements=("ERR-001~1", "CTL-001~1"),
    expect=Fails("STREAM_MISUSE", "control"),
    fault=Fault.CONTROL_ENDED,
    twin="control/accept-models-of-initiator",
)
async def close_without_words(session: Session) -> None:
    """A connection that fails is closed with a registered code and an empty reason phrase."""
    side = await Initiator.connected(session)
    side.commits(session.fault)
    side.link.write(2, b"", fin=True)
    await side.rest(3)
