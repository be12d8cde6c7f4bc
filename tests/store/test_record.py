"""What is recorded only ever improves, and belongs to one open."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycellm_proto.economy import Evidence
from mycellm_proto.errors import ProtocolError
from mycellm_proto.receipt import verify_double_open
from reference_node.store import ReceiptState, ReceiptStore, Record, SequenceUsedError
from reference_node.store.audit import Audited, AuditedFraud, open_archive
from reference_node.store.records import merge

from ..proto.pair import NOW
from .conftest import Clock, Opener
from .evidence import TOTAL, bill, closed, opened, paid, settled

STEPS: list[tuple[Evidence, ReceiptState]] = [
    (opened(), ReceiptState.OPENED),
    (paid(opened(), 3), ReceiptState.OPENED),
    (paid(opened(), 2), ReceiptState.UNACKNOWLEDGED),
    (closed(opened()), ReceiptState.UNACKNOWLEDGED),
    (settled(opened()), ReceiptState.SETTLED),
]


def stored(path: Path) -> list[Audited]:
    with open_archive(path) as archive:
        return list(archive.receipts()) if archive else []


def frauds(path: Path) -> list[AuditedFraud]:
    with open_archive(path) as archive:
        return list(archive.frauds()) if archive else []


def only(path: Path) -> Record:
    (audited,) = stored(path)
    assert audited.findings == ()
    assert audited.record is not None
    return audited.record


async def test_an_exchange_is_kept_at_every_step(store: ReceiptStore, path: Path, clock: Clock) -> None:
    for evidence, state in STEPS:
        await store.record("provider", evidence, state)
        clock.now += 1
    record = only(path)
    assert (record.state, record.claim) == (ReceiptState.SETTLED, TOTAL)
    assert record.evidence == paid(settled(opened()), 3)
    assert (record.created, record.updated) == (NOW, NOW + 4)


@given(order=st.permutations(STEPS))
def test_the_order_of_arrival_does_not_matter(order: list[tuple[Evidence, ReceiptState]]) -> None:
    records = [Record.of("provider", evidence, state, NOW) for evidence, state in order]
    best = records[0]
    for record in records[1:]:
        best = merge(best, record)
    assert best == Record.of("provider", paid(settled(opened()), 3), ReceiptState.SETTLED, NOW)


@given(one=st.sampled_from(STEPS), other=st.sampled_from(STEPS))
def test_nothing_is_taken_back(one: tuple[Evidence, ReceiptState], other: tuple[Evidence, ReceiptState]) -> None:
    old, new = (Record.of("provider", evidence, state, NOW) for evidence, state in (one, other))
    merged = merge(old, new)
    assert merged.evidence.ticks >= old.evidence.ticks
    assert (merged.evidence.close is None) <= (old.evidence.close is None)
    assert (merged.evidence.countersignature is None) <= (old.evidence.countersignature is None)
    assert merge(merged, new) is merged
    assert merge(merged, old) is merged


async def test_a_close_that_was_agreed_to_replaces_one_that_was_not(store: ReceiptStore, path: Path) -> None:
    await store.record("provider", replace(opened(), close=bill(opened(), total=99)), ReceiptState.UNACKNOWLEDGED)
    await store.record("provider", settled(opened()), ReceiptState.SETTLED)
    await store.record("provider", replace(opened(), close=bill(opened(), total=98)), ReceiptState.UNACKNOWLEDGED)
    assert only(path).evidence == settled(opened())


async def test_a_refused_request_claims_nothing(store: ReceiptStore, path: Path) -> None:
    await store.record("consumer", opened(), ReceiptState.OPENED)
    await store.record("consumer", opened(), ReceiptState.REFUSED)
    assert (only(path).state, only(path).claim) == (ReceiptState.REFUSED, 0)


async def test_both_sides_of_one_open_are_two_receipts(store: ReceiptStore, path: Path) -> None:
    await store.record("consumer", settled(opened()), ReceiptState.SETTLED)
    await store.record("provider", closed(opened()), ReceiptState.UNACKNOWLEDGED)
    states = {audited.record.role: audited.record.state for audited in stored(path) if audited.record}
    assert states == {"consumer": ReceiptState.SETTLED, "provider": ReceiptState.UNACKNOWLEDGED}


async def test_another_open_under_the_same_number_is_refused_and_kept_as_proof(store: ReceiptStore, path: Path) -> None:
    await store.record("provider", opened(1), ReceiptState.OPENED)
    for request in ("another", "a third"):
        with pytest.raises(SequenceUsedError):
            await store.record("provider", settled(opened(1, request=request)), ReceiptState.SETTLED)
    assert only(path).evidence == opened(1)
    (proof,) = frauds(path)
    assert proof.findings == ()
    assert verify_double_open(proof.first, proof.second) == []
    assert {proof.first, proof.second} == {opened(1).open, opened(1, request="another").open}


async def test_many_at_once_are_all_kept(store: ReceiptStore, path: Path) -> None:
    records = [store.record("consumer", opened(n), ReceiptState.OPENED) for n in range(1, 301)]
    await asyncio.gather(*records)
    assert sorted(audited.record.identity.sequence for audited in stored(path) if audited.record) == [*range(1, 301)]


async def test_a_caller_that_gives_up_does_not_stop_the_write(store: ReceiptStore, opener: Opener, path: Path) -> None:
    task = asyncio.create_task(store.record("consumer", opened(), ReceiptState.OPENED))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await store.aclose()
    assert only(path).evidence == opened()


async def test_what_is_no_evidence_is_refused_at_once(store: ReceiptStore, path: Path) -> None:
    with pytest.raises(ProtocolError):
        await store.record("consumer", replace(opened(), open=opened().quote), ReceiptState.OPENED)
    assert stored(path) == []


async def test_a_row_that_was_tampered_with_stops_nobody_else(store: ReceiptStore, path: Path) -> None:
    from reference_node.store.database import open_writer
    from reference_node.store.errors import StoreError

    await store.record("provider", opened(1), ReceiptState.OPENED)
    engine = open_writer(path)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE receipts SET state = 'nonsense'")
    engine.dispose()
    others = [store.record("provider", opened(n), ReceiptState.OPENED) for n in range(2, 6)]
    results = await asyncio.gather(
        store.record("provider", settled(opened(1)), ReceiptState.SETTLED), *others, return_exceptions=True
    )
    assert isinstance(results[0], StoreError)
    assert results[1:] == [None] * 4
    assert store.healthy
    assert [bool(audited.findings) for audited in stored(path)] == [True, False, False, False, False]
