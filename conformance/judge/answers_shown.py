"""What an answer has to show: predicates over the record of a case."""

from __future__ import annotations

from collections.abc import Iterator

from conformance import framing
from conformance.data import error_code, limit
from conformance.finish import LENGTH, STOP

from .answered import EARLY, LATE, complete, event_of, fails, lives_on, refused, text_of
from .exchange import exchanges
from .finding import Finding, Verdict
from .record import Record

_TEMPLATE = 512
_PER_MESSAGE = 16
"""Tokens that a model's template adds at most, in all and for each message: SPEC.md, "Security considerations"."""


def stops_where_it_has_to(record: Record) -> Iterator[Finding]:
    """At temperature 0, an answer with stop sequences is the first answer, up to where one of them begins in it."""
    first, others = complete(record)[:1], complete(record)[1:]
    whole = "".join(text_of(each) for each in first)
    for exchange in others:
        stops = [each for each in exchange.content.get(5, ()) if each in whole]
        cut = min((whole.index(each) for each in stops), default=len(whole))
        text, event = text_of(exchange), event_of(exchange)
        if not text.startswith(whole[:cut]) and not whole.startswith(text):
            yield Finding(
                verdict=Verdict.WARN,
                message="at temperature 0 the model did not say the same again: where it has to stop is not known",
                requirements=("INF-006~1",),
                event=event,
            )
        elif len(text) > cut:
            yield fails(f"the answer goes on for {len(text) - cut} characters", "INF-010~1", event)
        elif len(text) < cut:
            yield fails(f"{cut - len(text)} characters before the stop sequence are missing", "INF-006~1", event)
        elif stops and exchange.close.get(7) != STOP:
            yield fails(f"the answer stopped for the reason {exchange.close.get(7)}", "INF-011~1", event)


def takes_the_likeliest(record: Record) -> Iterator[Finding]:
    """Sampling that leaves the likeliest token alone gives an answer of temperature 0."""
    likeliest = {text_of(each) for each in complete(record) if each.content.get(6) == 0}
    sampled = {text_of(each) for each in complete(record) if each.content.get(6) != 0}
    if likeliest and sampled and not likeliest & sampled:
        yield fails("other tokens than the likeliest were taken: the parameter was not applied", "INF-006~1", -1)


def repeats_itself(record: Record) -> Iterator[Finding]:
    """The same request with the same seed is meant to give the same answer."""
    answers = {text_of(each) for each in complete(record)}
    if len(answers) > 1:
        message = "the same seed gave another answer"
        yield Finding(verdict=Verdict.WARN, message=message, requirements=("INF-006~1",))


def counts_the_prompt(record: Record) -> Iterator[Finding]:
    """The same conversation has the same tokens, one that goes on has more, and none more than its bytes allow."""
    counts: dict[bytes, int] = {}
    for exchange in exchanges(record):
        if exchange.accept is None:
            continue
        texts = [each[1].encode() for each in exchange.content[2]]
        most = sum(len(each) for each in texts) + _PER_MESSAGE * len(texts) + _TEMPLATE
        tokens, event, whole = exchange.input_tokens, exchange.accept.event, b"\0".join(texts)
        if tokens > most or not tokens:
            yield fails(f"{tokens} input tokens for {sum(map(len, texts))} bytes", "INF-007~1", event)
        elif counts.setdefault(whole, tokens) != tokens:
            yield fails(f"{tokens} input tokens, and {counts[whole]} for the same before", "INF-033~1", event)
        elif any(whole.startswith(each) and each != whole and count >= tokens for each, count in counts.items()):
            yield fails(f"{tokens} input tokens, and no fewer for the beginning alone", "INF-007~1", event)


def gives_up_in_time(record: Record) -> Iterator[Finding]:
    """ERROR comes PAYMENT_TIMEOUT after the last text, neither sooner nor much later."""
    exchange = next((each for each in exchanges(record) if each.error is not None), None)
    if exchange is None or exchange.error is None:
        return  # Refuses says so
    spoken = [each for each in exchange.chunks if each.get(0) or each.get(1)]
    since = (spoken[-1] if spoken else exchange.accept or exchange.error).at
    waited = exchange.error.at - since
    if not limit("PAYMENT_TIMEOUT") - EARLY <= waited <= limit("PAYMENT_TIMEOUT") + LATE:
        yield fails(f"the provider gave up after {waited:.1f} seconds", "FLW-013~1", exchange.error.event)


def waits_for_the_request(record: Record) -> Iterator[Finding]:
    """ERROR comes REQUEST_TIMEOUT after the first byte, neither sooner nor much later."""
    error = next((each for link in record.links for each in link.of("target") if each.kind == framing.ERROR), None)
    if error is None:
        return  # Refuses says so
    waited = error.at - record.faults[0][1].at
    if not limit("REQUEST_TIMEOUT") - EARLY <= waited <= limit("REQUEST_TIMEOUT") + LATE:
        yield fails(f"the provider waited for {waited:.1f} seconds", "INF-024~1", error.event)


def says_how_long_a_prompt_may_be(record: Record) -> Iterator[Finding]:
    """CONTEXT_TOO_LONG names the most input tokens, which leave room for one, and those of the prompt."""
    for exchange in exchanges(record):
        if exchange.error is None or exchange.quote is None or exchange.error.get(0) != error_code("CONTEXT_TOO_LONG"):
            continue
        most, actual = exchange.error.get(2), exchange.error.get(3)
        if most != exchange.quote.context_length - 1:
            message = f"limit is {most}, and the context holds {exchange.quote.context_length} tokens"
            yield fails(message, "INF-008~1", exchange.error.event)
        elif not isinstance(actual, int) or actual <= most:
            yield fails(f"actual is {actual}, which fits {most}", "INF-008~1", exchange.error.event)


def is_accepted_or_too_long(record: Record) -> Iterator[Finding]:
    """Whatever a request is, its shape is right: nothing but the model's context stands against it."""
    yield from lives_on(record)
    for exchange in exchanges(record):
        if exchange.error is not None and exchange.error.get(0) != error_code("CONTEXT_TOO_LONG"):
            yield refused(exchange)
        elif exchange.error is None and exchange.accept is None:
            yield Finding(verdict=Verdict.FAIL, message="neither ACCEPT nor ERROR came")


def decides_before_the_deadline(record: Record) -> Iterator[Finding]:
    """A request whose deadline is a millisecond is refused with DEADLINE_EXCEEDED, or ends with DEADLINE."""
    yield from lives_on(record)
    for exchange in exchanges(record):
        if exchange.error is not None and exchange.error.get(0) != error_code("DEADLINE_EXCEEDED"):
            yield refused(exchange)
        elif exchange.error is None and exchange.end is None:
            yield Finding(verdict=Verdict.FAIL, message="neither END nor ERROR came once the deadline had passed")


def fills_the_first_credit(record: Record) -> Iterator[Finding]:
    """Nothing but the credit's end stops an answer that is paid, and a CREDIT lets it go on."""
    for exchange in exchanges(record):
        given = exchange.credits[0][0] if exchange.credits else len(record.transcript.events)
        before = sum(each.size for each in exchange.chunks if each.event < given)
        if before <= limit("INITIAL_CREDIT") - limit("MAX_CHUNK"):
            yield fails(f"the provider waited for credit after {before} bytes", "FLW-001~1", -1)
        elif not any(each.event > given for each in exchange.chunks):
            yield fails("the answer did not go on after CREDIT", "FLW-002~1", -1)


def shows_a_heartbeat(record: Record) -> Iterator[Finding]:
    """A CHUNK without text and tokens came."""
    chunks = [each for exchange in exchanges(record) for each in exchange.delivered]
    if ("", 0) not in chunks:
        yield fails("no heartbeat came", "INF-014~1", -1)


def fills_an_answer(record: Record) -> Iterator[Finding]:
    """An answer ends with LENGTH at MAX_ANSWER, where the model's context has room for so much."""
    for exchange in exchanges(record):
        sent = sum(each.size for each in exchange.chunks)
        if exchange.cancel is not None:
            message = f"an answer that fills this model's context has far fewer than {limit('MAX_ANSWER')} bytes"
            yield Finding(verdict=Verdict.NOT_APPLICABLE, message=message)
        elif exchange.close.get(7) != LENGTH:
            yield fails(f"{sent} bytes ended with {exchange.close.get(7)}", "FLW-014~1", event_of(exchange))


def decides_each(record: Record) -> Iterator[Finding]:
    """Each request is answered to its END, or refused with BUSY."""
    yield from lives_on(record)
    for exchange in exchanges(record):
        if exchange.error is not None and exchange.error.get(0) != error_code("BUSY"):
            yield refused(exchange)
        elif exchange.error is None and exchange.countersign is None:
            message = f"neither END nor ERROR came on stream {exchange.stream}"
            yield Finding(verdict=Verdict.FAIL, message=message)
