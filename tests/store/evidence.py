"""Evidence as the protocol leaves it at each step of an exchange between Alice (consumer) and Bob (provider)."""

from __future__ import annotations

from dataclasses import replace

from mycellm_proto.content import FinishReason
from mycellm_proto.economy import Close, Evidence, Open, Quote, countersign, sign
from mycellm_proto.signed import Context, Signed
from mycellm_proto.ticks import Chain

from ..proto.pair import ALICE, BOB, quote, seed

CEILING = 640
INPUT, OUTPUT = 10, 20
TOTAL = INPUT + 4 * OUTPUT
CHAIN = Chain(seed("chain"), CEILING // 64)


def name(evidence: Evidence) -> bytes:
    """The hash that the next open names."""
    return evidence.open.digest(Context.OPEN)


def opened(
    sequence: int = 1,
    *,
    previous: bytes | None = None,
    request: str = "request",
    offer: Quote | None = None,
    **changes: object,
) -> Evidence:
    """Alice's open and its prepaid tick."""
    offer = offer or quote()
    signed = sign(BOB, offer)
    values: dict[str, object] = {
        "network": offer.network,
        "consumer": ALICE.public,
        "provider": BOB.public,
        "sequence": sequence,
        "previous": previous,
        "quote": signed.digest(Context.QUOTE),
        "request": seed(request),
        "ceiling": CEILING,
        "anchor": CHAIN.anchor,
    }
    body = Open(**(values | changes))  # type: ignore[arg-type]
    return Evidence(quote=signed, open=sign(ALICE, body), ticks=1, link=CHAIN.link(1))


def paid(evidence: Evidence, ticks: int) -> Evidence:
    """More ticks are released."""
    return replace(evidence, ticks=ticks, link=CHAIN.link(ticks))


def bill(evidence: Evidence, **changes: object) -> Signed:
    """Bob's close."""
    values: dict[str, object] = {
        "open": name(evidence),
        "request": seed("request"),
        "response": seed("response"),
        "model_digest": seed("model"),
        "input_tokens": INPUT,
        "output_tokens": OUTPUT,
        "total": TOTAL,
        "finish": FinishReason.STOP,
    }
    return sign(BOB, Close(**(values | changes)))  # type: ignore[arg-type]


def closed(evidence: Evidence, **changes: object) -> Evidence:
    """Bob has billed, and all of it is paid."""
    return replace(paid(evidence, 2), close=bill(evidence, **changes))


def settled(evidence: Evidence, **changes: object) -> Evidence:
    """Alice has agreed."""
    ended = evidence if evidence.close else closed(evidence, **changes)
    assert ended.close is not None
    return replace(ended, countersignature=countersign(ALICE, ended.close))
