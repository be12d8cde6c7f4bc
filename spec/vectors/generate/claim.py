"""Family ``claim``: what a settlement node takes for proof that something is owed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from mycellm_proto.content import FinishReason
from mycellm_proto.economy import Close, Open, Quote, countersign, sign
from mycellm_proto.errors import ErrorCode
from mycellm_proto.settlement import Claim, check_claim
from mycellm_proto.signed import Context, Signed
from mycellm_proto.ticks import Chain

from . import constants as c
from .family import BOOLEAN, HEX, NUMBER, DisagreementError, Family, Json, accept, case, outcome, reject
from .members import NETWORK
from .notation import as_map

QUOTE = replace(c.QUOTE, network=NETWORK)
SIGNED_QUOTE = sign(c.BOB, QUOTE)
OPEN = replace(c.OPEN, network=NETWORK, quote=SIGNED_QUOTE.digest(Context.QUOTE))
"""Alice authorises 1,000 micro-credits to Bob in the lab's network; a tick is worth 8."""
SIGNED_OPEN = sign(c.ALICE, OPEN)
CLOSE = replace(c.CLOSE, open=SIGNED_OPEN.digest(Context.OPEN))
"""Bob bills 26 of them."""
_TOP = c.CHAIN.length


def claim(k: int, *, quote: Signed = SIGNED_QUOTE, opened: Signed = SIGNED_OPEN, chain: Chain = c.CHAIN) -> Claim:
    """What Bob holds once ``k`` ticks were released."""
    return Claim(quote=quote, open=opened, k=k, link=chain.link(k))


def receipt(close: Close = CLOSE, *, k: int = 4, opened: Signed = SIGNED_OPEN) -> Claim:
    """The same with a close that both agreed to."""
    signed = sign(c.BOB, close)
    return replace(claim(k, opened=opened), close=signed, countersignature=countersign(c.ALICE, signed))


def _of(*, quote: Quote = QUOTE, opened: Open = OPEN, k: int = 4, chain: Chain = c.CHAIN) -> Claim:
    """A claim of another quote or open, signed by whom they name."""
    signed = sign(c.BOB if quote.provider == c.BOB.public else c.CAROL, quote)
    if opened.quote == OPEN.quote:
        opened = replace(opened, quote=signed.digest(Context.QUOTE))
    return claim(k, quote=signed, opened=sign(c.ALICE, opened), chain=chain)


_SMALL = Chain(c.CHAIN_SEED, 1)
_SMALL_OPEN = replace(OPEN, ceiling=5, anchor=_SMALL.anchor)
_HUGE = 65_536 * QUOTE.tick_value
_HONEST, _AGREED = claim(4), receipt()
_CANCELLED = replace(CLOSE, finish=FinishReason.CANCELLED, output_tokens=4)
_NOTHING = replace(CLOSE, finish=FinishReason.FAILED, input_tokens=0, output_tokens=0, total=0)

# Slug, the claim, who shows it, micro-credits, whether that is the end.
_GOOD: tuple[tuple[str, Claim, bytes, int, bool], ...] = (
    ("accept-by-the-provider", _HONEST, c.BOB.public, 32, False),
    ("accept-by-the-consumer", _HONEST, c.ALICE.public, 32, False),
    ("accept-of-nothing", claim(0), c.BOB.public, 0, False),
    ("accept-of-one-tick", claim(1), c.BOB.public, 8, False),
    ("accept-of-all", claim(_TOP), c.BOB.public, 1000, False),
    ("accept-last-tick-above-the-ceiling", _of(opened=_SMALL_OPEN, k=1, chain=_SMALL), c.BOB.public, 5, False),
    ("accept-receipt", _AGREED, c.BOB.public, 26, True),
    ("accept-receipt-by-the-consumer", _AGREED, c.ALICE.public, 26, True),
    ("accept-receipt-without-ticks", receipt(k=0), c.BOB.public, 26, True),
    ("accept-receipt-of-a-cancelled-answer", receipt(replace(_CANCELLED, total=16)), c.BOB.public, 16, True),
    ("accept-receipt-of-nothing", receipt(replace(_CANCELLED, output_tokens=0, total=0)), c.BOB.public, 0, True),
    (
        "accept-close-that-nobody-countersigned",
        replace(_HONEST, close=sign(c.BOB, CLOSE)),
        c.BOB.public,
        26,
        False,
    ),
    ("accept-close-over-nothing", replace(claim(0), close=sign(c.BOB, _NOTHING)), c.BOB.public, 0, True),
    ("accept-close-over-nothing-with-ticks", replace(_HONEST, close=sign(c.BOB, _NOTHING)), c.BOB.public, 0, True),
    (
        "accept-close-beyond-the-ticks",
        replace(claim(2), close=sign(c.BOB, CLOSE)),
        c.BOB.public,
        16,
        False,
    ),
)

_SIGNED_CLOSE = sign(c.BOB, CLOSE)
_CAROLS = replace(QUOTE, provider=c.CAROL.public)


def _closed(**changes: object) -> Claim:
    """A receipt whose close says something else, though both signed it."""
    return receipt(replace(CLOSE, **changes))  # type: ignore[arg-type]


def _malformed(signed: Signed, key: object, context: Context, change: dict[int, object]) -> Signed:
    return Signed.make(key, context, {**as_map(signed.body), **change})  # type: ignore[arg-type,dict-item]


_BAD: tuple[tuple[str, ErrorCode, str, Claim, bytes], ...] = (
    # 1: shapes
    (
        "reject-open-with-odd-key",
        ErrorCode.BAD_OPEN,
        "SET-003~1",
        replace(_HONEST, open=_malformed(SIGNED_OPEN, c.ALICE, Context.OPEN, {9: True})),
        c.BOB.public,
    ),
    (
        "reject-open-ceiling-negative",
        ErrorCode.BAD_OPEN,
        "SET-003~1",
        replace(_HONEST, open=_malformed(SIGNED_OPEN, c.ALICE, Context.OPEN, {7: -1})),
        c.BOB.public,
    ),
    (
        "reject-quote-tick-value-zero",
        ErrorCode.BAD_OPEN,
        "SET-003~1",
        replace(_HONEST, quote=_malformed(SIGNED_QUOTE, c.BOB, Context.QUOTE, {7: 0})),
        c.BOB.public,
    ),
    # 2, 3: whose it is
    (
        "reject-direct-network",
        ErrorCode.NOT_MEMBER,
        "SET-003~1",
        Claim(quote=c.SIGNED_QUOTE, open=c.SIGNED_OPEN, k=4, link=c.CHAIN.link(4)),
        c.BOB.public,
    ),
    (
        "reject-foreign-network",
        ErrorCode.NOT_MEMBER,
        "SET-003~1",
        _of(
            quote=replace(QUOTE, network=c.entropy("another network")),
            opened=replace(OPEN, network=c.entropy("another network")),
        ),
        c.BOB.public,
    ),
    ("reject-of-another-provider", ErrorCode.NOT_ALLOWED, "SET-003~1", _HONEST, c.CAROL.public),
    ("reject-receipt-of-others", ErrorCode.NOT_ALLOWED, "SET-003~1", _AGREED, c.CAROL.public),
    # 4: what was authorised
    (
        "reject-open-unsigned",
        ErrorCode.BAD_OPEN,
        "SET-003~1",
        replace(_HONEST, open=replace(SIGNED_OPEN, signature=bytes(64))),
        c.BOB.public,
    ),
    (
        "reject-open-signed-by-the-provider",
        ErrorCode.BAD_OPEN,
        "SET-003~1",
        replace(_HONEST, open=sign(c.BOB, OPEN)),
        c.BOB.public,
    ),
    (
        "reject-open-signed-as-a-quote",
        ErrorCode.BAD_OPEN,
        "SET-003~1",
        replace(_HONEST, open=Signed.make_over(c.ALICE, Context.QUOTE, SIGNED_OPEN.body)),
        c.BOB.public,
    ),
    (
        "reject-open-raised-after-signing",
        ErrorCode.BAD_OPEN,
        "SET-003~1",
        replace(
            _HONEST, open=replace(sign(c.ALICE, replace(OPEN, ceiling=1_000_000)), signature=SIGNED_OPEN.signature)
        ),
        c.BOB.public,
    ),
    (
        "reject-quote-unsigned",
        ErrorCode.BAD_OPEN,
        "SET-003~1",
        replace(_HONEST, quote=replace(SIGNED_QUOTE, signature=bytes(64))),
        c.BOB.public,
    ),
    (
        "reject-quote-of-another-provider",
        ErrorCode.BAD_OPEN,
        "SET-003~1",
        _of(quote=_CAROLS),
        c.BOB.public,
    ),
    (
        "reject-cheaper-quote-than-the-open-names",
        ErrorCode.UNKNOWN_QUOTE,
        "SET-003~1",
        replace(_HONEST, quote=sign(c.BOB, replace(QUOTE, price_out=1))),
        c.BOB.public,
    ),
    (
        "reject-dearer-tick-than-the-open-names",
        ErrorCode.UNKNOWN_QUOTE,
        "SET-003~1",
        replace(_HONEST, quote=sign(c.BOB, replace(QUOTE, tick_value=1 << 35))),
        c.BOB.public,
    ),
    (
        "reject-quote-of-another-network",
        ErrorCode.BAD_OPEN,
        "SET-003~1",
        _of(quote=c.QUOTE),
        c.BOB.public,
    ),
    (
        "reject-ceiling-beyond-all-ticks",
        ErrorCode.BAD_OPEN,
        "SET-003~1",
        _of(opened=replace(OPEN, ceiling=_HUGE + 1)),
        c.BOB.public,
    ),
    # 5: what was released
    (
        "reject-link-of-one-tick-less",
        ErrorCode.BAD_TICK,
        "SET-005~1",
        replace(_HONEST, link=c.CHAIN.link(3)),
        c.BOB.public,
    ),
    (
        "reject-link-of-one-tick-more",
        ErrorCode.BAD_TICK,
        "SET-005~1",
        replace(_HONEST, link=c.CHAIN.link(5)),
        c.BOB.public,
    ),
    ("reject-random-link", ErrorCode.BAD_TICK, "SET-005~1", replace(_HONEST, link=c.entropy("link")), c.BOB.public),
    (
        "reject-anchor-for-a-tick",
        ErrorCode.BAD_TICK,
        "SET-005~1",
        replace(_HONEST, k=1, link=c.CHAIN.anchor),
        c.BOB.public,
    ),
    (
        "reject-tick-above-the-ceiling",
        ErrorCode.BAD_TICK,
        "SET-005~1",
        _of(opened=replace(OPEN, ceiling=24)),
        c.BOB.public,
    ),
    ("reject-huge-k", ErrorCode.BAD_TICK, "SET-005~1", replace(_HONEST, k=65_536), c.BOB.public),
    (
        "reject-receipt-with-random-link",
        ErrorCode.BAD_TICK,
        "SET-005~1",
        replace(_AGREED, link=c.entropy("link")),
        c.BOB.public,
    ),
    # 6, 7: what was billed and agreed
    (
        "reject-countersignature-of-nothing",
        ErrorCode.BAD_CLOSE,
        "SET-006~2",
        replace(_HONEST, countersignature=_AGREED.countersignature),
        c.BOB.public,
    ),
    (
        "reject-half-signed-receipt",
        ErrorCode.BAD_CLOSE,
        "SET-006~2",
        replace(_AGREED, close=replace(_SIGNED_CLOSE, signature=bytes(64))),
        c.BOB.public,
    ),
    (
        "reject-countersignature-empty",
        ErrorCode.BAD_CLOSE,
        "SET-006~2",
        replace(_AGREED, countersignature=bytes(64)),
        c.BOB.public,
    ),
    (
        "reject-countersigned-by-the-provider",
        ErrorCode.BAD_CLOSE,
        "SET-006~2",
        replace(_AGREED, countersignature=countersign(c.BOB, _SIGNED_CLOSE)),
        c.BOB.public,
    ),
    (
        "reject-close-signed-by-the-consumer",
        ErrorCode.BAD_CLOSE,
        "SET-006~2",
        replace(_AGREED, close=sign(c.ALICE, CLOSE)),
        c.ALICE.public,
    ),
    ("reject-total-one-more", ErrorCode.BAD_CLOSE, "SET-006~2", _closed(total=27), c.BOB.public),
    ("reject-total-one-less", ErrorCode.BAD_CLOSE, "SET-006~2", _closed(total=25), c.BOB.public),
    (
        "reject-total-above-the-ceiling",
        ErrorCode.BAD_CLOSE,
        "SET-006~2",
        _closed(output_tokens=1000, total=4010),
        c.BOB.public,
    ),
    (
        "reject-part-of-a-tick-of-a-cancelled-answer",
        ErrorCode.BAD_CLOSE,
        "SET-006~2",
        _closed(finish=FinishReason.CANCELLED, total=17),
        c.BOB.public,
    ),
    (
        "reject-whole-ticks-of-an-answer-that-stopped",
        ErrorCode.BAD_CLOSE,
        "SET-006~2",
        _closed(total=16),
        c.BOB.public,
    ),
    ("reject-close-of-another-open", ErrorCode.BAD_CLOSE, "SET-006~2", _closed(open=c.CLOSE.open), c.BOB.public),
    (
        "reject-close-of-another-request",
        ErrorCode.BAD_CLOSE,
        "SET-006~2",
        _closed(request=c.entropy("another request")),
        c.BOB.public,
    ),
    (
        "reject-close-of-another-model",
        ErrorCode.BAD_CLOSE,
        "SET-006~2",
        _closed(model_digest=c.entropy("another model")),
        c.BOB.public,
    ),
    (
        "reject-close-with-odd-key",
        ErrorCode.BAD_CLOSE,
        "SET-006~2",
        replace(_HONEST, close=_malformed(_SIGNED_CLOSE, c.BOB, Context.CLOSE, {9: True})),
        c.BOB.public,
    ),
)
_Check: TypeAlias = Callable[[], object]


def _check(shown: Claim, caller: bytes) -> _Check:
    return lambda: check_claim(Claim.decode(shown.encode()), caller=caller, networks=(NETWORK,))


def _cases() -> list[dict[str, Json]]:
    made = []
    for slug, shown, caller, amount, final in _GOOD:
        verified = check_claim(Claim.decode(shown.encode()), caller=caller, networks=(NETWORK,))
        if (verified.amount, verified.final) != (amount, final):
            raise DisagreementError(f"{slug}: {verified}")
        expect = accept(amount=amount, final=final)
        made.append(_case(slug, "SET-003~1 SET-005~1 SET-006~2", shown, caller, expect))
    for slug, code, requirement, shown, caller in _BAD:
        expect = reject(_check(shown, caller), code, requirement)
        made.append(_case(slug, requirement, shown, caller, expect))
    return made


def _case(slug: str, requirement: str, shown: Claim, caller: bytes, expect: Json) -> dict[str, Json]:
    return case(
        slug, requirement, network=NETWORK.hex(), caller=caller.hex(), claim=shown.encode().hex(), expect=expect
    )


FAMILY = Family(
    name="claim",
    description="Claims, as a settlement node judges them.",
    notes=(
        "claim is the item in SETTLE, caller the node that shows it, network the only one that is settled here.",
        "Accepted: amount micro-credits are owed for the open; final says that this is the last word on it.",
        "Rejected: nothing is booked, and the outcome has the code.",
    ),
    verification=(
        "Judge the claim by the points of SPEC.md, Settlement, as if the ceiling of its open were reserved.",
        "The order of the points decides which code it is.",
    ),
    schema={
        "network": HEX,
        "caller": HEX,
        "claim": HEX,
        "expect": outcome(amount=NUMBER, final=BOOLEAN),
    },
    cases=_cases,
)
