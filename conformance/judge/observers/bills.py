"""Watched in every case: quotes, payment windows, admissions and closes of the target as provider."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from conformance import answers, dcbor, framing, shapes, signing
from conformance.finish import CANCELLED
from conformance.judge.agreement import expected_close
from conformance.judge.called import joined
from conformance.judge.exchange import Exchange, exchanges
from conformance.judge.finding import Finding
from conformance.judge.record import Frame, Record
from conformance.offer import Quote

from .observer import Observer
from .observer import broken as _fail


def offers_its_own(record: Record) -> Iterator[Finding]:
    """Every quote is of its shape, of a network that the target is in, and signed by the target as its own."""
    for link in record.links:
        for frame in link.of("target", link.target_control):
            if frame.kind == framing.MODELS and shapes.broken("models", frame.value) is None:
                for body, signature in frame.value[0]:
                    yield from _quote(frame, body, signature, link.target_key, joined(record, frame.event))


def _quote(frame: Frame, body: bytes, signature: bytes, target: bytes, networks: set[bytes]) -> Iterator[Finding]:
    offset = frame.start + frame.size - len(frame.body) + frame.body.find(body)
    try:
        quote = dcbor.decode(body)
    except dcbor.NotDeterministicError as error:
        yield _fail(f"a quote's body is no item: {error.reason}", "ENC-003~1", frame.event, offset)
        return
    if (wrong := shapes.broken("quote-body", quote)) is not None:
        yield _fail(f"a quote has not its shape: {wrong}", "RCP-054~1", frame.event, offset)
        return
    if quote[0] != target:
        yield _fail("a quote names another provider", "RCP-054~1", frame.event, offset)
    elif not signing.is_signed_by(target, signing.QUOTE, body, signature):
        yield _fail("a quote's signature is not valid under the target's key", "RCP-054~1", frame.event, offset)
    if quote[9] * quote[7] < quote[6]:
        message = f"the window of a quote covers {quote[9] * quote[7]} micro-credits, and a token costs {quote[6]}"
        yield _fail(message, "RCP-058~1", frame.event, offset)
    if quote[1] != signing.DIRECT and quote[1] not in networks:
        yield _fail(
            "a quote's network is neither the direct one nor one of the target's", "NET-001~1", frame.event, offset
        )


def admits_once(record: Record) -> Iterator[Finding]:
    """No open is accepted whose sequence number was used before, or which denies the open before it."""
    accepted: list[Exchange] = []
    for each in sorted(filter(_is_accepted, exchanges(record)), key=_accepted_at):
        for known in accepted:
            if (each.opened[0], each.opened[1]) == (known.opened[0], known.opened[1]):
                yield from _beside(each, known)
        accepted.append(each)


def _is_accepted(exchange: Exchange) -> bool:
    return exchange.accept is not None and bool(exchange.opened)


def _accepted_at(exchange: Exchange) -> int:
    return -1 if exchange.accept is None else exchange.accept.event


def _beside(each: Exchange, known: Exchange) -> Iterator[Finding]:
    """What an accepted open breaks beside one that was accepted before it, of the same consumer and network."""
    assert each.request is not None  # accepted
    event = _accepted_at(each)
    sequence, afterwards = each.opened[3], each.request.event > _accepted_at(known)
    if sequence == known.opened[3]:
        apart = each.link is not known.link or not afterwards
        yield _fail(f"the sequence number {sequence} was accepted twice", "RCP-039~1" if apart else "RCP-040~1", event)
    elif sequence == known.opened[3] + 1 and afterwards and each.opened[4] != known.open_name:
        yield _fail("previous is not the name of the open before, which the target accepted", "RCP-041~1", event)


def stays_within_payment(record: Record) -> Iterator[Finding]:
    """Nothing is promised or delivered beyond the ceiling, and nothing beyond the window of what was paid."""
    for exchange in exchanges(record):
        quote, accept = exchange.quote, exchange.accept
        if quote is None or accept is None:
            continue
        least = 0 if exchange.operation == answers.EMBED else 1
        ceiling, needed = exchange.opened[7], quote.owed(exchange.input_tokens, least)
        if needed > ceiling:
            message = f"the prompt and one token cost {needed}, and the ceiling is {ceiling}"
            yield _fail(message, "RCP-013~2", accept.event, accept.start)
        for number, chunk, owed, covered in _owed_by_chunk(exchange, quote):
            if owed > ceiling:
                message = f"CHUNK {number}: {owed} are owed, and the ceiling is {ceiling}"
                yield _fail(message, "RCP-016~1", chunk.event, chunk.start)
                break
            if owed > covered:
                message = f"CHUNK {number}: {owed} are owed, and with the window {covered} are covered"
                yield _fail(message, "RCP-017~1", chunk.event, chunk.start)
                break


def _owed_by_chunk(exchange: Exchange, quote: Quote) -> Iterator[tuple[int, Frame, int, int]]:
    """Each CHUNK with its number, what is owed after it, and what could be covered then, in one pass."""
    releases, paid, tokens = deque(exchange.releases), 0, 0
    for number, (chunk, (_, count)) in enumerate(zip(exchange.chunks, exchange.delivered, strict=True), 1):
        while releases and releases[0][0] < chunk.event:
            paid = releases.popleft()[1]
        tokens += count
        yield number, chunk, quote.owed(exchange.input_tokens, tokens), (paid + quote.window) * quote.tick_value


def bills_what_it_delivered(record: Record) -> Iterator[Finding]:
    """Every close is, key by key, what follows from the open, the quote, ACCEPT, the chunks and CANCEL."""
    salts: set[bytes] = set()
    for exchange in exchanges(record):
        if exchange.end is None or not shapes.is_signed(exchange.end.get(1)):
            continue
        yield from _signed_close(exchange, exchange.end)
        if exchange.close and exchange.opened:
            yield from _salt(exchange, exchange.end, salts)
            yield from _bill(exchange, exchange.end)


def _signed_close(exchange: Exchange, end: Frame) -> Iterator[Finding]:
    body, signature = end.value[1]
    if not signing.is_signed_by(exchange.link.target_key, signing.CLOSE, body, signature):
        yield _fail("the close's signature is not valid under the target's key", "RCP-007~1", end.event, end.start)
    if not exchange.close:
        yield _fail("the close is no item of its shape", "RCP-007~1", end.event, end.start)


def _salt(exchange: Exchange, end: Frame, salts: set[bytes]) -> Iterator[Finding]:
    assert exchange.request is not None  # its open was read
    salt = end.get(0)
    if not isinstance(salt, bytes):
        return  # END has not its shape, which is found elsewhere
    if salt in salts or salt == exchange.request.get(1):
        yield _fail("the salt of the commitment to the answer is not fresh", "RCP-007~1", end.event, end.start)
    salts.add(salt)


def _bill(exchange: Exchange, end: Frame) -> Iterator[Finding]:
    close = exchange.close
    if close[7] == CANCELLED and exchange.cancel is None:
        yield _fail("the close says CANCELLED, and nobody cancelled", "INF-011~1", end.event, end.start)
        return
    if close[7] == CANCELLED and not exchange.cancel_is_valid:
        return  # what such a cancel is worth, nobody says; the case says what has to follow
    quote = exchange.quote
    if quote is None:
        return  # what a request of no quote is answered with is wrong in any case
    expected = expected_close(exchange)
    for key, (name, requirement) in _KEYS.items():
        if close[key] != expected[key]:
            value = expected[key]
            shown = f"{close[key]}, and has to be {value}" if isinstance(value, int) else "not what it has to be"
            yield _fail(f"{name} of the close is {shown}", requirement, end.event, end.start)
    covered = (exchange.k_at(end.event) + quote.window) * quote.tick_value
    if close[6] > covered:
        message = f"the close bills {close[6]}, and with the window {covered} are covered"
        yield _fail(message, "RCP-034~1", end.event, end.start)


_KEYS = {
    0: ("open", "RCP-007~1"),
    1: ("request", "RCP-007~1"),
    2: ("response", "RCP-007~1"),
    3: ("model_digest", "RCP-007~1"),
    4: ("input_tokens", "RCP-007~1"),
    5: ("output_tokens", "RCP-007~1"),
    6: ("total", "RCP-025~1"),
}
"""The keys of the close whose values follow from the exchange; the reason is watched by `names_its_reason`."""


OBSERVERS: Sequence[Observer] = (
    offers_its_own,
    admits_once,
    stays_within_payment,
    bills_what_it_delivered,
)
