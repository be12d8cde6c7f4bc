"""What a settlement node has not judged yet is due: through restarts, until it has, and again once it is better."""

from __future__ import annotations

from pathlib import Path

from mycellm_proto.economy import DIRECT_NETWORK
from reference_node.store import BOOKED, DUE, ReceiptState, ReceiptStore, Record
from reference_node.store.spool import Spool

from ..proto.pair import NOW
from .conftest import Clock, Opener
from .evidence import closed, opened, paid, settled

LATER = NOW + 100


async def due(store: ReceiptStore, *, started: float = NOW, quiet: float = NOW, most: int = 16) -> list[ReceiptState]:
    found = await store.due(DIRECT_NETWORK, started=started, quiet=quiet, most=most)
    return [record.state for record in found]


async def test_an_open_is_due_once_it_is_over_or_its_process_is(store: ReceiptStore, opener: Opener) -> None:
    await (await store.admit(opened(1), allowance=None, now=NOW))
    assert await due(store) == []  # it runs
    await store.aclose()
    again = await opener()
    assert await due(again, started=LATER) == [ReceiptState.OPENED]
    await again.record("provider", settled(opened(1)), ReceiptState.SETTLED)
    assert await due(again) == [ReceiptState.SETTLED]
    assert await again.due(bytes(32), started=LATER, quiet=LATER, most=16) == []


async def test_what_was_judged_is_due_no_more_unless_it_is_better(store: ReceiptStore, clock: Clock) -> None:
    await (await store.admit(opened(1), allowance=None, now=NOW))
    await store.record("provider", paid(opened(1), 3), ReceiptState.UNACKNOWLEDGED)
    [old] = await store.due(DIRECT_NETWORK, started=NOW, quiet=NOW, most=16)
    clock.now += 1
    await store.record("provider", closed(opened(1)), ReceiptState.UNACKNOWLEDGED)
    await store.judged([(old, BOOKED, 192)])  # of what it was when it was shown
    [new] = await store.due(DIRECT_NETWORK, started=NOW, quiet=NOW, most=16)
    await store.judged([(new, BOOKED, 192)])
    assert await due(store) == []
    clock.now += 1
    await store.record("provider", settled(opened(1)), ReceiptState.SETTLED)
    assert await due(store) == [ReceiptState.SETTLED]


async def test_a_consumer_leaves_it_to_the_provider_for_a_while(store: ReceiptStore) -> None:
    await store.record("consumer", settled(opened(1)), ReceiptState.SETTLED, DUE)
    assert await due(store, quiet=NOW) == []
    assert await due(store, quiet=LATER) == [ReceiptState.SETTLED]


async def test_where_no_settlement_node_is_nothing_is_due(store: ReceiptStore) -> None:
    await (await store.admit(opened(1), allowance=1_000_000, now=NOW))
    await store.record("provider", settled(opened(1)), ReceiptState.SETTLED)
    await store.record("consumer", settled(opened(1)), ReceiptState.SETTLED)
    assert await due(store, started=LATER, quiet=LATER) == []


async def test_the_oldest_come_first_and_no_more_than_asked_for(store: ReceiptStore) -> None:
    for number in range(1, 10, 2):  # with gaps: the next would have to name the one before
        await (await store.admit(opened(number), allowance=None, now=NOW + number))
        await store.record("provider", settled(opened(number)), ReceiptState.SETTLED)
    found = await store.due(DIRECT_NETWORK, started=NOW, quiet=NOW, most=3)
    assert [record.identity.sequence for record in found] == [1, 3, 5]


def test_the_spool_keeps_that_it_is_due(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    records = [
        Record.of("provider", settled(opened(number)), ReceiptState.SETTLED, NOW, settlement=word)
        for number, word in ((1, DUE), (2, ""))
    ]
    assert spool.append(records) == 2
    assert spool.records() == records
    spool.close()
