"""Families of what is billed and agreed: close, countersign, receipts, fraud."""

from __future__ import annotations

from conformance import dcbor, ed25519, shapes
from conformance.dcbor import Item
from conformance.shapes import broken

from .outcome import Case, Outcome, accept, name, preimage, reject, same
from .payment import judge_open, judge_quote, signed_parts

_CANCELLED = 4
_MAX_RECEIPT = 4096
_NETWORKS = (name("mycellm/network/v1", dcbor.encode({0: "direct"})),)
"""The direct network: the only one of this version."""


def owed(offer: dict[int, Item], input_tokens: int, output_tokens: int) -> int:
    """The price of so many tokens."""
    return int(offer[5]) * input_tokens + int(offer[6]) * output_tokens


def judge_close(
    body: bytes,
    signature: bytes,
    *,
    open_body: bytes,
    offer: dict[int, Item],
    input_tokens: int | None,
    chunks: list[tuple[str, int]],
    cancelled_after: int | None,
    ticks: int,
    salt: bytes,
) -> int | None:
    """The total that the consumer agrees to; None where it gives up with BAD_CLOSE (RCP-024 to RCP-028, RCP-033)."""
    opened = dcbor.decode(open_body)
    try:
        close = dcbor.decode(body)
    except dcbor.NotDeterministicError:
        return None
    if broken("close-body", close) is not None:
        return None
    if not ed25519.is_valid(opened[2], preimage("mycellm/close/v1", body), signature):
        return None
    cancelled = close[7] == _CANCELLED
    if cancelled and cancelled_after is None:
        return None
    billed = chunks[:cancelled_after] if cancelled else chunks
    tokens = sum(count for _, count in billed)
    answer = dcbor.encode({0: "".join(text for text, _ in billed), 1: close[7], 2: tokens})
    counted = close[4] if input_tokens is None else input_tokens
    total = owed(offer, counted, tokens)
    if cancelled:
        total = min(total, ticks * offer[7])
    expected = {
        0: name("mycellm/open/v1", open_body),
        1: opened[6],
        2: name("mycellm/response/v1", dcbor.encode(salt), answer),
        3: offer[3],
        4: counted,
        5: tokens,
        6: total,
        7: close[7],
        8: 0,
    }
    beyond = cancelled_after is not None and total > (ticks + offer[9]) * offer[7]
    return None if close != expected or total > opened[7] or beyond else total


def close(case: Case) -> Outcome:
    """A close, as its consumer judges it."""
    body, signature = signed_parts(case, "mycellm/close/v1")
    total = judge_close(
        body,
        signature,
        open_body=dcbor.decode(bytes.fromhex(case["open"]))[0],
        offer=dcbor.decode(dcbor.decode(bytes.fromhex(case["quote"]))[0]),
        input_tokens=case["input_tokens"],
        chunks=[(each["text"], each["tokens"]) for each in case["chunks"]],
        cancelled_after=case["cancelled_after"],
        ticks=case["ticks"],
        salt=bytes.fromhex(case["salt"]),
    )
    return reject(code="BAD_CLOSE") if total is None else accept(total=total)


def is_countersigned(body: bytes, signature: bytes, consumer: bytes) -> bool:
    """Whether ``consumer`` agreed to the close with this body."""
    return ed25519.is_valid(consumer, preimage("mycellm/countersign/v1", body), signature)


def countersign(case: Case) -> Outcome:
    """A countersignature, as the provider judges it."""
    body = bytes.fromhex(case["body"])
    same("the pre-image", preimage("mycellm/countersign/v1", body).hex(), case["preimage"])
    good = is_countersigned(body, bytes.fromhex(case["signature"]), bytes.fromhex(case["consumer"]))
    return accept() if good else reject(code="BAD_CLOSE")


def receipts(case: Case) -> Outcome:
    """A whole receipt: the six points of SPEC.md, "Receipts"."""
    data = bytes.fromhex(case["receipt"])
    receipt: Item = None
    try:
        receipt = dcbor.decode(data)
        bodies = [dcbor.decode(signed[0]) for signed in receipt[:3]] if _is_receipt(data, receipt) else []
    except dcbor.NotDeterministicError:
        bodies = []
    rules = ("quote-body", "open-body", "close-body")
    if not bodies or any(broken(rule, body) for rule, body in zip(rules, bodies, strict=True)):
        return reject(check="encoding")
    failed = [check for check, holds in _checks(receipt, *bodies).items() if not holds]
    if failed:
        same("the number of failed checks", len(failed), 1)
        return reject(check=failed[0])
    opened = bodies[1]
    return accept(
        network=opened[0].hex(),
        consumer=opened[1].hex(),
        provider=opened[2].hex(),
        sequence=opened[3],
        total=bodies[2][6],
    )


def _is_receipt(data: bytes, value: Item) -> bool:
    whole = type(value) is list and len(value) == 4 and len(data) <= _MAX_RECEIPT
    return whole and all(map(shapes.is_signed, value[:3])) and type(value[3]) is bytes and len(value[3]) == 64


def _checks(receipt: Item, offer: dict[int, Item], opened: dict[int, Item], bill: dict[int, Item]) -> dict[str, bool]:
    """Every check by its name, and whether it holds."""
    signed_quote, signed_open, signed_close, agreed = receipt
    _, refused = judge_open(*signed_open, consumer=opened[1], provider=opened[2])
    due = owed(offer, bill[4], bill[5])
    billed = bill[6] == due or (bill[7] == _CANCELLED and bill[6] < due and bill[6] % offer[7] == 0)
    close_is_signed = ed25519.is_valid(opened[2], preimage("mycellm/close/v1", signed_close[0]), signed_close[1])
    named = opened[5] == name("mycellm/quote/v1", signed_quote[0])
    return {
        "quote": judge_quote(*signed_quote, provider=opened[2]) is not None and named,
        "open": refused is None,
        "network": opened[0] == offer[1] and opened[0] in _NETWORKS,
        "close": close_is_signed and bill[0] == name("mycellm/open/v1", signed_open[0]),
        "request": bill[1] == opened[6],
        "model": bill[3] == offer[3],
        "countersignature": is_countersigned(signed_close[0], agreed, opened[1]),
        "total": billed and bill[6] <= opened[7],
    }


def fraud(case: Case) -> Outcome:
    """Two opens of one identity."""
    signed = [dcbor.decode(bytes.fromhex(case[key])) for key in ("first", "second")]
    opens = [dcbor.decode(body) for body, _ in signed]
    if any(broken("open-body", opened) for opened in opens):
        return reject()
    proved = all(
        judge_open(*each, consumer=opened[1], provider=opened[2])[1] is None
        for each, opened in zip(signed, opens, strict=True)
    )
    identities = {tuple(opened[key] for key in (0, 1, 2, 3)) for opened in opens}
    if not proved or len(identities) > 1 or signed[0][0] == signed[1][0]:
        return reject()
    return accept(consumer=opens[0][1].hex())
