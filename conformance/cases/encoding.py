"""Items that are not deterministic, in every place where the target reads one: SPEC.md, "Encoding" and "Errors"."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from conformance import dcbor
from conformance.case import Tier
from conformance.data import limit, registry
from conformance.dcbor import Item
from conformance.entropy import RESERVED
from conformance.judge.ending import Stage
from conformance.judge.expect import Completes, Expectation, Fails, Refuses
from conformance.judge.series import Each
from conformance.script import places
from conformance.script.asking import Draft, Edits
from conformance.script.faults import Fault
from conformance.script.frames import ITEMS, REASONS, SHAPES, drawn
from conformance.script.initiator import Initiator
from conformance.script.places import Place
from conformance.script.session import Session

from .registry import Family

FAMILY = Family("encoding")
_HELLO = "handshake/accept-pinned"
_REQUEST = "accept-every-type"
_MODELS = "control/accept-models-of-initiator"
_MEANINGS = {each["name"]: (each["requirement"], each["meaning"]) for each in registry("encoding-reasons")}


@FAMILY.case(_REQUEST, requirements=("ENC-005~1", "EXT-006~1"), expect=Completes(), tier="smoke")
async def accept_every_type(session: Session) -> None:
    """A request whose content has, under a reserved key, everything that an item may have.

    The least and the greatest integers, strings, text of several planes, containers as deep as they may be, false,
    true and null: all of it is ignored, and the request is answered. It is the honest twin of every damaged request.
    """
    side = await Initiator.connected(session)
    one = places.asking(side)
    one.ask(one.content() | {RESERVED[-1]: _every_type()})
    await one.finish()


def _every_type() -> list[Item]:
    deep: list[Item] = []
    for _ in range(dcbor.MAX_DEPTH - 3):
        deep = [deep]
    return [0, 23, 24, 255, 256, 2**32, 2**64 - 1, -1, -(2**64), b"", b"\0\xff", "", "a\0\u00e9\u20ac\U0001f600",
            deep, {0: {}, 2**64 - 1: []}, False, True, None]  # fmt: skip


@FAMILY.case("accept-most-items", requirements=("ENC-005~1", "FRM-005~1"), expect=Completes())
async def accept_most_items(session: Session) -> None:
    """A REQUEST with exactly 65,536 array elements and map entries: the most that an item may have."""
    side = await Initiator.connected(session)
    one = places.asking(side)
    one.send(one.compose(edits=Edits(request=_fill)))
    await one.finish()


def _fill(draft: Draft) -> None:
    """The four entries, the signed object's two elements, and one entry more with all the others."""
    draft.request[RESERVED[0]] = [None] * (limit("MAX_ITEMS") - len(draft.request) - 3)


def _refuse(
    place: Place, fault: Fault, expect: Expectation, twin: str, *, requirements: Sequence[str], why: str
) -> None:
    slug = fault.name.lower().removeprefix("item_").removeprefix("shape_").replace("_", "-")
    FAMILY.add(
        f"reject-{slug}-in-{place.name}",
        page=f"{place.what} breaks a rule, and nothing else is wrong with it. {why}",
        requirements=requirements,
        script=partial(places.run, place=place, damage={**ITEMS, **SHAPES}[fault]),
        expect=expect,
        fault=fault,
        twin=twin,
    )


def _every_reason(place: Place, expect: Expectation, twin: str, *requirements: str) -> None:
    """One case for each registered reason."""
    for fault, reason in REASONS.items():
        requirement, meaning = _MEANINGS[reason]
        _refuse(place, fault, expect, twin, requirements=(f"{requirement}~1", *requirements), why=meaning)


def _fails(stage: Stage) -> Expectation:
    return Fails("ENCODING", stage)


_every_reason(places.HELLO_FRAME, _fails("handshake"), _HELLO)
_every_reason(places.HELLO_BODY, _fails("handshake"), _HELLO)
_every_reason(places.MODELS, _fails("control"), _MODELS)
_every_reason(places.QUOTE, _fails("control"), _MODELS)
_every_reason(places.REQUEST, Refuses("MALFORMED"), _REQUEST, "ERR-006~1")
_every_reason(places.CONTENT, Refuses("MALFORMED"), _REQUEST, "ERR-006~1", "INF-003~1")
_every_reason(places.OPEN, Refuses("MALFORMED"), _REQUEST, "ERR-006~1")
_every_reason(places.TICK, _fails("answer"), _REQUEST)
_ANSWER: Stage = "answer"
_LATER: dict[Place, Stage] = {
    places.CREDIT: "answer",
    places.CANCEL: "answer",
    places.ERROR: "answer",
    places.COUNTERSIGN: "closing",
}
for _place, _stage in _LATER.items():
    _refuse(
        _place,
        Fault.ITEM_KEY_ORDER,
        Fails("ENCODING", _stage),
        _REQUEST,
        requirements=("ENC-013~1",),
        why=_MEANINGS["key-order"][1],
    )

# Shapes

_SHAPES = {
    Fault.SHAPE_NO_MAP: "It is null, where a map has to be.",
    Fault.SHAPE_MISSING_KEY: "Its last key is missing.",
    Fault.SHAPE_OTHER_TYPE: "The value of key 0 is false.",
    Fault.SHAPE_UNKNOWN_EVEN_KEY: "It has an even key that this version does not know: whoever sent it wants it read.",
}
_BEHIND_ACCEPT = "The frame comes behind ACCEPT, where a frame that is not what its rule says closes the connection."


def _every_shape(place: Place, expect: Expectation, twin: str, requirement: str, *, why: str = "") -> None:
    for fault, what in _SHAPES.items():
        known = "EXT-001~1" if fault is Fault.SHAPE_UNKNOWN_EVEN_KEY else requirement
        cited = tuple(dict.fromkeys((known, requirement)))
        _refuse(place, fault, expect, twin, requirements=cited, why=f"{what} {why}".strip())


_every_shape(places.MODELS, _fails("control"), _MODELS, "FRM-008~1")
_every_shape(places.REQUEST, Refuses("MALFORMED"), _REQUEST, "ERR-006~1")
for _place, _stage in ((places.TICK, _ANSWER), *_LATER.items()):
    _every_shape(_place, Fails("ENCODING", _stage), _REQUEST, "FRM-008~1", why=_BEHIND_ACCEPT)
for _fault in (Fault.SHAPE_MISSING_KEY, Fault.SHAPE_OTHER_TYPE):
    _refuse(places.QUOTE, _fault, _fails("control"), _MODELS, requirements=("RCP-001~1",), why=_SHAPES[_fault])
for _fault in (Fault.SHAPE_UNKNOWN_EVEN_KEY, Fault.SHAPE_UNKNOWN_ODD_KEY):
    _refuse(
        places.QUOTE,
        _fault,
        _fails("control"),
        _MODELS,
        requirements=("RCP-001~1", "EXT-003~1"),
        why="It has a key that its rule does not list: in a signed map that is fatal, odd or even.",
    )

# Generated

_AT_ONCE, _IN_TURN = 48, 12
"""Items of a generated case: on streams of one connection, or each on a connection of its own."""


async def _drawn(session: Session, place: Place) -> None:
    """Every item that is asked for, each on a stream or connection of its own."""
    side = None
    for entropy in session.draws():
        if side is None or not place.lives_on:
            side = await place.reach(session)
        await place.send(side, session.fault, drawn(entropy))
    if side is not None and place.lives_on:
        await side.probe()


def _generate(place: Place, expect: Expectation, twin: str, *requirements: str, tier: Tier = "core") -> None:
    FAMILY.add(
        f"reject-drawn-in-{place.name}",
        page=f"{place.what} is changed at random, byte by byte, until it is no item any more; many times over, each "
        "time on its own. Whoever accepts one of them reads bytes that encode otherwise.",
        requirements=requirements,
        script=partial(_drawn, place=place),
        expect=Each(expect),
        fault=Fault.ITEM_DRAWN,
        twin=twin,
        tier=tier,
        items=_AT_ONCE if place.lives_on else _IN_TURN,
    )


_ENC = tuple(f"ENC-{number:03}~1" for number in range(10, 20))
_generate(places.HELLO_FRAME, _fails("handshake"), _HELLO, *_ENC)
_generate(places.HELLO_BODY, _fails("handshake"), _HELLO, *_ENC)
_generate(places.MODELS, _fails("control"), _MODELS, *_ENC)
_generate(places.QUOTE, _fails("control"), _MODELS, *_ENC)
_generate(places.REQUEST, Refuses("MALFORMED"), _REQUEST, "ERR-006~1", *_ENC)
_generate(places.CONTENT, Refuses("MALFORMED"), _REQUEST, "ERR-006~1", "INF-003~1", *_ENC)
_generate(places.OPEN, Refuses("MALFORMED"), _REQUEST, "ERR-006~1", *_ENC)
_generate(places.TICK, _fails("answer"), _REQUEST, *_ENC, tier="full")
