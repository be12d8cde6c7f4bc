"""Watched in every case: how much the target as consumer grants, and asks at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conformance.data import limit
from conformance.judge.exchange import Exchange, exchanges
from conformance.judge.finding import Finding
from conformance.judge.record import Record

from .observer import Observer
from .observer import broken as _fail


def _asked(record: Record) -> Iterator[Exchange]:
    return exchanges(record, provider="suite")


def credits_properly(record: Record) -> Iterator[Finding]:
    """CREDIT keeps to its step and to its bound."""
    for exchange in _asked(record):
        bound = limit("INITIAL_CREDIT")
        for event, raised in exchange.credits:
            sent = sum(each.size for each in exchange.chunks if each.event < event)
            if raised - bound < limit("MIN_CREDIT_STEP") or raised - sent > limit("MAX_CREDIT"):
                yield _fail(f"CREDIT from {bound} to {raised} with {sent} bytes sent", "FLW-012~1", event)
            bound = raised


def asks_within_bounds(record: Record) -> Iterator[Finding]:
    """So many requests at once, and so many unanswered bytes."""
    for link in record.links:
        mine = [each for each in _asked(record) if each.link is link and each.request is not None]
        for exchange in mine:
            assert exchange.request is not None  # kept above
            at = exchange.request.event
            running = [each for each in mine if each.request and each.request.event <= at < _over_at(each)]
            if len(running) > limit("MAX_STREAMS"):
                yield _fail(f"{len(running)} requests are open at once", "FLW-009~1", at)
            waiting = [each.request.size for each in running if each.request and not _answered(each, at)]
            if sum(waiting) > limit("MAX_BUFFERED"):
                yield _fail(f"{sum(waiting)} bytes of requests wait for an answer", "FLW-015~1", at)


def _over_at(exchange: Exchange) -> float:
    ends = [each.event for each in (exchange.countersign, exchange.consumer_error, exchange.error) if each is not None]
    return min(ends, default=float("inf"))


def _answered(exchange: Exchange, at: int) -> bool:
    return any(each is not None and each.event < at for each in (exchange.accept, exchange.error, exchange.end))


OBSERVERS: Sequence[Observer] = (credits_properly, asks_within_bounds)
