"""Sizes and counts at their limits and beyond: SPEC.md, "Limits"."""

from __future__ import annotations

from functools import partial

from conformance import dcbor, framing, signing
from conformance.data import limit
from conformance.dcbor import Item
from conformance.entropy import RESERVED
from conformance.judge.ending import Stage
from conformance.judge.expect import Completes, Fails
from conformance.judge.series import LivesOn
from conformance.script import places
from conformance.script.asking import Draft, Edits
from conformance.script.faults import Fault
from conformance.script.frames import head
from conformance.script.initiator import Initiator
from conformance.script.session import Session

from .registry import Family

FAMILY = Family("limits")
_HELLO = "handshake/accept-pinned"
_MODELS = "accept-largest-models"
_REQUEST = "accept-largest-request"
_SMALL = "accept-largest-small-frames"
_PATIENCE = 3.0


def padded(body: dict[int, Item], size: int) -> bytes:
    """The encoding of ``body`` with a reserved entry that brings it to ``size`` bytes."""
    spare = size - len(dcbor.encode({**body, RESERVED[-1]: b""}))
    # A byte string's head grows with its length, so that the last bytes are found by trying.
    for length in range(max(spare - 4, 0), spare + 1):
        encoded = dcbor.encode({**body, RESERVED[-1]: bytes(length)})
        if len(encoded) == size:
            return encoded
    raise ValueError(f"no padding brings the body to {size} bytes")


# As large as may be


@FAMILY.case(_MODELS, requirements=("FRM-005~1",), expect=Completes())
async def accept_largest_models(session: Session) -> None:
    """A MODELS whose body has exactly 65,536 bytes, and then a request."""
    side = await Initiator.connected(session)
    quotes = [session.key.signed(signing.QUOTE, places.own_quote(side))] * limit("MAX_QUOTES")
    side.control(framing.MODELS, padded({0: quotes}, limit("MAX_MODELS")))
    await places.complete(side)


@FAMILY.case(_REQUEST, requirements=("FRM-005~1", "EXT-006~1"), expect=Completes())
async def accept_largest_request(session: Session) -> None:
    """A REQUEST whose body has exactly 1,048,576 bytes, most of them under a reserved key."""
    side = await Initiator.connected(session)
    one = places.asking(side)

    def pad(draft: Draft) -> None:
        draft.body = padded(draft.request, limit("MAX_REQUEST"))

    one.send(one.compose(edits=Edits(body=pad)))
    await one.finish()


@FAMILY.case(_SMALL, requirements=("FRM-005~1", "EXT-007~1"), expect=Completes())
async def accept_largest_small_frames(session: Session) -> None:
    """Frames with bodies of exactly 1024 bytes: of reserved types on both streams, and a TICK with a reserved key."""
    side = await Initiator.connected(session)
    junk = session.entropy.take(limit("MAX_SMALL"))
    side.control(session.entropy.reserved(), junk)
    one = places.asking(side)
    one.send(one.compose())
    side.link.write(one.stream, framing.write_frame(session.entropy.reserved(), junk))
    await one.accept()
    if one.due > one.k:
        one.k = one.due
        tick = padded({0: one.k, 1: one.links[one.k]}, limit("MAX_SMALL"))
        side.link.write(one.stream, framing.write_frame(framing.TICK, tick))
    await one.finish()


# One byte more


async def _too_large(session: Session, kind: int, where: Stage) -> None:
    """The head alone of a frame that is a byte too long."""
    if where == "handshake":
        side = await Initiator.dial(session)
        await side.hear_hello()
        stream, bound = 2, limit("MAX_HELLO")
    elif where == "answer":
        one = await places.answering(session)
        side, stream = one.side, one.stream
        bound = limit("MAX_SMALL")
    else:
        side = await Initiator.connected(session)
        stream = 2 if where == "control" else side.open_stream()
        bounds = {framing.MODELS: limit("MAX_MODELS"), framing.REQUEST: limit("MAX_REQUEST")}
        bound = (bounds | {framing.CALL: limit("MAX_CALL")}).get(kind, 1024)
    side.commits(session.fault)
    side.link.write(stream, head(kind, bound + 1))
    await side.rest(_PATIENCE)


def _reject(what: str, kind: int, where: Stage, twin: str, *requirements: str, stage: Stage | None = None) -> None:
    FAMILY.add(
        f"reject-large-{what}",
        page=f"The head of a frame ({what.replace('-', ' ')}) says that a byte more follows than its type may have. "
        "The connection is closed as soon as the head is there; the body never comes.",
        requirements=requirements,
        script=partial(_too_large, kind=kind, where=where),
        expect=Fails("FRAME_TOO_LARGE", stage or where),
        fault=Fault.BODY_TOO_LARGE,
        twin=twin,
    )


_EVEN, _ODD = RESERVED[-1] + 1, RESERVED[3]
_reject("models-before-hello", framing.MODELS, "handshake", _HELLO, "FRM-009~1")
_reject("request-before-hello", framing.REQUEST, "handshake", _HELLO, "FRM-009~1")
_reject("unknown-before-hello", _ODD, "handshake", _HELLO, "FRM-009~1")
_reject("models", framing.MODELS, "control", _MODELS, "FRM-005~1")
_reject("unknown-odd-on-control", _ODD, "control", _SMALL, "FRM-005~1")
_reject("unknown-even-on-control", _EVEN, "control", _SMALL, "FRM-005~1")
_reject("request", framing.REQUEST, "request", _REQUEST, "FRM-005~1", stage="control")
_reject("call", framing.CALL, "request", "calls/answer-every-call", "FRM-005~1", stage="control")
_reject("unknown-first-frame", _ODD, "request", _REQUEST, "FRM-005~1", stage="control")
_reject("tick", framing.TICK, "answer", _SMALL, "FRM-005~1")
_reject("cancel", framing.CANCEL, "answer", _SMALL, "FRM-005~1")
_reject("error", framing.ERROR, "answer", _SMALL, "FRM-005~1")
_reject("unknown-odd-in-answer", _ODD, "answer", _SMALL, "FRM-005~1")

# Everything that is unfinished, together

_PIECE = 1_000_000
"""Bytes of a REQUEST that does not end: four of them are within `MAX_BUFFERED`, five are not."""
_BUFFERED = "accept-unfinished-requests"


def _unfinished(side: Initiator, count: int) -> None:
    for _ in range(count):
        side.link.write(side.open_stream(), head(framing.REQUEST, limit("MAX_REQUEST")) + bytes(_PIECE))


@FAMILY.case(_BUFFERED, requirements=("FRM-006~1",), expect=LivesOn(), tier="full", seconds=3)
async def accept_unfinished_requests(session: Session) -> None:
    """Four requests of a megabyte each are on their way at once, which is within the limit of four and a bit."""
    side = await Initiator.connected(session)
    _unfinished(side, 4)
    await side.probe()


@FAMILY.case(
    "reject-unfinished-requests",
    requirements=("FRM-006~1",),
    expect=Fails("RATE_EXCEEDED", "control"),
    fault=Fault.UNFINISHED_TOO_MUCH,
    twin=_BUFFERED,
    tier="full",
    seconds=10,
)
async def reject_unfinished_requests(session: Session) -> None:
    """Five requests of a megabyte each begin, and none of them ends: more than a node keeps for one peer."""
    side = await Initiator.connected(session)
    _unfinished(side, 4)
    side.commits(session.fault)
    _unfinished(side, 1)
    await side.rest(10)
