"""Family ``roll``: who is out, and which of two rolls counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mycellm_proto.codec import Value
from mycellm_proto.errors import ErrorCode
from mycellm_proto.limits import CLOCK_SKEW, MAX_EPOCH
from mycellm_proto.roll import Roll, newer_roll, read_roll
from mycellm_proto.signed import Context, Signed

from .constants import ALICE, BOB, NOW, SHOWN, flipped, shown
from .family import HEX, NUMBER, Family, Json, accept, case, nullable, outcome, reject
from .members import AUTHORITY, LAB, OLD_AUTHORITY, OTHER, ROLL, ROOT, ascending, hexed
from .notation import as_map

_SIGNED = ROLL.sign(AUTHORITY)
_BODY = as_map(_SIGNED.body)
_SKEW = int(CLOCK_SKEW)
_ENTRIES: list[Value] = [[key, epoch] for key, epoch in ROLL.revoked]

# Slug, requirement, the roll, and the one that is held already.
_GOOD: tuple[tuple[str, str, Roll, Roll | None], ...] = (
    ("accept-two-revoked", "NET-019~1 SIG-002~1", ROLL, None),
    ("accept-nobody-revoked", "NET-018~1", replace(ROLL, revoked=()), None),
    ("accept-within-the-clock-skew", "NET-019~1", replace(ROLL, issued=NOW + _SKEW), None),
    ("accept-highest-epoch", "NET-018~1", replace(ROLL, revoked=((BOB.public, MAX_EPOCH),)), None),
    ("accept-newer-number", "NET-027~1", ROLL, replace(ROLL, number=6, revoked=())),
    ("accept-older-number-that-does-not-count", "NET-027~1", ROLL, replace(ROLL, number=8, issued=NOW - 30)),
    ("accept-the-same-again", "NET-028~1", ROLL, ROLL),
)
_SHAPE = "NET-018~1"
_BAD: tuple[tuple[str, str, Mapping[int, Value]], ...] = (
    ("reject-odd-key", "EXT-003~1", {5: True}),
    ("reject-network-of-31-bytes", _SHAPE, {0: bytes(31)}),
    ("reject-number-0", _SHAPE, {1: 0}),
    ("reject-issued-negative", _SHAPE, {2: -1}),
    ("reject-revoked-map", _SHAPE, {3: {}}),
    ("reject-epoch-0", _SHAPE, {3: [[BOB.public, 0]]}),
    ("reject-key-of-31-bytes", _SHAPE, {3: [[bytes(31), 1]]}),
    ("reject-entry-of-three", _SHAPE, {3: [[BOB.public, 1, 1]]}),
    ("reject-1025-entries", _SHAPE, {3: [[n.to_bytes(32, "big"), 1] for n in range(1025)]}),
    ("reject-keys-descending", _SHAPE, {3: list(reversed(_ENTRIES))}),
    ("reject-key-twice", _SHAPE, {3: [[BOB.public, 1], [BOB.public, 2]]}),
    ("reject-of-another-network", _SHAPE, {0: OTHER.network}),
    ("reject-of-the-future", "NET-019~1", {2: NOW + _SKEW + 1}),
)


def _cases() -> list[dict[str, Json]]:
    made = []
    for slug, requirement, roll, held in _GOOD:
        signed = roll.sign(AUTHORITY)
        counts = newer_roll(held, read_roll(signed, descriptor=LAB, now=NOW))
        made.append(_case(slug, requirement, signed, held, accept(number=counts.number)))
    for slug, requirement, change in _BAD:
        made.append(_refused(slug, requirement, Signed.make(AUTHORITY, Context.ROLL, {**_BODY, **change})))
    forked = replace(ROLL, revoked=ascending((ALICE.public, 1)))
    made += [
        _refused("reject-signed-by-the-root", "NET-019~1", ROLL.sign(ROOT)),
        _refused("reject-signed-by-the-authority-before", "NET-019~1", ROLL.sign(OLD_AUTHORITY)),
        _refused("reject-unsigned", "NET-019~1", replace(_SIGNED, signature=bytes(64))),
        _refused("reject-flipped-signature", "NET-019~1", replace(_SIGNED, signature=flipped(_SIGNED.signature))),
        _refused("reject-wrong-context", "NET-019~1", Signed.make_over(AUTHORITY, Context.MEMBERSHIP, _SIGNED.body)),
        _refused("reject-two-of-one-number", "NET-028~1", _SIGNED, forked),
    ]
    return made


def _case(slug: str, requirement: str, signed: Signed, held: Roll | None, expect: Json) -> dict[str, Json]:
    content: dict[str, Json] = {
        "descriptor": hexed(LAB.sign(ROOT)),
        "now": NOW,
        "held": None if held is None else hexed(held.sign(AUTHORITY)),
        **shown(signed, Context.ROLL),
    }
    return case(slug, requirement, **content, expect=expect)


def _refused(slug: str, requirement: str, signed: Signed, held: Roll | None = None) -> dict[str, Json]:
    expect = reject(
        lambda: newer_roll(held, read_roll(signed, descriptor=LAB, now=NOW)), ErrorCode.NOT_MEMBER, requirement
    )
    return _case(slug, requirement, signed, held, expect)


FAMILY = Family(
    name="roll",
    description="Rolls of revoked keys, as a verifier takes them.",
    notes=(
        "descriptor is the network's, verified. body and signature make the roll that is offered, held is the roll that"
        " the verifier has taken before, or null.",
        "Accepted: number is that of the roll which counts from then on. Rejected: held still counts.",
    ),
    verification=(
        "Make check 3 of SPEC.md, Networks, and say which roll counts.",
        "descriptor and held have passed all checks before.",
    ),
    schema={"descriptor": HEX, "now": NUMBER, "held": nullable(HEX), **SHOWN, "expect": outcome(number=NUMBER)},
    cases=_cases,
)
