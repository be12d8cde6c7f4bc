"""Family ``arguments``: what goes into calls and comes out of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from mycellm_proto.codec import Value, decode, encode
from mycellm_proto.economy import sign
from mycellm_proto.errors import ErrorCode
from mycellm_proto.items import Item
from mycellm_proto.membership import AccountEpoch
from mycellm_proto.network_calls import (
    SHAPES,
    Empty,
    Join,
    Joined,
    Prove,
    Proved,
    Revoke,
    Show,
    decode_item,
    encode_item,
)
from mycellm_proto.records import Announce, Find, Found
from mycellm_proto.settlement import AskBalance, Balance, Outcome, Report, Reserved, Settle, Settled, Settlement

from .claim import OPEN, SIGNED_OPEN, claim, receipt
from .constants import ALICE, BOB, NOW, entropy
from .family import HEX, DisagreementError, Family, Json, accept, case, outcome, reject
from .members import AUTHORITY, BOBS, DORA, DORAS, INVITE, LAB, LAPTOP, NETWORK, ROLL, ROOT
from .notation import as_map
from .record import RECORD
from .reserve import HONEST

_LAB, _ROLL = LAB.sign(ROOT), ROLL.sign(AUTHORITY)
_EPOCH = AccountEpoch(account=DORA.public, epoch=6).sign(DORA)
_BOBS, _DORAS, _LAPTOP = BOBS.sign(AUTHORITY), DORAS.sign(AUTHORITY), LAPTOP.sign(DORA)

_GOOD: tuple[tuple[str, Any], ...] = (
    ("accept-prove", Prove(blind=entropy("blind"))),
    ("accept-proved", Proved(descriptor=_LAB, membership=_BOBS, roll=_ROLL)),
    ("accept-proved-without-a-roll", Proved(descriptor=_LAB, membership=_BOBS, roll=None)),
    ("accept-proved-by-certificate", Proved(descriptor=_LAB, membership=_DORAS, node_certificate=_LAPTOP, roll=_ROLL)),
    ("accept-show", Show(network=NETWORK, membership=_BOBS, roll=_ROLL)),
    ("accept-show-by-certificate", Show(network=NETWORK, membership=_DORAS, node_certificate=_LAPTOP, roll=None)),
    ("accept-join-by-invite", Join(network=NETWORK, invite=INVITE.sign(AUTHORITY), member=BOB.public)),
    ("accept-join-of-an-account", Join(network=NETWORK, invite=None, member=DORA.public, node_certificate=_LAPTOP)),
    ("accept-joined", Joined(descriptor=_LAB, membership=_BOBS, roll=_ROLL)),
    ("accept-revoke", Revoke(epoch=_EPOCH)),
    ("accept-empty", Empty()),
)
_PLAIN: dict[type[Any], Any] = {type(value): value for _, value in reversed(_GOOD)}
_SHAPE = "NET-050~1"


def _put(key: int, value: Value) -> Callable[[dict[int, Value]], object]:
    return lambda item: item.update({key: value})


def _drop(key: int) -> Callable[[dict[int, Value]], object]:
    return lambda item: item.pop(key)


_HALF: Value = [b"\xa0", bytes(63)]
_BAD: tuple[tuple[str, str, type[Any], Callable[[dict[int, Value]], object]], ...] = (
    ("reject-prove-of-31-bytes", _SHAPE, Prove, _put(0, bytes(31))),
    ("reject-prove-without-blind", _SHAPE, Prove, _drop(0)),
    ("reject-prove-even-key", "EXT-001~1", Prove, _put(4, None)),
    ("reject-proved-without-roll", _SHAPE, Proved, _drop(3)),
    ("reject-proved-certificate-null", "SIG-001~1", Proved, _put(2, None)),
    ("reject-proved-half-signed", "SIG-001~1", Proved, _put(1, _HALF)),
    ("reject-show-membership-null", "SIG-001~1", Show, _put(1, None)),
    ("reject-show-network-text", _SHAPE, Show, _put(0, "lab")),
    ("reject-join-without-invite", _SHAPE, Join, _drop(1)),
    ("reject-join-member-null", _SHAPE, Join, _put(2, None)),
    ("reject-joined-half-signed", "SIG-001~1", Joined, _put(0, _HALF)),
    ("reject-revoke-number", "SIG-001~1", Revoke, _put(0, 6)),
    ("reject-empty-even-key", "EXT-001~1", Empty, _put(0, 1)),
)


_CLAIM = receipt()
_ITEMS: tuple[tuple[str, Item], ...] = (
    ("accept-reserve", HONEST),
    ("accept-reserve-of-a-member-node", replace(HONEST, membership=_BOBS, node_certificate=None)),
    ("accept-reserved", Reserved(expires=NOW + 3660)),
    ("accept-settle", Settle(claims=(claim(4), _CLAIM))),
    ("accept-settle-nothing", Settle(claims=())),
    (
        "accept-settled",
        Settled(
            outcomes=(
                Settlement(outcome=Outcome.BOOKED, amount=32),
                Settlement(outcome=Outcome.REPEATED, amount=26),
                Settlement(outcome=Outcome.REFUSED, code=ErrorCode.NO_RESERVATION),
            )
        ),
    ),
    ("accept-balance", AskBalance(network=NETWORK)),
    ("accept-balanced", Balance(balance=5_000_000, reserved=1000)),
    ("accept-find", Find(network=entropy("blind"), most=64)),
    ("accept-found", Found(records=(RECORD.sign(BOB),))),
    ("accept-found-nothing", Found(records=())),
    ("accept-announce", Announce(record=RECORD.sign(BOB))),
    ("accept-report", Report(first=SIGNED_OPEN, second=sign(ALICE, replace(OPEN, ceiling=1)))),
)
_RESERVE, _SETTLE, _SETTLED, _BALANCED = (_ITEMS[at][1] for at in (0, 3, 5, 7))
_BAD_ITEMS: tuple[tuple[str, str, Item, Callable[[dict[int, Value]], object]], ...] = (
    ("reject-reserve-of-no-time", "CAL-015~1", _RESERVE, _put(4, 0)),
    ("reject-reserve-of-too-long", "CAL-015~1", _RESERVE, _put(4, 7201)),
    ("reject-reserve-half-signed", "SIG-001~1", _RESERVE, _put(1, _HALF)),
    ("reject-reserve-without-membership", "CAL-015~1", _RESERVE, _drop(2)),
    ("reject-settle-17", "CAL-015~1", _SETTLE, _put(0, [as_map(claim(1).encode())] * 17)),
    ("reject-settle-k-beyond-most", "CAL-015~1", _SETTLE, _put(0, [{**as_map(claim(1).encode()), 2: 65_537}])),
    ("reject-settle-link-31", "CAL-015~1", _SETTLE, _put(0, [{**as_map(claim(1).encode()), 3: bytes(31)}])),
    ("reject-settle-countersignature-63", "CAL-015~1", _SETTLE, _put(0, [{**as_map(_CLAIM.encode()), 5: bytes(63)}])),
    ("reject-settle-even-key-in-claim", "EXT-001~1", _SETTLE, _put(0, [{**as_map(claim(1).encode()), 6: None}])),
    ("reject-settled-outcome-4", "CAL-015~1", _SETTLED, _put(0, [{0: 4, 2: 0}])),
    ("reject-settled-negative", "CAL-015~1", _SETTLED, _put(0, [{0: 1, 2: -1}])),
    ("reject-balanced-beyond-amount", "CAL-015~1", _BALANCED, _put(0, 1 << 53)),
    ("reject-find-nothing", "CAL-015~1", _ITEMS[8][1], _put(1, 0)),
    ("reject-find-65", "CAL-015~1", _ITEMS[8][1], _put(1, 65)),
    ("reject-found-65", "CAL-015~1", _ITEMS[9][1], _put(0, [[b"\xa0", bytes(64)]] * 65)),
    ("reject-announce-half-signed", "SIG-001~1", _ITEMS[11][1], _put(0, _HALF)),
    ("reject-report-of-one-open", "CAL-015~1", _ITEMS[-1][1], _drop(1)),
)


def _cases() -> list[dict[str, Json]]:
    made = []
    for slug, value in _GOOD:
        data = encode_item(value)
        if decode_item(type(value), data) != value:
            raise DisagreementError(slug)
        made.append(_case(slug, _SHAPE, type(value), data, accept()))
    kinds: tuple[type[Any], ...] = (Prove, Empty)
    for kind in kinds:
        odd = encode({**as_map(encode_item(_PLAIN[kind])), 65: True})
        if decode_item(kind, odd) != _PLAIN[kind]:
            raise DisagreementError(kind.__name__)
        made.append(_case(f"accept-{_rule(kind)}-with-reserved-key", "EXT-006~1", kind, odd, accept()))
    for slug, requirement, kind, change in _BAD:
        item = as_map(encode_item(_PLAIN[kind]))
        change(item)
        made.append(_refused(slug, requirement, kind, encode(item)))
    for slug, good in _ITEMS:
        if type(good).decode(good.encode()) != good:
            raise DisagreementError(slug)
        made.append(_item(slug, "CAL-015~1", good, good.encode(), accept()))
    for slug, requirement, whole, change in _BAD_ITEMS:
        entries = as_map(whole.encode())
        change(entries)
        data = encode(entries)
        expect = reject(partial(type(whole).decode, data), ErrorCode.MALFORMED, requirement)
        made.append(_item(slug, requirement, whole, data, expect))
    made += [
        _refused("reject-no-map", _SHAPE, Empty, encode([])),
        _refused("reject-no-bytes", "ENC-010~1", Empty, b""),
        _refused("reject-trailing-byte", "ENC-011~1", Prove, encode_item(_PLAIN[Prove]) + b"\x00"),
    ]
    if decode(encode_item(_PLAIN[Empty])) != {}:
        raise DisagreementError("empty")
    return made


def _item(slug: str, requirement: str, item: Item, data: bytes, expect: Json) -> dict[str, Json]:
    return case(slug, requirement, rule=item.shape.name, hex=data.hex(), expect=expect)


def _rule(kind: type[Any]) -> str:
    return SHAPES[kind].name


def _case(slug: str, requirement: str, kind: type[Any], data: bytes, expect: Json) -> dict[str, Json]:
    return case(slug, requirement, rule=_rule(kind), hex=data.hex(), expect=expect)


def _refused(slug: str, requirement: str, kind: type[Any], data: bytes) -> dict[str, Json]:
    expect = reject(lambda: decode_item(kind, data), ErrorCode.MALFORMED, requirement)
    return _case(slug, requirement, kind, data, expect)


FAMILY = Family(
    name="arguments",
    description="Arguments and results of calls.",
    notes=(
        "rule is the CDDL rule, hex the bytes in CALL or RESULT.",
        "Accepted: it is of that shape. Rejected: it is refused with the code.",
    ),
    verification=(
        "Take the bytes apart. The signed objects in them need the form of one; what they say, and who signed it, does"
        " not count here.",
    ),
    schema={
        "rule": {
            "enum": [*(shape.name for shape in SHAPES.values()), *dict.fromkeys(each.shape.name for _, each in _ITEMS)]
        },
        "hex": HEX,
        "expect": outcome(),
    },
    cases=_cases,
)
