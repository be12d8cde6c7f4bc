"""Family ``quote``: a provider's offers, as a consumer receives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

from mycellm_proto.codec import Value, encode
from mycellm_proto.economy import Quote, read_quote, sign
from mycellm_proto.errors import ErrorCode
from mycellm_proto.keys import SigningKey
from mycellm_proto.limits import MAX_AMOUNT, MAX_PRICE, MAX_TICK_VALUE, MAX_TICKS, MAX_TOKENS
from mycellm_proto.signed import Context, Signed

from .constants import ALICE, BOB, CAROL, QUOTE, SHOWN, SIGNED_QUOTE, flipped, shown
from .family import HEX, DisagreementError, Family, Json, accept, case, outcome, record, reject
from .notation import as_map

_BODY = as_map(SIGNED_QUOTE.body)

_GOOD: tuple[tuple[str, Quote], ...] = (
    ("accept-plain", QUOTE),
    (
        "accept-everything-least",
        replace(
            QUOTE,
            model="m",
            context_length=1,
            price_in=0,
            price_out=0,
            tick_value=1,
            prepaid_ticks=0,
            window=1,
            expires=0,
        ),
    ),
    (
        "accept-everything-most",
        replace(
            QUOTE,
            model="m" * 128,
            context_length=MAX_TOKENS,
            price_in=MAX_PRICE,
            price_out=MAX_PRICE,
            tick_value=MAX_TICK_VALUE,
            prepaid_ticks=MAX_TICKS,
            window=MAX_TICKS,
            expires=MAX_AMOUNT,
        ),
    ),
)

_SHAPE = "RCP-001~1"
_BAD: tuple[tuple[str, str, Mapping[int, Value]], ...] = (
    ("reject-odd-key", "EXT-003~1", {11: True}),
    ("reject-reserved-key", "EXT-003~1", {65: True}),
    ("reject-even-key", "EXT-003~1", {12: True}),
    ("reject-provider-of-31-bytes", _SHAPE, {0: bytes(31)}),
    ("reject-network-text", _SHAPE, {1: "direct"}),
    ("reject-model-empty", _SHAPE, {2: ""}),
    ("reject-model-of-129-bytes", _SHAPE, {2: "m" * 129}),
    ("reject-context-length-0", _SHAPE, {4: 0}),
    ("reject-context-length-beyond-most", _SHAPE, {4: MAX_TOKENS + 1}),
    ("reject-price-in-beyond-most", _SHAPE, {5: MAX_PRICE + 1}),
    ("reject-price-out-beyond-most", _SHAPE, {6: MAX_PRICE + 1}),
    ("reject-price-out-negative", _SHAPE, {6: -1}),
    ("reject-price-out-text", _SHAPE, {6: "4"}),
    ("reject-tick-value-0", _SHAPE, {7: 0}),
    ("reject-tick-value-beyond-most", _SHAPE, {7: MAX_TICK_VALUE + 1}),
    ("reject-prepaid-ticks-beyond-most", _SHAPE, {8: MAX_TICKS + 1}),
    ("reject-window-0", _SHAPE, {9: 0}),
    ("reject-window-beyond-most", _SHAPE, {9: MAX_TICKS + 1}),
    ("reject-expires-negative", _SHAPE, {10: -1}),
    ("reject-expires-null", _SHAPE, {10: None}),
)


def _cases() -> list[dict[str, Json]]:
    made = []
    for slug, quote in _GOOD:
        signed = sign(BOB, quote)
        if read_quote(signed, provider=BOB.public) != quote:
            raise DisagreementError(slug)
        made.append(_case(slug, "RCP-002~1 SIG-002~1 SIG-003~1", signed, accept(fields=_fields(quote))))
    for slug, requirement, change in _BAD:
        made.append(_refused(slug, requirement, Signed.make(BOB, Context.QUOTE, {**_BODY, **change})))
    for key, name in enumerate(("provider", "network", "model")):
        rest = {k: v for k, v in _BODY.items() if k != key}
        made.append(_refused(f"reject-without-{name}", _SHAPE, Signed.make(BOB, Context.QUOTE, rest)))
    made += [
        _refused("reject-flipped-signature", "RCP-002~1", _with(signature=flipped(SIGNED_QUOTE.signature))),
        _refused("reject-zero-signature", "RCP-002~1", _with(signature=bytes(64))),
        _refused("reject-wrong-context", "RCP-002~1", _made_over(BOB, Context.OPEN)),
        _refused("reject-signed-by-another", "RCP-002~1", _made_over(CAROL, Context.QUOTE)),
        _refused("reject-of-another-node", "RCP-002~1", sign(CAROL, replace(QUOTE, provider=CAROL.public))),
        _refused("reject-of-the-receiver-itself", "RCP-002~1", sign(ALICE, replace(QUOTE, provider=ALICE.public))),
        _refused("reject-body-changed", "RCP-002~1", _with(body=encode({**_BODY, 6: 5}))),
        _refused(
            "reject-body-with-trailing-byte",
            "ENC-011~1",
            Signed.make_over(BOB, Context.QUOTE, SIGNED_QUOTE.body + b"\x00"),
        ),
        _refused("reject-body-empty", "ENC-010~1", Signed.make_over(BOB, Context.QUOTE, b"")),
        _refused("reject-body-array", _SHAPE, Signed.make(BOB, Context.QUOTE, [1])),
    ]
    return made


def _with(*, body: bytes = SIGNED_QUOTE.body, signature: bytes = SIGNED_QUOTE.signature) -> Signed:
    return Signed(body=body, signature=signature)


def _made_over(key: SigningKey, context: Context) -> Signed:
    return Signed.make_over(key, context, SIGNED_QUOTE.body)


def _fields(quote: Quote) -> dict[str, Json]:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in asdict(quote).items()}


def _case(slug: str, requirement: str, signed: Signed, expect: Json) -> dict[str, Json]:
    return case(slug, requirement, provider=BOB.public.hex(), **shown(signed, Context.QUOTE), expect=expect)


def _refused(slug: str, requirement: str, signed: Signed) -> dict[str, Json]:
    expect = reject(lambda: read_quote(signed, provider=BOB.public), ErrorCode.ENCODING, requirement)
    return _case(slug, requirement, signed, expect)


_PROPERTIES: dict[str, Json] = {
    name: {"type": "string"} if isinstance(value, str) else {"type": "integer"}
    for name, value in _fields(QUOTE).items()
}

FAMILY = Family(
    name="quote",
    description="Signed quotes, as they stand in a MODELS frame of the provider.",
    notes=(
        "provider is the authenticated peer that sent the quote. body and signature make the signed object.",
        "Accepted: fields is what the body says. Rejected: the connection is closed with the code.",
    ),
    verification=(
        "Judge the signed object as the receiver of a MODELS frame that holds it.",
        "intermediate.preimage is what the signature is over, intermediate.hash its SHA-256: what an open names the"
        " quote by.",
        "Whether the quote has expired does not count here: that is looked at when an open names it, in the family"
        " open.",
    ),
    schema={"provider": HEX, **SHOWN, "expect": outcome(fields=record(_PROPERTIES))},
    cases=_cases,
)
