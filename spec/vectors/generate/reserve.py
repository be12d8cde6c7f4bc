"""Family ``reserve``: which opens a provider may have reserved."""

from __future__ import annotations

from dataclasses import replace

from mycellm_proto.economy import sign
from mycellm_proto.errors import ErrorCode
from mycellm_proto.limits import CLOCK_SKEW, MAX_RESERVATION
from mycellm_proto.settlement import Reserve, check_reserve

from . import constants as c
from .claim import OPEN, QUOTE, SIGNED_OPEN, SIGNED_QUOTE
from .family import HEX, NUMBER, DisagreementError, Family, Json, accept, case, outcome, reject
from .members import AUTHORITY, DORA, DORAS, LAPTOP, NETWORK

HONEST = Reserve(
    quote=SIGNED_QUOTE,
    open=SIGNED_OPEN,
    membership=DORAS.sign(AUTHORITY),
    node_certificate=LAPTOP.sign(DORA),
    seconds=3660,
)
_LATE = QUOTE.expires + int(CLOCK_SKEW)

_GOOD: tuple[tuple[str, Reserve, int], ...] = (
    ("accept-honest", HONEST, c.NOW),
    ("accept-longest", replace(HONEST, seconds=MAX_RESERVATION), c.NOW),
    ("accept-of-nothing", replace(HONEST, open=sign(c.ALICE, replace(OPEN, ceiling=0))), c.NOW),
    ("accept-quote-just-expired", HONEST, _LATE - 1),
)
_BAD: tuple[tuple[str, ErrorCode, str, Reserve, bytes, int], ...] = (
    ("reject-by-the-consumer", ErrorCode.NOT_ALLOWED, "SET-004~1", HONEST, c.ALICE.public, c.NOW),
    ("reject-by-a-stranger", ErrorCode.NOT_ALLOWED, "SET-003~1", HONEST, c.CAROL.public, c.NOW),
    ("reject-expired-quote", ErrorCode.QUOTE_EXPIRED, "SET-004~1", HONEST, c.BOB.public, _LATE),
    (
        "reject-direct-network",
        ErrorCode.NOT_MEMBER,
        "SET-003~1",
        replace(HONEST, quote=c.SIGNED_QUOTE, open=c.SIGNED_OPEN),
        c.BOB.public,
        c.NOW,
    ),
    (
        "reject-open-that-the-provider-signed",
        ErrorCode.BAD_OPEN,
        "SET-003~1",
        replace(HONEST, open=sign(c.BOB, OPEN)),
        c.BOB.public,
        c.NOW,
    ),
    (
        "reject-open-of-another-quote",
        ErrorCode.UNKNOWN_QUOTE,
        "SET-003~1",
        replace(HONEST, open=sign(c.ALICE, replace(OPEN, quote=c.OPEN.quote))),
        c.BOB.public,
        c.NOW,
    ),
)


def _cases() -> list[dict[str, Json]]:
    made = []
    for slug, shown, now in _GOOD:
        found = check_reserve(Reserve.decode(shown.encode()), caller=c.BOB.public, networks=(NETWORK,), now=now)
        if found.open.consumer != c.ALICE.public:
            raise DisagreementError(slug)
        expect = accept(ceiling=found.open.ceiling)
        made.append(case(slug, "SET-003~1 SET-004~1", **_inputs(shown, c.BOB.public, now), expect=expect))
    for slug, code, requirement, shown, caller, now in _BAD:
        expect = reject(
            lambda shown=shown, caller=caller, now=now: check_reserve(  # type: ignore[misc]
                shown, caller=caller, networks=(NETWORK,), now=now
            ),
            code,
            requirement,
        )
        made.append(case(slug, requirement, **_inputs(shown, caller, now), expect=expect))
    return made


def _inputs(shown: Reserve, caller: bytes, now: int) -> dict[str, Json]:
    return {"network": NETWORK.hex(), "caller": caller.hex(), "now": now, "reserve": shown.encode().hex()}


FAMILY = Family(
    name="reserve",
    description="Reservations, as a settlement node judges them before it looks at the consumer.",
    notes=(
        "reserve is the item in RESERVE, caller the node that asks, network the only one that is settled here, now the"
        " settlement node's clock.",
        "Accepted: ceiling micro-credits are to be reserved, if the consumer is a member that has them.",
        "Rejected: nothing is reserved; ERROR has the code.",
    ),
    verification=(
        "Judge quote, open and caller by the points of SPEC.md, Settlement. The consumer's membership and its credit do"
        " not count here.",
    ),
    schema={
        "network": HEX,
        "caller": HEX,
        "now": NUMBER,
        "reserve": HEX,
        "expect": outcome(ceiling=NUMBER),
    },
    cases=_cases,
)
