"""Family ``receipts``: whole receipts, as anyone can check them."""

from __future__ import annotations

from dataclasses import replace

from mycellm_proto.codec import Value, decode, encode
from mycellm_proto.content import FinishReason
from mycellm_proto.economy import Close, Open, Quote, countersign, sign
from mycellm_proto.errors import ErrorCode
from mycellm_proto.receipt import Receipt, decode_receipt, encode_receipt, verify_receipt
from mycellm_proto.signed import Context, Signed

from . import constants as c
from .family import HEX, NUMBER, DisagreementError, Family, Json, accept, case, record, reject
from .notation import as_map

_HONEST = Receipt(
    quote=c.SIGNED_QUOTE,
    open=c.SIGNED_OPEN,
    close=c.SIGNED_CLOSE,
    countersignature=countersign(c.ALICE, c.SIGNED_CLOSE),
)

_CAROLS = sign(c.CAROL, replace(c.QUOTE, provider=c.CAROL.public))


def _settled(*, quote: Quote = c.QUOTE, opened: Open = c.OPEN, close: Close = c.CLOSE) -> Receipt:
    """A receipt of these bodies, with hashes and signatures that fit unless ``close`` says otherwise."""
    signed_quote = sign(c.BOB, quote)
    if opened.quote == c.OPEN.quote:
        opened = replace(opened, quote=signed_quote.digest(Context.QUOTE))
    signed_open = sign(c.ALICE, opened)
    if close.open == c.CLOSE.open:
        close = replace(close, open=signed_open.digest(Context.OPEN))
    signed_close = sign(c.BOB, close)
    countersignature = countersign(c.ALICE, signed_close)
    return Receipt(quote=signed_quote, open=signed_open, close=signed_close, countersignature=countersignature)


def _flip(signed: Signed) -> Signed:
    return replace(signed, signature=c.flipped(signed.signature))


def _agreed(close: Signed) -> Receipt:
    """The honest receipt with another close, which the consumer countersigned."""
    return replace(_HONEST, close=close, countersignature=countersign(c.ALICE, close))


_GOOD: tuple[tuple[str, Receipt], ...] = (
    ("accept-honest", _HONEST),
    ("accept-cancelled", _settled(close=c.cancelled_close())),
    ("accept-cancelled-and-wholly-paid", _settled(close=replace(c.CLOSE, finish=FinishReason.CANCELLED))),
    ("accept-total-is-the-ceiling", _settled(opened=replace(c.OPEN, ceiling=c.CLOSE.total))),
    ("accept-free", _settled(quote=replace(c.QUOTE, price_in=0, price_out=0), close=replace(c.CLOSE, total=0))),
)

# Slug, the check that fails, its requirement, the receipt.
_BAD: tuple[tuple[str, str, str, Receipt], ...] = (
    ("reject-quote-flipped", "quote", "RCP-002~1", replace(_HONEST, quote=_flip(c.SIGNED_QUOTE))),
    ("reject-open-flipped", "open", "RCP-010~1", replace(_HONEST, open=_flip(c.SIGNED_OPEN))),
    ("reject-close-flipped", "close", "RCP-026~1", replace(_HONEST, close=_flip(c.SIGNED_CLOSE))),
    (
        "reject-countersignature-flipped",
        "countersignature",
        "RCP-029~1",
        replace(_HONEST, countersignature=c.flipped(_HONEST.countersignature)),
    ),
    ("reject-countersigned-by-nobody", "countersignature", "RCP-029~1", replace(_HONEST, countersignature=bytes(64))),
    (
        "reject-countersigned-by-the-provider",
        "countersignature",
        "RCP-029~1",
        replace(_HONEST, countersignature=countersign(c.BOB, c.SIGNED_CLOSE)),
    ),
    (
        "reject-countersignature-in-the-context-of-closes",
        "countersignature",
        "RCP-029~1",
        replace(_HONEST, countersignature=Signed.make_over(c.ALICE, Context.CLOSE, c.SIGNED_CLOSE.body).signature),
    ),
    (
        "reject-quote-of-another-provider",
        "quote",
        "RCP-002~1",
        replace(_settled(opened=replace(c.OPEN, quote=_CAROLS.digest(Context.QUOTE))), quote=_CAROLS),
    ),
    ("reject-close-of-another-provider", "close", "RCP-026~1", _agreed(sign(c.CAROL, c.CLOSE))),
    (
        "reject-open-of-another-quote",
        "quote",
        "RCP-004~1",
        _settled(opened=replace(c.OPEN, quote=c.entropy("another quote"))),
    ),
    (
        "reject-open-in-another-network-than-the-quote",
        "network",
        "RCP-011~1",
        _settled(quote=replace(c.QUOTE, network=c.entropy("another network"))),
    ),
    (
        "reject-close-of-another-open",
        "close",
        "RCP-028~1",
        _settled(close=replace(c.CLOSE, open=c.entropy("another open"))),
    ),
    (
        "reject-close-of-another-request",
        "request",
        "RCP-028~1",
        _settled(close=replace(c.CLOSE, request=c.entropy("another request"))),
    ),
    (
        "reject-close-of-another-model",
        "model",
        "RCP-028~1",
        _settled(close=replace(c.CLOSE, model_digest=c.entropy("another model"))),
    ),
    (
        "reject-unknown-network",
        "network",
        "NET-001~1",
        _settled(
            quote=replace(c.QUOTE, network=c.entropy("another network")),
            opened=replace(c.OPEN, network=c.entropy("another network")),
        ),
    ),
    ("reject-total-above-the-ceiling", "total", "RCP-016~1", _settled(opened=replace(c.OPEN, ceiling=25))),
    ("reject-total-one-more", "total", "RCP-025~1", _settled(close=replace(c.CLOSE, total=27))),
    ("reject-total-one-less", "total", "RCP-025~1", _settled(close=replace(c.CLOSE, total=25))),
    (
        "reject-one-million-for-nothing",
        "total",
        "RCP-025~1",
        _settled(
            opened=replace(c.OPEN, ceiling=1_000_000),
            close=replace(c.CLOSE, input_tokens=0, output_tokens=0, total=1_000_000),
        ),
    ),
    (
        "reject-cancelled-for-part-of-a-tick",
        "total",
        "RCP-025~1",
        _settled(close=replace(c.cancelled_close(), total=c.QUOTE.tick_value - 1)),
    ),
    (
        "reject-cancelled-above-what-is-owed",
        "total",
        "RCP-025~1",
        _settled(close=replace(c.cancelled_close(), total=2 * c.QUOTE.tick_value)),
    ),
)


def _cases() -> list[dict[str, Json]]:
    made = []
    for slug, receipt in _GOOD:
        findings = verify_receipt(receipt)
        if findings or decode_receipt(encode_receipt(receipt)) != receipt:
            raise DisagreementError(f"{slug}: {findings}")
        made.append(_case(slug, "NET-001~1 RCP-048~1", encode_receipt(receipt), accept(**_settlement(receipt))))
    for slug, check, requirement, receipt in _BAD:
        made.append(_refused(slug, check, requirement, receipt))
    for slug, requirement, signed in (
        ("reject-close-with-odd-key", "EXT-003~1", _changed(c.SIGNED_CLOSE, {9: True})),
        ("reject-close-total-negative", "RCP-024~1", _changed(c.SIGNED_CLOSE, {6: -1})),
        ("reject-close-total-of-2-64-minus-1", "RCP-024~1", _changed(c.SIGNED_CLOSE, {6: (1 << 64) - 1})),
    ):
        made.append(_refused(slug, "encoding", requirement, _agreed(signed)))
    whole = decode(encode_receipt(_HONEST))
    assert isinstance(whole, list)  # a receipt is an array
    for slug, requirement, value in (
        ("reject-without-countersignature", "RCP-048~1", whole[:3]),
        ("reject-with-ticks", "RCP-048~1", [*whole, c.CHAIN.link(1)]),
        ("reject-countersignature-of-63-bytes", "RCP-048~1", [*whole[:3], bytes(63)]),
        ("reject-quote-not-signed", "SIG-001~1", [{}, *whole[1:]]),
        ("reject-map", "RCP-048~1", dict(enumerate(whole))),
    ):
        made.append(_malformed(slug, requirement, encode(value)))
    made.append(_malformed("reject-trailing-byte", "ENC-011~1", encode_receipt(_HONEST) + b"\x00"))
    return made


def _changed(signed: Signed, change: dict[int, Value]) -> Signed:
    """The provider's object with another body, signed again."""
    return Signed.make(c.BOB, Context.CLOSE, {**as_map(signed.body), **change})


def _settlement(receipt: Receipt) -> dict[str, Json]:
    opened, close = as_map(receipt.open.body), as_map(receipt.close.body)
    parties = {"network": opened[0], "consumer": opened[1], "provider": opened[2]}
    shown: dict[str, Json] = {name: value.hex() for name, value in parties.items() if isinstance(value, bytes)}
    return {**shown, "sequence": int(str(opened[3])), "total": int(str(close[6]))}


def _refused(slug: str, check: str, requirement: str, receipt: Receipt) -> dict[str, Json]:
    findings = verify_receipt(decode_receipt(encode_receipt(receipt)))
    if [(each.check, each.requirement) for each in findings] != [(check, requirement.partition("~")[0])]:
        raise DisagreementError(f"{slug}: {[str(each) for each in findings]}")
    return _case(slug, f"RCP-048~1 {requirement}", encode_receipt(receipt), {"verdict": "reject", "check": check})


def _malformed(slug: str, requirement: str, data: bytes) -> dict[str, Json]:
    reject(lambda: decode_receipt(data), ErrorCode.ENCODING, requirement)
    cited = sorted({requirement, "RCP-048~1"})
    return _case(slug, " ".join(cited), data, {"verdict": "reject", "check": "encoding"})


def _case(slug: str, requirement: str, data: bytes, expect: Json) -> dict[str, Json]:
    return case(slug, requirement, receipt=data.hex(), expect=expect)


_CHECKS = ("encoding", "quote", "open", "close", "countersignature", "network", "request", "model", "total")

FAMILY = Family(
    name="receipts",
    description="Portable receipts: quote, open, close and countersignature in one array.",
    notes=(
        "receipt is the whole receipt. A verifier needs nothing else: the keys are in it, and the only network that it"
        " knows is the direct one.",
        "Accepted: the receipt proves that consumer owes provider total micro-credits in network, under sequence.",
        "Rejected: it proves nothing. check names the one check that fails; every other one holds. encoding stands for"
        " bytes that are no receipt, and for bodies that break their rules.",
    ),
    verification=(
        "Judge the receipt as anyone who has these bytes and nothing else, by the six points of SPEC.md, Receipts.",
        "A receipt has no ticks: the total of a cancelled answer is either what is owed, or whole ticks of less.",
        "Only the failed check is compared, not how it failed.",
    ),
    schema={
        "receipt": HEX,
        "expect": {
            "anyOf": [
                record(
                    verdict={"const": "accept"},
                    network=HEX,
                    consumer=HEX,
                    provider=HEX,
                    sequence=NUMBER,
                    total=NUMBER,
                ),
                record(verdict={"const": "reject"}, check={"enum": list(_CHECKS)}),
            ]
        },
    },
    cases=_cases,
)
