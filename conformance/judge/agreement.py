"""What the two ends of an exchange owe each other, by SPEC.md's tables, from what both have sent."""

from __future__ import annotations

from conformance import answers, dcbor, framing, signing
from conformance.finish import CANCELLED
from conformance.wire.transcript import By

from .exchange import Exchange
from .record import LinkRecord


def node_key(link: LinkRecord, by: By) -> bytes:
    """The key that a side's HELLO names; empty without one."""
    frame = next((each for each in link.of(by) if each.kind == framing.HELLO), None)
    try:
        key = dcbor.decode(frame.value[0]).get(1) if frame is not None else b""
    except (AttributeError, LookupError, TypeError, dcbor.NotDeterministicError):
        return b""
    return key if isinstance(key, bytes) else b""


def wrong_close(exchange: Exchange) -> str | None:
    """Why the consumer must not agree to the close (RCP-024 to RCP-028, RCP-033); None where it must."""
    close, quote = exchange.close, exchange.quote
    if exchange.end is None or quote is None or not close:
        return "it has no shape"
    body, signature = exchange.end.value[1]
    window = (exchange.k_at(exchange.end.event) + quote.window) * quote.tick_value
    cancelled = exchange.cancel is not None and exchange.cancel.event < exchange.end.event
    problems = {
        "its signature is not the provider's": not signing.is_signed_by(quote.provider, signing.CLOSE, body, signature),
        "nobody cancelled": close[7] == CANCELLED and exchange.cancel is None,
        "it is not what was delivered": close != expected_close(exchange),
        "it exceeds the ceiling": close[6] > exchange.opened[7],
        "it bills beyond the window after a CANCEL": cancelled and close[6] > window,
    }
    return next((problem for problem, holds in problems.items() if holds), None)


def expected_close(exchange: Exchange) -> dict[int, object]:
    """The close that follows from the open, the quote, ACCEPT, the chunks and CANCEL, for the reason that it names."""
    assert exchange.quote is not None and exchange.end is not None  # noqa: PT018  the caller looked
    close, quote = exchange.close, exchange.quote
    cancelled = close[7] == CANCELLED
    answer = answers.answer_of(exchange.billed, close[7])
    tokens = answer[2]
    counted = close[4] if cancelled and exchange.accept is None else exchange.input_tokens
    total = quote.owed(counted, tokens)
    if cancelled and exchange.cancel is not None:
        total = min(total, exchange.cancel.value[1] * quote.tick_value)
    return {
        0: exchange.open_name,
        1: exchange.opened[6],
        2: signing.name(signing.RESPONSE, dcbor.encode(exchange.end.get(0)), dcbor.encode(answer)),
        3: quote.model_digest,
        4: counted,
        5: tokens,
        6: total,
        7: close[7],
        8: 0,
    }


def agreed(exchange: Exchange, before: int) -> bool:
    """Whether the consumer had validly countersigned at an event."""
    frame = exchange.countersign
    if frame is None or frame.event >= before or exchange.end is None or not exchange.close:
        return False
    signature, body = frame.get(0), exchange.end.value[1][0]
    consumer = exchange.opened[1]
    return isinstance(signature, bytes) and signing.is_signed_by(consumer, signing.COUNTERSIGN, body, signature)


def owed(exchange: Exchange, before: int) -> int:
    """Micro-credits that an exchange which is over came to at an event, by "What is owed in the end"."""
    quote = exchange.quote
    if quote is None:
        return 0
    total = int(exchange.close.get(6, 0))
    if agreed(exchange, before):
        return total
    if exchange.error is not None and (exchange.accept is None or exchange.accept.event > exchange.error.event):
        return 0
    released = min(exchange.k_at(before) * quote.tick_value, int(exchange.opened[7]))
    good = exchange.close and wrong_close(exchange) is None
    return min(released, total) if good else released


def receipt(exchange: Exchange) -> bytes | None:
    """The portable receipt of an exchange that both have signed."""
    if exchange.quote is None or exchange.countersign is None or exchange.end is None or exchange.request is None:
        return None
    quote = next(
        (
            signed
            for frame in exchange.link.of(exchange.provider)
            if frame.kind == framing.MODELS
            for signed in frame.value[0]
            if signed[0] == exchange.quote.body
        ),
        None,
    )
    signature = exchange.countersign.get(0)
    return dcbor.encode([quote, exchange.request.value[2], exchange.end.value[1], signature])
