"""Values that nobody knows, received and sent: SPEC.md, "Versioning and extension"."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal

from conformance import dcbor, framing, signing
from conformance.data import limit
from conformance.entropy import RESERVED
from conformance.judge.expect import Completes, Fails, Refuses, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.record import Frame, Record
from conformance.judge.series import Watched
from conformance.script import places
from conformance.script.asking import Asking
from conformance.script.faults import Fault
from conformance.script.initiator import Initiator
from conformance.script.session import Session

from .registry import Family

FAMILY = Family("extension")
_HELLO = "handshake/accept-pinned"
_IGNORES = "ignore-unknown-odd-frames"
_MOST = "ignore-64-unknown-frames"
_PATIENCE = 3.0
_EVEN = RESERVED[-1] + 1
"""A type, or key, of an even number that no version has given out."""


def _unknown(side: Initiator, stream: int, kind: int | None = None) -> None:
    """A frame of a reserved type with bytes that are no item, or of another type that nobody knows."""
    entropy = side.session.entropy
    kind = entropy.reserved() if kind is None else kind
    side.link.write(stream, framing.write_frame(kind, entropy.take(entropy.below(40))))


@FAMILY.case(_IGNORES, requirements=("EXT-007~1", "EXT-006~1"), expect=Completes())
async def ignore_unknown_odd_frames(session: Session) -> None:
    """Frames of odd types that nobody knows come in every state, reserved or not, and nobody minds.

    On the control stream behind HELLO; behind REQUEST, ACCEPT, each TICK and END. Their bodies need not be items.
    """
    side = await Initiator.connected(session)
    for kind in (None, 1, 2**62 - 1):
        _unknown(side, 2, kind)
    one = places.asking(side)
    one.send(one.compose(), reserved=False)
    for kind in (None, 7, 2**30 + 1):
        _unknown(side, one.stream, kind)
    await one.accept()
    while True:
        _unknown(side, one.stream)
        one.pay()
        frame = await one.next()
        if frame.kind != framing.CHUNK:
            break
    _unknown(side, one.stream)
    one.settle(frame)


@FAMILY.case("ignore-unknown-odd-keys", requirements=("EXT-006~1", "EXT-001~1"), expect=Completes())
async def ignore_unknown_odd_keys(session: Session) -> None:
    """Every unsigned map that the suite sends has odd keys that nobody knows, reserved or not, with any values."""
    side = await Initiator.connected(session)
    extra = {27: {1: [None]}, RESERVED[0]: b"\0", RESERVED[-1]: "\u20ac", 2**64 - 1: -1}
    side.control(framing.MODELS, dcbor.encode({0: [], **extra}))
    one = places.asking(side)
    content = one.content()
    content[2] = [{**message, **extra} for message in content[2]]
    one.ask({**content, **extra})
    await one.accept()
    if one.due > one.k:
        one.k = one.due
        one.write(framing.TICK, {0: one.k, 1: one.links[one.k], **extra})
    signature = await one.until_end()
    one.write(framing.COUNTERSIGN, {0: signature, **extra}, fin=True)


@FAMILY.case(_MOST, requirements=("EXT-008~1", "EXT-007~1"), expect=Completes())
async def ignore_64_unknown_frames(session: Session) -> None:
    """64 frames of reserved types on one request stream: as many as have to be ignored."""
    one = places.asking(await Initiator.connected(session))
    one.send(one.compose(), reserved=False)
    _several(one, limit("MAX_IGNORED"))
    await one.finish()


def _several(one: Asking, count: int) -> None:
    for _ in range(count):
        _unknown(one.side, one.stream)


@FAMILY.case(
    "reject-65-unknown-frames",
    requirements=("EXT-008~1",),
    expect=Fails("UNKNOWN_FRAME", "answer"),
    fault=Fault.FRAMES_UNKNOWN_TOO_MANY,
    twin=_MOST,
)
async def reject_65_unknown_frames(session: Session) -> None:
    """One frame more of reserved types than a request stream may have."""
    one = await places.answering(session)
    _several(one, limit("MAX_IGNORED"))
    one.side.commits(session.fault)
    _several(one, 1)
    await one.side.rest(_PATIENCE)


async def _even(session: Session, where: str, kind: int) -> None:
    if where == "control":
        side = await Initiator.connected(session)
        stream = 2
    else:
        one = await places.answering(session, max_tokens=None if where == "answer" else 2)
        side, stream = one.side, one.stream
        if where == "closing":
            await one.until_end()
    side.commits(session.fault)
    _unknown(side, stream, kind)
    await side.rest(_PATIENCE)


_STAGES: tuple[Literal["control", "answer", "closing"], ...] = ("control", "answer", "closing")
for _where in _STAGES:
    for _kind, _which in ((2 * len(framing.NAMES), "next"), (_EVEN, "high")):
        if _where == "closing" and _kind != _EVEN:
            continue
        FAMILY.add(
            f"reject-{_which}-even-type-in-{_where}",
            page=f"A frame of the even type {_kind}, which this version does not know: a later version gives an even "
            "number to what has to be understood, so nobody may pass over it.",
            requirements=("EXT-002~1",),
            script=partial(_even, where=_where, kind=_kind),
            expect=Fails("UNKNOWN_FRAME", _where),
            fault=Fault.FRAME_UNKNOWN_EVEN,
            twin=_IGNORES,
        )


async def _first(session: Session, kind: int) -> None:
    """A frame of an unknown type stands before HELLO."""
    side = await Initiator.dial(session)
    await side.hear_hello()
    side.commits(session.fault)
    _unknown(side, 2, kind)
    side.say_hello(session.key.signed(signing.HELLO, side.hello()))
    await side.rest(_PATIENCE)


for _kind, _which in ((RESERVED[2], "odd"), (_EVEN, "even")):
    FAMILY.add(
        f"reject-unknown-{_which}-first-frame",
        page=f"The control stream begins with a frame of an unknown {_which} type, and HELLO comes behind it: before "
        "a peer has shown who it is, nothing of its is passed over.",
        requirements=("EXT-009~1",),
        script=partial(_first, kind=_kind),
        expect=Fails("UNKNOWN_FRAME", "handshake"),
        fault=Fault.FRAME_UNKNOWN_FIRST,
        twin=_HELLO,
    )


@FAMILY.case(
    "refuse-capability-not-agreed",
    requirements=("VER-004~1",),
    expect=Refuses("UNSUPPORTED"),
    fault=Fault.CAPABILITY_NOT_AGREED,
    twin=_IGNORES,
)
async def refuse_capability_not_agreed(session: Session) -> None:
    """The initiator's HELLO does not offer CHAT, and it asks for it all the same."""
    side = await Initiator.connected(session, capabilities=())
    one = Asking(side, side.quotes[0] if side.quotes else places.invented_quote(side))
    one.send(one.compose(), fault=session.fault)
    await side.frame(one.stream, "ERROR")
    await side.probe()


@FAMILY.case("accept-wider-versions", requirements=("VER-006~1", "VER-001~1"), expect=Completes())
async def accept_wider_versions(session: Session) -> None:
    """The initiator offers versions 0 to 65535 in the one HELLO that there is: version 1 is used."""
    side = await Initiator.dial(session)
    await side.hear_hello()
    side.say_hello(session.key.signed(signing.HELLO, side.hello() | {3: 0, 4: 65_535}))
    await side.models()
    await places.complete(side)


# What the target sends for others to ignore

_CONNECTIONS, _REQUESTS = 12, 1


def _of_target(record: Record) -> Iterator[Frame]:
    for link in record.links:
        yield from link.of("target")


def _sends_reserved_frames(record: Record) -> Iterator[Finding]:
    frames = list(_of_target(record))
    if not any(each.kind in RESERVED for each in frames):
        message = f"none of {len(frames)} frames of the target is of a reserved type"
        yield Finding(verdict=Verdict.WARN, message=message)


def _sends_reserved_keys(record: Record) -> Iterator[Finding]:
    maps = [each.value for each in _of_target(record) if isinstance(each.value, dict)]
    if not any(key in RESERVED for each in maps for key in each):
        message = f"none of {len(maps)} unsigned maps of the target has a reserved key"
        yield Finding(verdict=Verdict.WARN, message=message)


async def _many(session: Session) -> None:
    """Connections and requests enough for now and then to come."""
    for number in range(_CONNECTIONS):
        side = await Initiator.connected(session)
        if number < _REQUESTS:
            await places.complete(side)
        side.link.close()


for _slug, _requirement, _what, _predicate in (
    ("send-reserved-frames", "EXT-004~1", "a frame of a reserved type", _sends_reserved_frames),
    ("send-reserved-keys", "EXT-005~1", "an unsigned map with a reserved key", _sends_reserved_keys),
):
    FAMILY.add(
        _slug,
        page=f"Over {_CONNECTIONS} connections and a request on the first the target sends {_what} at least once. "
        "Readers that never see an unknown value forget how to ignore one.",
        requirements=(_requirement,),
        script=_many,
        expect=Shows(f"{_what} comes now and then", _predicate),
    )


FAMILY.add(
    "send-what-was-agreed",
    page="The target sends no even type and key that nobody agreed on, and reserved ones only where they may be. "
    "An honest initiator is refused and answered; the same is watched in every other case.",
    requirements=(
        "VER-007~1",
        "EXT-010~2",
        "EXT-011~1",
    ),
    script=places.visit,
    expect=Watched(),
)
