"""Family ``record``: where nodes may be found, in their own words."""

from __future__ import annotations

from dataclasses import replace

from mycellm_proto.codec import Value
from mycellm_proto.economy import DIRECT_NETWORK
from mycellm_proto.errors import ErrorCode
from mycellm_proto.limits import CLOCK_SKEW, MAX_RECORD_LIFE
from mycellm_proto.records import Record, newer_record, read_record
from mycellm_proto.signed import Context, Signed

from . import constants as c
from .family import HEX, NUMBER, DisagreementError, Family, Json, accept, case, nullable, outcome, reject
from .members import NETWORK, hexed
from .notation import as_map

RECORD = Record(
    node=c.BOB.public,
    sequence=12,
    network=DIRECT_NETWORK,
    addresses=((bytes((8, 8, 4, 4)), 4242), (bytes.fromhex("2001486048600000000000000000beef"), 4242)),
    issued=c.NOW - 60,
    expires=c.NOW + 3600,
)
_SKEW, _DAY = int(CLOCK_SKEW), MAX_RECORD_LIFE

# Slug, what is held, what is offered, the sequence that counts.
_GOOD: tuple[tuple[str, Record | None, Record, int], ...] = (
    ("accept-honest", None, RECORD, 12),
    ("accept-without-addresses", None, replace(RECORD, addresses=()), 12),
    ("accept-in-a-rooted-network", None, replace(RECORD, network=NETWORK), 12),
    ("accept-of-a-whole-day", None, replace(RECORD, expires=RECORD.issued + _DAY), 12),
    ("accept-of-a-clock-ahead", None, replace(RECORD, issued=c.NOW + _SKEW), 12),
    ("accept-in-its-last-second", None, replace(RECORD, expires=c.NOW + 1), 12),
    ("accept-newer", RECORD, replace(RECORD, sequence=13, addresses=()), 13),
    ("accept-older-that-does-not-count", RECORD, replace(RECORD, sequence=11), 12),
    ("accept-the-same-again", RECORD, RECORD, 12),
)
# Slug, requirement, what is held, what is offered.
_BAD: tuple[tuple[str, str, Record | None, Signed], ...] = (
    ("reject-signed-by-another", "DSC-002~1", None, RECORD.sign(c.CAROL)),
    ("reject-flipped", "DSC-002~1", None, replace(RECORD.sign(c.BOB), signature=c.flipped(bytes(64)))),
    (
        "reject-in-another-context",
        "DSC-002~1",
        None,
        Signed.make_over(c.BOB, Context.HELLO, RECORD.sign(c.BOB).body),
    ),
    ("reject-expired", "DSC-003~1", None, replace(RECORD, expires=c.NOW).sign(c.BOB)),
    (
        "reject-of-more-than-a-day",
        "DSC-003~1",
        None,
        replace(RECORD, expires=RECORD.issued + _DAY + 1).sign(c.BOB),
    ),
    ("reject-of-the-future", "DSC-003~1", None, replace(RECORD, issued=c.NOW + _SKEW + 1).sign(c.BOB)),
    (
        "reject-issued-after-its-end",
        "DSC-003~1",
        None,
        replace(RECORD, issued=c.NOW + 100, expires=c.NOW + 99).sign(c.BOB),
    ),
    ("reject-two-of-one-sequence", "DSC-004~1", RECORD, replace(RECORD, addresses=()).sign(c.BOB)),
)
_SHAPES: tuple[tuple[str, str, dict[int, Value]], ...] = (
    ("reject-sequence-0", "DSC-001~1", {1: 0}),
    ("reject-port-0", "DSC-001~1", {3: [[bytes(4), 0]]}),
    ("reject-address-of-5-bytes", "DSC-001~1", {3: [[bytes(5), 4242]]}),
    ("reject-five-addresses", "DSC-001~1", {3: [[bytes(4), 4242]] * 5}),
    ("reject-host-name", "DSC-001~1", {3: [["node.example", 4242]]}),
    ("reject-odd-key", "EXT-003~1", {7: None}),
)


def _cases() -> list[dict[str, Json]]:
    made = []
    for slug, held, offered, sequence in _GOOD:
        signed = offered.sign(c.BOB)
        if newer_record(held, read_record(signed, now=c.NOW)).sequence != sequence:
            raise DisagreementError(slug)
        requirement = "DSC-001~1 DSC-002~1 DSC-003~1 DSC-004~1"
        made.append(_case(slug, requirement, held, signed, accept(sequence=sequence)))
    changed = [
        (slug, requirement, None, Signed.make(c.BOB, Context.RECORD, {**as_map(RECORD.sign(c.BOB).body), **change}))
        for slug, requirement, change in _SHAPES
    ]
    for slug, requirement, held, signed in (*_BAD, *changed):
        expect = reject(lambda h=held, s=signed: _read(h, s), ErrorCode.MALFORMED, requirement)  # type: ignore[misc]
        made.append(_case(slug, requirement, held, signed, expect))
    return made


def _read(held: Record | None, signed: Signed) -> None:
    newer_record(held, read_record(signed, now=c.NOW))


def _case(slug: str, requirement: str, held: Record | None, signed: Signed, expect: Json) -> dict[str, Json]:
    shown = None if held is None else hexed(held.sign(c.BOB))
    return case(slug, requirement, now=c.NOW, held=shown, **c.shown(signed, Context.RECORD), expect=expect)


FAMILY = Family(
    name="record",
    description="Peer records, offered to a node that may hold one of the same node.",
    notes=(
        "held is the record that the node holds, a signed object, verified before; or null. body and signature are the"
        " one that is offered, now the node's clock.",
        "Accepted: sequence is that of the record that counts from then on. Rejected: the node keeps what it held.",
    ),
    verification=("Judge the record by SPEC.md, Discovery, then say which of the two counts.",),
    schema={"now": NUMBER, "held": nullable(HEX), **c.SHOWN, "expect": outcome(sequence=NUMBER)},
    cases=_cases,
)
