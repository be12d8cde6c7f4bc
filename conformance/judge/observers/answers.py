"""Watched in every case: answers of the target as provider: chunks, credit, stop sequences, deadlines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conformance import framing, shapes
from conformance.answers import CONTENTS, Reading
from conformance.data import error_name, limit
from conformance.finish import CANCELLED, CEILING, DEADLINE, LENGTH
from conformance.judge.answered import EARLY, LATE
from conformance.judge.exchange import Exchange, exchanges
from conformance.judge.finding import Finding, Verdict
from conformance.judge.record import Frame, Record

from .observer import Observer, broken

_HEARTBEAT_BYTES = framing.size(framing.CHUNK, {0: "", 1: 0})


def counts_within_max_tokens(record: Record) -> Iterator[Finding]:
    """No more output tokens than max_tokens, and no text that no token was counted for."""
    for exchange in exchanges(record):
        most, tokens = exchange.content.get(3), 0
        for chunk, (_, count) in zip(exchange.chunks, exchange.delivered, strict=True):
            tokens += count
            if type(most) is int and tokens > most:
                yield broken(f"{tokens} output tokens, max_tokens is {most}", "INF-012~1", chunk.event, chunk.start)
                break
        if exchange.end is not None and not tokens and any(text for text, _ in exchange.delivered):
            yield broken("text came, and no token was counted for it", "INF-009~1", exchange.end.event)


def sends_what_may_come(record: Record) -> Iterator[Finding]:
    """No CHUNK and no END that the request, or the CHUNK frames before, do not allow."""
    for exchange in exchanges(record):
        if shapes.broken(CONTENTS.get(exchange.operation or 0, "chat-request"), exchange.content) is not None:
            continue
        reading = Reading(exchange.content)
        for chunk, body in zip(exchange.chunks, exchange.pieces, strict=True):
            if (rule := next((rule for rule, wrong in reading.take(body) if wrong), None)) is not None:
                yield broken(f"a CHUNK that {rule} does not allow", "INF-043~1", chunk.event, chunk.start)
                break
        else:
            finish = exchange.close.get(7)
            if exchange.end is not None and finish is not None and any(wrong for _, wrong in reading.end(finish)):
                yield broken("END says what is not there", "INF-043~1", exchange.end.event)


def stays_within_credit(record: Record) -> Iterator[Finding]:
    """CHUNK frames never exceed the credit, nor MAX_ANSWER."""
    for exchange in exchanges(record):
        sent = 0
        for chunk in exchange.chunks:
            sent += chunk.size
            allowed = exchange.credit_at(chunk.event)
            if sent > allowed:
                message = f"{sent} bytes of CHUNK frames, the limit was {allowed}"
                rules = ("FLW-002~1",) if exchange.credits else ("FLW-001~1", "FLW-002~1")
                yield Finding(verdict=Verdict.FAIL, message=message, requirements=rules, event=chunk.event)
                break
            if sent > limit("MAX_ANSWER"):
                yield broken(f"{sent} bytes of CHUNK frames in one answer", "FLW-014~1", chunk.event)
                break


def leaks_no_stop_sequence(record: Record) -> Iterator[Finding]:
    """No stop sequence is in an answer, wherever its chunks end."""
    for exchange in exchanges(record):
        stops, text = exchange.content.get(5), ""
        if not isinstance(stops, list):
            continue
        for chunk, (said, _) in zip(exchange.chunks, exchange.delivered, strict=True):
            text += said
            if (leaked := next((each for each in stops if each in text), None)) is not None:
                yield broken(f"the answer holds the stop sequence {leaked!r}", "INF-010~1", chunk.event, chunk.start)
                break


def names_its_reason(record: Record) -> Iterator[Finding]:
    """The finish reason of a close fits what was asked, delivered and done."""
    for exchange in exchanges(record):
        if exchange.end is None or not exchange.close or exchange.quote is None or exchange.request is None:
            continue
        if shapes.broken("chat-request", exchange.content) is not None:
            continue  # what was asked is not said
        problem = _wrong_reason(exchange, exchange.end.at - exchange.request.at)
        if problem is not None:
            yield broken(f"finish is {exchange.close[7]}, and {problem}", "INF-011~1", exchange.end.event)


def _wrong_reason(exchange: Exchange, seconds: float) -> str | None:
    quote, finish = exchange.quote, exchange.close[7]
    assert quote is not None  # the caller looked
    tokens = sum(count for _, count in exchange.delivered)
    if finish == LENGTH:
        sent = sum(each.size for each in exchange.chunks)
        fills = exchange.input_tokens + tokens >= quote.context_length
        if tokens != exchange.content[3] and not fills and sent <= limit("MAX_ANSWER") - 2 * limit("MAX_CHUNK"):
            return f"{tokens} tokens are neither max_tokens nor all that fits the context or an answer"
    if finish == CEILING and quote.owed(exchange.input_tokens, tokens + 1) <= exchange.opened[7]:
        return "the ceiling pays for one more token"
    if finish == CANCELLED and exchange.cancel is None:
        return "nobody cancelled"
    if finish == DEADLINE and seconds < exchange.content[4] / 1000 - EARLY:
        return f"the deadline had not passed after {seconds:.1f} seconds"
    return None


def keeps_deadlines(record: Record) -> Iterator[Finding]:
    """An answer is over when its deadline has passed, and a request that was not accepted is refused."""
    for exchange in exchanges(record):
        allowed = exchange.content.get(4)
        if exchange.request is None or not exchange.opened or type(allowed) is not int:
            continue
        due = exchange.request.at + allowed / 1000 + LATE
        late = next((each for each in _answer(exchange) if each.at > due), None)
        rule = "INF-013~1" if exchange.accept is not None and exchange.accept.at <= due else "INF-022~1"
        if late is not None:
            message = f"{late.name} came {late.at - exchange.request.at:.1f} s after REQUEST, of {allowed} ms"
            yield broken(message, rule, late.event, late.start)
        elif exchange.end is None and exchange.error is None and _end(record, exchange) > due:
            yield broken(f"the answer was not ended {allowed} ms after REQUEST", rule, exchange.request.event)


def says_that_it_lives(record: Record) -> Iterator[Finding]:
    """A heartbeat comes where nothing else does, unless payment or credit hold it back."""
    for exchange in exchanges(record):
        if exchange.accept is None or exchange.quote is None:
            continue
        frames = [each for each in _answer(exchange) if each.at >= exchange.accept.at]
        over = exchange.end is not None or exchange.error is not None
        times = [each.at for each in frames[1:]] + ([] if over else [_end(record, exchange)])
        chunks = 0
        for frame, following in zip(frames, times, strict=False):
            chunks += frame.kind == framing.CHUNK
            if following - frame.at > limit("HEARTBEAT") + LATE and _may_beat(exchange, chunks, frame.event):
                message = f"nothing came for {following - frame.at:.0f} seconds behind {frame.name}"
                yield broken(message, "INF-014~1", frame.event, frame.start)
                break


def _may_beat(exchange: Exchange, chunks: int, event: int) -> bool:
    """Whether payment and credit allowed a heartbeat after so many chunks."""
    quote = exchange.quote
    assert quote is not None  # the caller looked
    covered = (exchange.k_at(event) + quote.window) * quote.tick_value
    sent = sum(each.size for each in exchange.chunks[:chunks])
    return exchange.owed(chunks) <= covered and sent + _HEARTBEAT_BYTES <= exchange.credit_at(event)


def decides_soon(record: Record) -> Iterator[Finding]:
    """A request is accepted or refused within half of SILENCE_TIMEOUT."""
    for exchange in exchanges(record):
        first = exchange.accept or exchange.error
        if exchange.request is None or not exchange.opened or first is None or exchange.cancel is not None:
            continue
        waited = first.at - exchange.request.at
        if waited > limit("SILENCE_TIMEOUT") / 2 + LATE:
            yield broken(f"{first.name} came after {waited:.0f} seconds", "INF-028~1", first.event, first.start)


def says_farewell(record: Record) -> Iterator[Finding]:
    """A connection that the target closes on its own account leaves no answer without an END."""
    for exchange in exchanges(record):
        close = exchange.link.close
        if close is None or close[1].what != "close" or exchange.accept is None:
            continue
        own_account = error_name(close[1].code) in ("NO_ERROR", "SHUTTING_DOWN")
        running = exchange.end is None and exchange.error is None and _left(exchange) is None
        if own_account and running:
            yield broken("the connection was closed in the middle of an answer", "INF-029~1", close[0])


def _answer(exchange: Exchange) -> list[Frame]:
    """ACCEPT, CHUNK, END and ERROR, in their order."""
    frames = exchange.link.of("target", exchange.stream)
    return [each for each in frames if not framing.is_unknown(each.kind)]


def _left(exchange: Exchange) -> int | None:
    """The event at which the consumer ended its side, stopped the other, or was done."""
    events = [index for index, event in exchange.link.resets if (event.by, event.stream) == ("suite", exchange.stream)]
    if (ended := exchange.link.ends.get(("suite", exchange.stream))) is not None:
        events.append(ended)
    if exchange.consumer_error is not None:
        events.append(exchange.consumer_error.event)
    return min(events, default=None)


def _until(record: Record, exchange: Exchange) -> float:
    """The time up to which the connection was watched."""
    events = record.transcript.events
    ends = [exchange.link.close[0] if exchange.link.close else None, exchange.link.suite_closed]
    return min((events[each].at for each in ends if each is not None), default=events[-1].at)


def _end(record: Record, exchange: Exchange) -> float:
    """The time up to which the provider had a reason to go on: the consumer neither cancelled nor left."""
    left = _left(exchange)
    times = [_until(record, exchange)]
    if left is not None:
        times.append(record.transcript.events[left].at)
    if exchange.cancel is not None:
        times.append(exchange.cancel.at)
    return min(times)


OBSERVERS: Sequence[Observer] = (
    counts_within_max_tokens,
    sends_what_may_come,
    stays_within_credit,
    leaks_no_stop_sequence,
    names_its_reason,
    keeps_deadlines,
    says_that_it_lives,
    decides_soon,
    says_farewell,
)
