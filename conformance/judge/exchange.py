"""A request stream read again: what was asked, promised, delivered, paid, billed and agreed, and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from conformance import answers, dcbor, framing, shapes, signing
from conformance.data import limit
from conformance.dcbor import Item
from conformance.offer import Quote, leads_to
from conformance.wire.transcript import By

from .record import Frame, LinkRecord, Record


@dataclass(kw_only=True)
class Exchange:
    """One request stream, as far as it came. Shapes that are broken leave their part empty."""

    link: LinkRecord
    stream: int
    provider: By
    """Which side answers."""
    request: Frame | None = None
    opened: dict[int, Item] = field(default_factory=dict)
    open_name: bytes = b""
    content: dict[int, Item] = field(default_factory=dict)
    quote: Quote | None = None
    accept: Frame | None = None
    chunks: list[Frame] = field(default_factory=list)
    releases: list[tuple[int, int, bytes]] = field(default_factory=list)
    """Event, k and link of everything that the consumer validly released, from the prepaid ticks on."""
    credits: list[tuple[int, int]] = field(default_factory=list)
    """Event and limit of each CREDIT, valid or not."""
    cancel: Frame | None = None
    end: Frame | None = None
    close: dict[int, Item] = field(default_factory=dict)
    error: Frame | None = None
    """ERROR of the provider."""
    consumer_error: Frame | None = None
    countersign: Frame | None = None

    @property
    def consumer(self) -> By:
        """Which side asks."""
        return "suite" if self.provider == "target" else "target"

    @property
    def input_tokens(self) -> int:
        """As in ACCEPT; 0 without one."""
        value = self.accept.get(0) if self.accept is not None else 0
        return value if isinstance(value, int) else 0

    @property
    def delivered(self) -> list[tuple[str, int]]:
        """Text of the answer and tokens of each CHUNK; nothing of one that has not its shape."""
        return [
            ("", 0) if shapes.broken("chunk", each.value) is not None else (_said(each.value), each.value[1])
            for each in self.chunks
        ]

    @property
    def operation(self) -> int | None:
        """The operation that was asked for."""
        return answers.operation_of(self.content)

    @property
    def pieces(self) -> list[dict[int, Any]]:
        """The body of each CHUNK; an empty one for what has not its shape."""
        empty: dict[int, Any] = {0: "", 1: 0}
        return [each.value if shapes.broken("chunk", each.value) is None else empty for each in self.chunks]

    @property
    def cancel_is_valid(self) -> bool:
        """Whether CANCEL names chunks that were delivered, and a link that pays."""
        cancel = self.cancel
        return (
            cancel is not None
            and any(event == cancel.event for event, _, _ in self.releases)
            and cancel.value[0] <= len(self.chunks)
        )

    @property
    def billed(self) -> list[dict[int, Any]]:
        """The CHUNK bodies that the close has to bill: for CANCELLED those that CANCEL names."""
        if self.close.get(7) == 4 and self.cancel is not None:
            return self.pieces[: self.cancel.value[0]]
        return self.pieces

    def k_at(self, event: int) -> int:
        """The most ticks that the provider can have had at an event."""
        return max((k for at, k, _ in self.releases if at < event), default=0)

    def credit_at(self, event: int) -> int:
        """The most bytes of CHUNK frames that the provider may have sent at an event."""
        return max((limit("INITIAL_CREDIT"), *(bound for at, bound in self.credits if at < event)))

    def owed(self, chunks: int | None = None) -> int:
        """Micro-credits for the prompt and the first ``chunks`` CHUNK frames, or all."""
        tokens = sum(count for _, count in self.delivered[:chunks])
        return 0 if self.quote is None else self.quote.owed(self.input_tokens, tokens)


def exchanges(record: Record, provider: By = "target") -> Iterator[Exchange]:
    """Every request stream on which ``provider`` is asked, on every connection."""
    for link in record.links:
        # Streams 0, 4, … are the initiator's; the suite initiates where it dialed.
        asked_by_initiator = link.initiates == (provider == "target")
        for stream in link.request_streams():
            if (stream % 4 == 0) == asked_by_initiator:
                yield _read(link, stream, provider)


def _read(link: LinkRecord, stream: int, provider: By) -> Exchange:
    exchange = Exchange(link=link, stream=stream, provider=provider)
    for frame in link.frames:
        if frame.stream != stream or framing.is_unknown(frame.kind):
            continue
        if frame.by == provider:
            _of_provider(exchange, frame)
        elif exchange.request is None:
            if frame.kind == framing.REQUEST:
                _request(exchange, frame)
            else:
                return exchange
        else:
            _of_consumer(exchange, frame)
    return exchange


def _request(exchange: Exchange, frame: Frame) -> None:
    exchange.request = frame
    if shapes.broken("request", frame.value) is not None:
        return
    exchange.content = _map(frame.value[0])
    body, _ = frame.value[2]
    opened = _map(body)
    if shapes.broken("open-body", opened) is not None:
        return
    exchange.opened, exchange.open_name = opened, signing.name(signing.OPEN, body)
    exchange.quote = _quotes(exchange.link, exchange.provider, frame.event).get(opened[5])
    if exchange.quote is not None:
        _release(exchange, frame.event, exchange.quote.prepaid_ticks, frame.value[3])


def _quotes(link: LinkRecord, provider: By, before: int) -> dict[bytes, Quote]:
    """Everything that ``provider`` offered on this connection before an event, by name."""
    found: dict[bytes, Quote] = {}
    for frame in link.of(provider):
        if frame.kind == framing.MODELS and frame.event < before and shapes.broken("models", frame.value) is None:
            for body, _ in frame.value[0]:
                if shapes.broken("quote-body", _map(body)) is None:
                    quote = Quote.read(body)
                    found[quote.name] = quote
    return found


def _of_provider(exchange: Exchange, frame: Frame) -> None:
    if frame.kind == framing.ACCEPT:
        exchange.accept = exchange.accept or frame
    elif frame.kind == framing.CHUNK:
        exchange.chunks.append(frame)
    elif frame.kind == framing.END and exchange.end is None:
        exchange.end = frame
        signed = frame.get(1)
        if shapes.is_signed(signed) and shapes.broken("close-body", _map(signed[0])) is None:
            exchange.close = _map(signed[0])
    elif frame.kind == framing.ERROR:
        exchange.error = exchange.error or frame


def _of_consumer(exchange: Exchange, frame: Frame) -> None:
    if frame.kind == framing.TICK and shapes.broken("tick", frame.value) is None:
        _release(exchange, frame.event, frame.value[0], frame.value[1])
    elif frame.kind == framing.CREDIT and isinstance(frame.get(0), int):
        exchange.credits.append((frame.event, frame.value[0]))
    elif frame.kind == framing.CANCEL and exchange.cancel is None and shapes.broken("cancel", frame.value) is None:
        exchange.cancel = frame
        _release(exchange, frame.event, frame.value[1], frame.value[2])
    elif frame.kind == framing.COUNTERSIGN and shapes.broken("countersign", frame.value) is None:
        exchange.countersign = exchange.countersign or frame
    elif frame.kind == framing.ERROR:
        exchange.consumer_error = exchange.consumer_error or frame


def _release(exchange: Exchange, event: int, k: int, link: bytes) -> None:
    """Note a release, if the link is of the chain and within it."""
    assert exchange.quote is not None or not exchange.releases  # nothing is released without a quote
    if exchange.quote is None or k > exchange.quote.most_ticks(exchange.opened[7]):
        return
    known, target = (exchange.releases[-1][1:]) if exchange.releases else (0, exchange.opened[8])
    if k >= known and leads_to(link, k - known, target):
        exchange.releases.append((event, k, link))


def _map(encoded: Any) -> dict[int, Item]:
    try:
        value = dcbor.decode(encoded) if isinstance(encoded, bytes) else {}
    except dcbor.NotDeterministicError:
        return {}
    return value if isinstance(value, dict) else {}


def _said(chunk: dict[int, Any]) -> str:
    """The text of a CHUNK that is of the answer itself."""
    return "" if 2 in chunk else str(chunk[0])
