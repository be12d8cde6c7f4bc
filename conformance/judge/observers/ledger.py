"""Watched in every case: what the target has stored, beside what crossed the wire."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from conformance.judge.agreement import agreed, owed, receipt
from conformance.judge.consumer import results
from conformance.judge.exchange import Exchange, exchanges
from conformance.judge.finding import Finding
from conformance.judge.record import Record

from .observer import Observer
from .observer import broken as _fail


def _identity(entry: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(entry[key]) for key in ("role", "network", "consumer", "provider", "sequence"))


def books_once(record: Record) -> Iterator[Finding]:
    """One settlement identity is one debt."""
    for index, shown in results(record, "receipts"):
        for identity, times in Counter(map(_identity, shown["receipts"])).items():
            if times > 1:
                yield _fail(f"the debt {identity[-1]} is booked {times} times", "RCP-051~1", index)


def _pairs(record: Record, role: str) -> Iterator[tuple[int, Exchange, dict[str, Any] | None]]:
    """The last `receipts`, and each exchange before it with what is stored of it."""
    shown = results(record, "receipts")
    if not shown:
        return
    index, result = shown[-1]
    stored = {_identity(each): each for each in result["receipts"]}
    found: dict[tuple[str, ...], Exchange] = {}
    for exchange in exchanges(record, provider="suite" if role == "consumer" else "target"):
        if exchange.opened and exchange.request is not None and exchange.request.event < index:
            opened = exchange.opened
            identity = (role, opened[0].hex(), opened[1].hex(), opened[2].hex(), str(opened[3]))
            # Of two with one identity, the one that was accepted has made the debt.
            if identity not in found or found[identity].accept is None:
                found[identity] = exchange
    for each, exchange in found.items():
        yield index, exchange, stored.get(each)


def records_what_it_owes(record: Record) -> Iterator[Finding]:
    """As a consumer: what was agreed, or what was released, and no more."""
    for index, exchange, entry in _pairs(record, "consumer"):
        due = owed(exchange, index)
        if agreed(exchange, index):
            if entry is None or entry["receipt"] is None or bytes.fromhex(entry["receipt"]) != receipt(exchange):
                yield _fail("a receipt that was countersigned is not stored", "RCP-044~1", index)
        elif entry is None:
            if due:
                yield _fail(f"nothing is stored of an exchange for which {due} are owed", "RCP-032~1", index)
        elif entry["owed"] != due:
            yield _fail(f"{entry['owed']} are recorded, and {due} are owed", "RCP-032~1", index)


def claims_what_it_may(record: Record) -> Iterator[Finding]:
    """As a provider: nothing without a ground."""
    for index, exchange, entry in _pairs(record, "provider"):
        if entry is None:
            continue
        if entry["receipt"] is not None and not agreed(exchange, index):
            yield _fail("an exchange counts as agreed without a countersignature", "RCP-030~1", index)
        elif exchange.error is not None and exchange.accept is None and entry["owed"]:
            yield _fail(f"{entry['owed']} are claimed for a refused request", "RCP-031~1", index)
        elif entry["owed"] > owed(exchange, index):
            yield _fail(f"{entry['owed']} are claimed, and {owed(exchange, index)} are owed", "RCP-050~1", index)


OBSERVERS: Sequence[Observer] = (books_once, records_what_it_owes, claims_what_it_may)
