"""What has to follow where requests are answered: expectations over whole exchanges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from conformance import framing
from conformance.data import error_name, limit
from conformance.wire.transcript import Event

from .exchange import Exchange, exchanges
from .expect import POLICY, Expectation, closed_by_target, closed_with, fault_stream
from .finding import Finding, Verdict
from .record import LinkRecord, Record

STOP, LENGTH, CEILING, CANCELLED, DEADLINE = range(1, 6)
LATE = 5.0
"""Seconds that the network and a busy machine may add to a wait of SPEC.md: DEADLINE_GRACE."""
_CROSSING = 1.0
"""Seconds for which an END may have been on its way when CANCEL was sent."""
_TEMPLATE = 512
_PER_MESSAGE = 16
"""Tokens that a model's template adds at most, in all and for each message: SPEC.md, "Security considerations"."""


@dataclass(frozen=True, slots=True)
class Answers(Expectation):
    """At least ``count`` requests come, and each is accepted, answered, billed and agreed.

    A refusal with UNSUPPORTED says that the target does not have what the case is about.
    """

    count: int = 1
    finish: frozenset[int] = frozenset()
    """The reasons for which the answers may end; empty: any."""

    def describe(self) -> str:
        """For people."""
        return "each request is answered, billed and agreed"

    def judge(self, record: Record) -> Iterator[Finding]:
        """ERROR, END and COUNTERSIGN of each exchange."""
        requests = [each for each in exchanges(record) if each.request is not None]
        yield from lives_on(record)
        if len(requests) < self.count:
            message = f"the suite came to {len(requests)} requests of {self.count}"
            yield Finding(verdict=Verdict.FAIL, message=message)
        for exchange in requests:
            yield from self._one(exchange)

    def _one(self, exchange: Exchange) -> Iterator[Finding]:
        if exchange.error is not None:
            yield refused(exchange)
        elif exchange.countersign is None:
            message = f"the answer on stream {exchange.stream} did not come to an END that is agreed"
            yield Finding(verdict=Verdict.FAIL, message=message)
        elif self.finish and exchange.close.get(7) not in self.finish:
            message = f"the answer ended with the reason {exchange.close.get(7)}"
            yield Finding(verdict=Verdict.FAIL, message=message, event=_event(exchange))


@dataclass(frozen=True, slots=True)
class WithRoomFor(Expectation):
    """Another expectation, where the target's QUIC lets the suite open so many streams at once."""

    streams: int
    then: Expectation

    def describe(self) -> str:
        """For people."""
        return f"{self.then.describe()}, where QUIC lets {self.streams} streams be open"

    def judge(self, record: Record) -> Iterator[Finding]:
        """The transport parameter, then the other."""
        link = record.fault_link
        allowed = None if link is None else link.transport.get("initial_max_streams_bidi")
        if isinstance(allowed, int) and allowed < self.streams:
            message = f"QUIC lets {allowed} streams be open: no more than that can be skipped"
            yield Finding(verdict=Verdict.NOT_APPLICABLE, message=message)
        else:
            yield from self.then.judge(record)


def refused(exchange: Exchange) -> Finding:
    """What a refusal means where an answer was due."""
    assert exchange.error is not None  # the caller looked
    code = exchange.error.get(0)
    name = error_name(code) if isinstance(code, int) else "no code"
    verdict = {True: Verdict.UNTESTABLE, False: Verdict.FAIL}[name in POLICY]
    if name == "UNSUPPORTED":
        verdict = Verdict.NOT_APPLICABLE
    message = f"the request on stream {exchange.stream} was refused or given up with {name}"
    return Finding(verdict=verdict, message=message, event=exchange.error.event, lift=POLICY.get(name, ""))


def lives_on(record: Record) -> Iterator[Finding]:
    """The target closed no connection before the suite did."""
    for link in record.links:
        if link.close is not None and closed_by_target(link):
            message = f"the connection ended by {closed_with(link)}, and had to live on"
            yield Finding(verdict=Verdict.FAIL, message=message, event=link.close[0])


def complete(record: Record) -> list[Exchange]:
    """Every request that was answered to its END."""
    return [each for each in exchanges(record) if each.end is not None]


def text_of(exchange: Exchange) -> str:
    """The answer."""
    return "".join(text for text, _ in exchange.delivered)


def stops_where_it_has_to(record: Record) -> Iterator[Finding]:
    """At temperature 0, an answer with stop sequences is the first answer, up to where one of them begins in it."""
    first, others = complete(record)[:1], complete(record)[1:]
    whole = "".join(text_of(each) for each in first)
    for exchange in others:
        stops = [each for each in exchange.content.get(5, ()) if each in whole]
        cut = min((whole.index(each) for each in stops), default=len(whole))
        text, event = text_of(exchange), _event(exchange)
        if not text.startswith(whole[:cut]) and not whole.startswith(text):
            yield Finding(
                verdict=Verdict.WARN,
                message="at temperature 0 the model did not say the same again: where it has to stop is not known",
                requirements=("INF-006~1",),
                event=event,
            )
        elif len(text) > cut:
            yield _fails(f"the answer goes on for {len(text) - cut} characters", "INF-010~1", event)
        elif len(text) < cut:
            yield _fails(f"{cut - len(text)} characters before the stop sequence are missing", "INF-006~1", event)
        elif stops and exchange.close.get(7) != STOP:
            yield _fails(f"the answer stopped for the reason {exchange.close.get(7)}", "INF-011~1", event)


def takes_the_likeliest(record: Record) -> Iterator[Finding]:
    """Sampling that leaves the likeliest token alone gives an answer of temperature 0."""
    likeliest = {text_of(each) for each in complete(record) if each.content.get(6) == 0}
    sampled = {text_of(each) for each in complete(record) if each.content.get(6) != 0}
    if likeliest and sampled and not likeliest & sampled:
        yield _fails("other tokens than the likeliest were taken: the parameter was not applied", "INF-006~1", -1)


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
            yield _fails(f"{tokens} input tokens for {sum(map(len, texts))} bytes", "INF-007~1", event)
        elif counts.setdefault(whole, tokens) != tokens:
            yield _fails(f"{tokens} input tokens, and {counts[whole]} for the same before", "INF-007~1", event)
        elif any(whole.startswith(each) and each != whole and count >= tokens for each, count in counts.items()):
            yield _fails(f"{tokens} input tokens, and no fewer for the beginning alone", "INF-007~1", event)


def bills_what_cancel_names(record: Record) -> Iterator[Finding]:
    """END bills the chunks that CANCEL names, or ERROR comes; an END that crossed CANCEL has a reason of its own."""
    exchange = next((each for each in exchanges(record) if each.cancel is not None), None)
    if exchange is None or exchange.cancel is None:
        yield Finding(verdict=Verdict.FAIL, message="no answer came that could be cancelled")
        return
    yield from lives_on(record)
    late = [each for each in exchange.chunks if each.at > exchange.cancel.at + LATE]
    if late:
        yield _fails("the answer goes on after CANCEL", "INF-023~1", late[0].event)
    if exchange.end is None and exchange.error is None:
        yield Finding(verdict=Verdict.FAIL, message="neither END nor ERROR came after CANCEL")
    if exchange.end is None:
        return
    finish, crossing = exchange.close.get(7), exchange.end.at - exchange.cancel.at < _CROSSING
    if finish != CANCELLED and not (crossing and finish in (STOP, LENGTH, CEILING)):
        yield _fails(f"the answer ended with the reason {finish} after CANCEL", "INF-023~1", exchange.end.event)
    named = sum(count for _, count in exchange.delivered[: exchange.cancel.get(0)])
    if finish == CANCELLED and exchange.close.get(5) != named:
        message = f"{exchange.close.get(5)} output tokens are billed, and CANCEL named {named}"
        yield _fails(message, "RCP-007~1", exchange.end.event)


def says_cancelled(record: Record) -> Iterator[Finding]:
    """Nothing crossed the CANCEL, so that an END has to say CANCELLED."""
    yield from bills_what_cancel_names(record)
    for exchange in exchanges(record):
        if exchange.end is not None and exchange.close.get(7) != CANCELLED:
            message = f"the answer ended with the reason {exchange.close.get(7)} after CANCEL"
            yield _fails(message, "INF-023~1", exchange.end.event)


def takes_it_as_gone(record: Record) -> Iterator[Finding]:
    """No END, no ERROR and no text follow a consumer that left, and the provider ends its side as well."""
    link = record.fault_link
    stream = next((event.stream for index, event in record.events() if _leaves(event) and index > record.fault_at), -1)
    exchange = next((each for each in exchanges(record) if each.link is link and each.stream == stream), None)
    if link is None or exchange is None:
        yield Finding(verdict=Verdict.FAIL, message="the suite did not come to the point where it leaves")
        return
    yield from lives_on(record)
    if (last := exchange.end or exchange.error) is not None:
        yield Finding(verdict=Verdict.FAIL, message=f"{last.name} came to a consumer that left", event=last.event)
    if not _ended(link, stream):
        yield Finding(verdict=Verdict.FAIL, message="the provider did not end its side after the consumer left")


def _leaves(event: Event) -> bool:
    return event.by == "suite" and event.stream >= 0 and (event.fin or event.what in ("reset", "stop"))


def takes_no_request(record: Record) -> Iterator[Finding]:
    """Nothing is accepted on the stream of the fault, and the provider ends its side."""
    link, stream = record.fault_link, fault_stream(record)
    if link is None or stream is None:
        yield Finding(verdict=Verdict.FAIL, message="the suite did not come to its request")
        return
    yield from lives_on(record)
    accepted = next((each for each in link.of("target", stream) if each.kind == framing.ACCEPT), None)
    if accepted is not None:
        yield Finding(verdict=Verdict.FAIL, message="ACCEPT came for half a REQUEST", event=accepted.event)
    if not _ended(link, stream):
        yield Finding(verdict=Verdict.FAIL, message="the provider did not end its side")


def _ended(link: LinkRecord, stream: int) -> bool:
    reset = any(event.by == "target" and event.stream == stream for _, event in link.resets)
    return reset or ("target", stream) in link.ends


def gives_up_in_time(record: Record) -> Iterator[Finding]:
    """ERROR comes PAYMENT_TIMEOUT after the last text, neither sooner nor much later."""
    exchange = next((each for each in exchanges(record) if each.error is not None), None)
    if exchange is None or exchange.error is None:
        return  # Refuses says so
    spoken = [each for each in exchange.chunks if each.get(0) or each.get(1)]
    since = (spoken[-1] if spoken else exchange.accept or exchange.error).at
    waited = exchange.error.at - since
    if not limit("PAYMENT_TIMEOUT") - 0.1 <= waited <= limit("PAYMENT_TIMEOUT") + LATE:
        yield _fails(f"the provider gave up after {waited:.1f} seconds", "FLW-013~1", exchange.error.event)


def waits_for_the_request(record: Record) -> Iterator[Finding]:
    """ERROR comes REQUEST_TIMEOUT after the first byte, neither sooner nor much later."""
    error = next((each for link in record.links for each in link.of("target") if each.kind == framing.ERROR), None)
    if error is None:
        return  # Refuses says so
    waited = error.at - record.faults[0][1].at
    if not limit("REQUEST_TIMEOUT") - 0.1 <= waited <= limit("REQUEST_TIMEOUT") + LATE:
        yield _fails(f"the provider waited for {waited:.1f} seconds", "INF-024~1", error.event)


def says_how_long_a_prompt_may_be(record: Record) -> Iterator[Finding]:
    """CONTEXT_TOO_LONG names the most input tokens, which leave room for one, and those of the prompt."""
    for exchange in exchanges(record):
        if exchange.error is None or exchange.quote is None or exchange.error.get(0) != 54:
            continue
        most, actual = exchange.error.get(2), exchange.error.get(3)
        if most != exchange.quote.context_length - 1:
            message = f"limit is {most}, and the context holds {exchange.quote.context_length} tokens"
            yield _fails(message, "INF-008~1", exchange.error.event)
        elif not isinstance(actual, int) or actual <= most:
            yield _fails(f"actual is {actual}, which fits {most}", "INF-008~1", exchange.error.event)


def decides_before_the_deadline(record: Record) -> Iterator[Finding]:
    """A request whose deadline is a millisecond is refused with DEADLINE_EXCEEDED, or ends with DEADLINE."""
    yield from lives_on(record)
    for exchange in exchanges(record):
        if exchange.error is not None and exchange.error.get(0) != 57:
            yield refused(exchange)
        elif exchange.error is None and exchange.end is None:
            yield Finding(verdict=Verdict.FAIL, message="neither END nor ERROR came once the deadline had passed")


def fills_the_first_credit(record: Record) -> Iterator[Finding]:
    """Nothing but the credit's end stops an answer that is paid, and a CREDIT lets it go on."""
    for exchange in exchanges(record):
        given = exchange.credits[0][0] if exchange.credits else len(record.transcript.events)
        before = sum(each.size for each in exchange.chunks if each.event < given)
        if before <= limit("INITIAL_CREDIT") - limit("MAX_CHUNK"):
            yield _fails(f"the provider waited for credit after {before} bytes", "FLW-001~1", -1)
        elif not any(each.event > given for each in exchange.chunks):
            yield _fails("the answer did not go on after CREDIT", "FLW-002~1", -1)


def shows_a_heartbeat(record: Record) -> Iterator[Finding]:
    """A CHUNK without text and tokens came."""
    chunks = [each for exchange in exchanges(record) for each in exchange.delivered]
    if ("", 0) not in chunks:
        yield _fails("no heartbeat came", "INF-014~1", -1)


def fills_an_answer(record: Record) -> Iterator[Finding]:
    """An answer ends with LENGTH at MAX_ANSWER, where the model's context has room for so much."""
    for exchange in exchanges(record):
        sent = sum(each.size for each in exchange.chunks)
        if exchange.cancel is not None:
            message = f"an answer that fills this model's context has far fewer than {limit('MAX_ANSWER')} bytes"
            yield Finding(verdict=Verdict.NOT_APPLICABLE, message=message)
        elif exchange.close.get(7) != LENGTH:
            yield _fails(f"{sent} bytes ended with {exchange.close.get(7)}", "FLW-014~1", _event(exchange))


def takes_one_cancel(record: Record) -> Iterator[Finding]:
    """A second CANCEL is out of place before END, and ignored behind it."""
    link = record.fault_link
    if link is None or link.close is None or not closed_by_target(link):
        yield from bills_what_cancel_names(record)
    elif closed_with(link) != "UNEXPECTED_FRAME":
        message = f"the connection ended by {closed_with(link)}"
        yield Finding(verdict=Verdict.FAIL, message=message, event=link.close[0])


def _event(exchange: Exchange) -> int:
    return -1 if exchange.end is None else exchange.end.event


def _fails(message: str, requirement: str, event: int) -> Finding:
    return Finding(verdict=Verdict.FAIL, message=message, requirements=(requirement,), event=event)
