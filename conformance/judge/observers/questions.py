"""Watched in every case: requests, payments and agreements of the target as consumer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from conformance import answers, dcbor, framing, shapes, signing
from conformance.data import limit
from conformance.judge.agreement import node_key, wrong_close
from conformance.judge.called import joined
from conformance.judge.exchange import Exchange, exchanges
from conformance.judge.finding import Finding
from conformance.judge.record import Frame, LinkRecord, Record
from conformance.offer import leads_to

from .observer import Observer
from .observer import broken as _fail

_CROSSING = 1.0
"""Seconds in which a MODELS and a REQUEST may pass each other."""


def _asked(record: Record) -> Iterator[Exchange]:
    return exchanges(record, provider="suite")


def opens_properly(record: Record) -> Iterator[Finding]:
    """A request begins with REQUEST, on a connection that may carry it."""
    for exchange in _asked(record):
        first = next(
            (each for each in exchange.link.of("target", exchange.stream) if not framing.is_unknown(each.kind)), None
        )
        if first is None:
            continue
        if first.kind == framing.CALL:
            continue
        if exchange.request is None:
            yield _fail(f"{first.name} is the first frame of a request stream", "INF-001~1", first.event, first.start)
            continue
        if (problem := _unusable(exchange)) is not None:
            yield _fail(f"a request is sent {problem}", "HSK-020~1", first.event, first.start)
        asked = answers.CONTENTS.get(exchange.operation or 0, "chat-request")
        for rule, encoded in ((asked, first.get(0)), ("open-body", _signed_body(exchange))):
            value = _item(encoded)
            if shapes.broken("request", first.value) is None and shapes.broken(rule, value) is not None:
                yield _fail(f"{rule} has not its shape: {shapes.broken(rule, value)}", "FRM-001~1", first.event)


def _unusable(exchange: Exchange) -> str | None:
    assert exchange.request is not None  # its caller looked
    link, event = exchange.link, exchange.request.event
    needed = answers.CAPABILITIES.get(exchange.operation or answers.CHAT, 0)
    hellos = {by: _hello(link, by, event) for by in ("suite", "target")}
    mine, theirs = hellos["suite"], hellos["target"]
    if theirs is None or mine is None:
        return "before the handshake is done"
    if not link.initiates and theirs.get(8) is not True:
        return "on a connection that is not pinned"
    if needed not in mine.get(5, ()) or needed not in theirs.get(5, ()):
        return "without its capability"
    return None


def _hello(link: LinkRecord, by: str, before: int) -> dict[int, Any] | None:
    for frame in link.frames:
        if frame.by == by and frame.kind == framing.HELLO and frame.event < before:
            signed: Any = frame.value
            value = _item(signed[0]) if shapes.is_signed(signed) else None
            rule = "hello-initiator" if link.initiates == (by == "suite") else "hello-responder"
            return value if isinstance(value, dict) and shapes.broken(rule, value) is None else None
    return None


def _signed_body(exchange: Exchange) -> object:
    signed: Any = exchange.request.get(2) if exchange.request is not None else None
    return signed[0] if shapes.is_signed(signed) else None


def authorises_properly(record: Record) -> Iterator[Finding]:
    """The open commits to the content, within what may be signed, under the consumer's key."""
    for exchange in _asked(record):
        frame, opened, quote = exchange.request, exchange.opened, exchange.quote
        if frame is None or not opened:
            continue
        body, signature = frame.value[2]
        if not signing.is_signed_by(node_key(exchange.link, "target"), signing.OPEN, body, signature):
            yield _fail("the open is not signed by the consumer's key", "KEY-001~1", frame.event, frame.start)
        if opened[1] != node_key(exchange.link, "target") or opened[2] != node_key(exchange.link, "suite"):
            yield _fail("the open is between other parties", "RCP-059~1", frame.event, frame.start)
        if opened[6] != signing.name(signing.REQUEST, dcbor.encode(frame.get(1)), frame.get(0)):
            yield _fail("the open commits to another content or salt", "RCP-006~1", frame.event, frame.start)
        if opened[0] != signing.DIRECT and opened[0] not in joined(record, frame.event):
            yield _fail("the open is in a network that nobody knows", "NET-002~1", frame.event, frame.start)
        if quote is None:
            yield _fail("the open names a quote that was never offered", "RCP-052~1", frame.event, frame.start)
            continue
        if opened[7] > limit("MAX_TICKS") * quote.tick_value:
            yield _fail("the ceiling is above what ticks can pay", "RCP-035~1", frame.event, frame.start)
        if opened[7] < quote.prepaid_ticks * quote.tick_value:
            yield _fail("the ceiling is below the prepaid ticks", "RCP-037~1", frame.event, frame.start)
        elif not leads_to(frame.get(3), quote.prepaid_ticks, opened[8]):
            yield _fail("the prepaid link is not of the chain", "RCP-057~1", frame.event, frame.start)


def takes_current_quotes(record: Record) -> Iterator[Finding]:
    """A quote that is named has not expired, and is of the newest MODELS."""
    began = record.transcript.header.get("began")
    for exchange in _asked(record):
        frame, quote = exchange.request, exchange.quote
        if frame is None or quote is None:
            continue
        if isinstance(began, int | float) and began + frame.at > quote.expires + _CROSSING:
            yield _fail("the open names a quote that has expired", "RCP-052~1", frame.event, frame.start)
        lists = [
            each for each in exchange.link.of("suite") if each.kind == framing.MODELS and each.at < frame.at - _CROSSING
        ]
        if lists and isinstance(lists[-1].get(0), list):
            offered = [signing.name(signing.QUOTE, each[0]) for each in lists[-1].get(0) if shapes.is_signed(each)]
            newer = [each for each in exchange.link.of("suite") if each.kind == framing.MODELS and each not in lists]
            if quote.name not in offered and not any(quote.body in _bodies(each.get(0)) for each in newer):
                yield _fail("the open names a quote that is no longer offered", "RCP-052~1", frame.event, frame.start)


def _bodies(signed: object) -> list[bytes]:
    return [each[0] for each in signed if shapes.is_signed(each)] if isinstance(signed, list) else []


def numbers_properly(record: Record) -> Iterator[Finding]:
    """A sequence number is taken once, and each open names the one before it."""
    known: dict[tuple[bytes, bytes, bytes], dict[int, Exchange]] = {}
    for exchange in sorted(_asked(record), key=lambda each: each.request.event if each.request else 0):
        opened = exchange.opened
        if not opened or exchange.request is None:
            continue
        numbers = known.setdefault((opened[0], opened[1], opened[2]), {})
        if opened[3] in numbers:
            yield _fail(f"the sequence number {opened[3]} is taken twice", "RCP-003~1", exchange.request.event)
        numbers[opened[3]] = exchange
    crashes = [
        index
        for index, event in record.events()
        if event.what == "adapter" and event.by == "suite" and event.facts.get("options", {}).get("kill")
    ]
    for numbers in known.values():
        ordered = [numbers[each] for each in sorted(numbers)]
        for before, after in pairwise([None, *ordered]):
            assert after is not None and after.request is not None  # noqa: PT018  kept above
            name, since = (
                (b"", 0) if before is None or before.request is None else (before.open_name, before.request.event)
            )
            # What a crash has taken out of memory cannot be named.
            crashed = any(since < each < after.request.event for each in crashes)
            if not crashed and (after.opened[4] or b"") != name:
                yield _fail("previous is not the open before this one", "RCP-042~1", after.request.event)


def pays_properly(record: Record) -> Iterator[Finding]:
    """Ticks are of the chain and never more than what is due; at a countersignature all of it is paid."""
    for exchange in _asked(record):
        if exchange.quote is None or not exchange.opened:
            continue
        good = {event for event, _, _ in exchange.releases}
        known = exchange.quote.prepaid_ticks
        for frame in exchange.link.of("target", exchange.stream):
            if frame.kind != framing.TICK or shapes.broken("tick", frame.value) is not None:
                continue
            if frame.event not in good:
                yield _fail("a tick is not of the open's chain", "RCP-057~1", frame.event, frame.start)
            elif frame.value[0] > _due(exchange, frame.event):
                yield _fail("a tick is released that is not due", "RCP-056~1", frame.event, frame.start)
            elif frame.value[0] <= known:
                yield _fail("a tick does not advance", "RCP-018~1", frame.event, frame.start)
            known = max(known, frame.value[0])
        end = exchange.countersign
        if end is not None and exchange.cancel is None and exchange.k_at(end.event + 1) < _due(exchange, end.event):
            yield _fail("what is due was not released", "RCP-018~1", end.event, end.start)


def _due(exchange: Exchange, event: int) -> int:
    assert exchange.quote is not None  # the caller looked
    if exchange.accept is None or exchange.accept.event > event:
        return exchange.quote.prepaid_ticks
    seen = sum(each.event < event for each in exchange.chunks)
    return exchange.quote.ticks(exchange.owed(seen), exchange.opened[7])


def _last_released(exchange: Exchange, cancel: Frame) -> tuple[int, bytes]:
    """Ticks and link of the last TICK before CANCEL, which may come in one piece with it; else the prepaid ones."""
    assert exchange.quote is not None and exchange.request is not None  # noqa: PT018  the caller looked
    last = exchange.quote.prepaid_ticks, exchange.request.value[3]
    for frame in exchange.link.of("target", exchange.stream):
        if frame.number < cancel.number and frame.kind == framing.TICK and shapes.broken("tick", frame.value) is None:
            last = frame.value[0], frame.value[1]
    return last


def cancels_properly(record: Record) -> Iterator[Finding]:
    """CANCEL names what can have come, and the last tick."""
    for exchange in _asked(record):
        frame = exchange.cancel
        if frame is None or exchange.quote is None or shapes.broken("cancel", frame.value) is not None:
            continue
        sent = sum(each.event < frame.event for each in exchange.chunks)
        if frame.value[0] > sent:
            yield _fail(f"CANCEL names {frame.value[0]} chunks of {sent}", "INF-018~1", frame.event, frame.start)
        if (frame.value[1], frame.value[2]) != _last_released(exchange, frame):
            yield _fail("CANCEL does not name the last released tick", "INF-018~1", frame.event, frame.start)


def agrees_properly(record: Record) -> Iterator[Finding]:
    """Nothing is countersigned but a close of what was delivered."""
    for exchange in _asked(record):
        frame = exchange.countersign
        if frame is None:
            continue
        if exchange.end is None or exchange.end.event > frame.event:
            yield _fail("COUNTERSIGN without an END", "RCP-045~1", frame.event, frame.start)
        elif (problem := wrong_close(exchange)) is not None:
            yield _fail(f"a close is countersigned though {problem}", "RCP-045~1", frame.event, frame.start)
        elif not signing.is_signed_by(
            exchange.opened[1], signing.COUNTERSIGN, exchange.end.value[1][0], frame.get(0) or b""
        ):
            yield _fail("the countersignature is not valid", "SIG-002~1", frame.event, frame.start)


_LISTED = {
    framing.CANCEL: (framing.TICK, framing.CREDIT, framing.CANCEL),
    framing.ERROR: range(0, 26, 2),
    framing.COUNTERSIGN: range(0, 26, 2),
}
"""What may not follow a frame of the consumer's."""


def keeps_to_its_states(record: Record) -> Iterator[Finding]:
    """No frame that the consumer's state does not list; the side ends with the last frame, and not before."""
    for exchange in _asked(record):
        if exchange.request is None:
            continue
        barred: set[int] = {framing.REQUEST, framing.ACCEPT, framing.CHUNK, framing.END, framing.HELLO, framing.MODELS}
        barred |= {framing.CALL, framing.RESULT}
        for frame in exchange.link.of("target", exchange.stream):
            if frame is exchange.request or framing.is_unknown(frame.kind):
                continue
            early = frame.kind in (framing.TICK, framing.CREDIT) and (
                exchange.accept is None or exchange.accept.event > frame.event
            )
            if frame.kind in barred or early:
                yield _fail(f"{frame.name} in a state that does not list it", "STM-002~1", frame.event, frame.start)
            barred.update(_LISTED.get(frame.kind, ()))
        yield from _ends(exchange)


def _ends(exchange: Exchange) -> Iterator[Finding]:
    ended = exchange.link.ends.get(("target", exchange.stream))
    if ended is None:
        return
    own = [each for each in (exchange.countersign, exchange.consumer_error) if each is not None]
    over = [each.event for each in (*own, exchange.error) if each is not None]
    over += [index for index, event in exchange.link.resets if event.stream == exchange.stream]
    over += [index for (by, stream), index in exchange.link.ends.items() if (by, stream) == ("suite", exchange.stream)]
    if not any(each <= ended for each in over):
        yield _fail("the consumer ends its side before the exchange is over", "STM-003~2", ended)


def _item(encoded: object) -> object:
    try:
        return dcbor.decode(encoded) if isinstance(encoded, bytes) else None
    except dcbor.NotDeterministicError:
        return None


OBSERVERS: Sequence[Observer] = (
    opens_properly,
    authorises_properly,
    takes_current_quotes,
    numbers_properly,
    pays_properly,
    cancels_properly,
    agrees_properly,
    keeps_to_its_states,
)
