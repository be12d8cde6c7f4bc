"""What a provider admits: every number once, in the consumer's order, within the allowance."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from mycellm_proto.economy import DIRECT_NETWORK, Evidence
from mycellm_proto.keys import SigningKey
from reference_node.store import (
    AllowanceExhaustedError,
    BrokenChainError,
    Identity,
    InsufficientCreditError,
    Pending,
    ReceiptState,
    ReceiptStore,
    SequenceUsedError,
    StoreUnavailableError,
    admission,
)

from ..proto.pair import NOW, quote, seed
from .conftest import Clock, Opener
from .evidence import CEILING, TOTAL, closed, name, opened, paid, settled
from .test_record import frauds, only, stored

PLENTY = 1_000_000
DAY = 24 * 3600


async def admit(store: ReceiptStore, evidence: Evidence, allowance: int = PLENTY, now: float = NOW) -> Pending:
    return await store.admit(evidence, allowance=allowance, now=now)


async def test_an_admitted_open_is_stored(store: ReceiptStore, path: Path) -> None:
    pending = await admit(store, opened())
    await pending
    await pending
    record = only(path)
    assert (record.role, record.state, record.created) == ("provider", ReceiptState.OPENED, NOW)


async def test_a_number_is_taken_once_and_for_ever(store: ReceiptStore, opener: Opener, path: Path) -> None:
    pending = await admit(store, opened())
    with pytest.raises(SequenceUsedError):
        await admit(store, opened())
    await pending
    await store.record("provider", settled(opened()), ReceiptState.SETTLED)
    with pytest.raises(SequenceUsedError):
        await admit(store, opened())
    await store.aclose()
    again = await opener()
    with pytest.raises(SequenceUsedError):
        await admit(again, opened(), now=NOW + 400 * DAY)
    assert only(path).evidence == settled(opened())
    assert frauds(path) == []


async def test_a_refused_request_has_used_its_number_up(store: ReceiptStore) -> None:
    await admit(store, opened())
    await store.record("provider", opened(), ReceiptState.REFUSED)
    with pytest.raises(SequenceUsedError):
        await admit(store, opened())


async def test_a_settled_receipt_is_not_claimed_again(store: ReceiptStore, path: Path) -> None:
    await admit(store, opened())
    for _ in range(4):
        await store.record("provider", settled(opened()), ReceiptState.SETTLED)
    assert only(path).claim == TOTAL
    assert promised(store) == TOTAL


async def test_of_two_at_once_one_is_admitted(store: ReceiptStore) -> None:
    results = await asyncio.gather(*(admit(store, opened()) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(result, SequenceUsedError) for result in results) == 19


async def test_two_opens_under_one_number_are_kept_as_proof(store: ReceiptStore, path: Path) -> None:
    first, second = opened(1), opened(1, request="another")
    await admit(store, first)
    with pytest.raises(SequenceUsedError):
        await admit(store, second)
    await store.record("provider", settled(first), ReceiptState.SETTLED)  # written after the proof
    (proof,) = frauds(path)
    assert (proof.first, proof.second, proof.findings) == (first.open, second.open, ())
    assert only(path).evidence == settled(first)


async def test_a_refused_open_is_no_proof(store: ReceiptStore, path: Path) -> None:
    first, second = opened(1), opened(1, request="another")
    results = await asyncio.gather(admit(store, first, allowance=0), admit(store, second), return_exceptions=True)
    assert [type(result) for result in results] == [InsufficientCreditError, SequenceUsedError]
    await (await admit(store, second))
    assert only(path).evidence == second
    assert frauds(path) == []


async def test_an_open_names_the_one_before_it_where_that_is_held(store: ReceiptStore) -> None:
    first = opened(1)
    await admit(store, first)
    with pytest.raises(BrokenChainError):
        await admit(store, opened(2, previous=seed("other")))
    with pytest.raises(BrokenChainError):
        await admit(store, opened(2, previous=None))
    await (await admit(store, opened(2, previous=name(first))))
    with pytest.raises(BrokenChainError):
        await admit(store, opened(3, previous=name(first)))
    await admit(store, opened(5, previous=seed("of a gap")))


async def test_no_number_is_taken_twice_however_few_consumers_are_remembered(
    store: ReceiptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "MAX_CONSUMERS", 1)
    chance = random.Random(1)
    opens: list[Evidence] = []
    for key in [SigningKey(seed(f"consumer {n}")) for n in range(3)]:
        previous = None
        for sequence in range(1, 21):
            opens.append(opened(sequence, previous=previous, consumer=key.public))
            previous = name(opens[-1])
    admitted: Counter[bytes] = Counter()
    asked = [chance.choices(opens, k=8) for _ in range(60)]
    for batch in asked:
        results = await asyncio.gather(*(admit(store, each) for each in batch), return_exceptions=True)
        admitted.update(name(each) for each, result in zip(batch, results, strict=True) if isinstance(result, Pending))
        assert {type(result) for result in results} <= {Pending, SequenceUsedError}
    assert set(admitted.values()) == {1}
    assert set(admitted) == {name(each) for batch in asked for each in batch}


async def test_a_consumer_is_not_forgotten_while_it_is_decided_on(
    store: ReceiptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "MAX_CONSUMERS", 1)
    last = opened(9)
    await (await admit(store, last))
    reading, read_on = asyncio.Event(), asyncio.Event()
    read = store._admission._read

    async def read_slowly(identity: Identity) -> Mapping[int, bytes]:
        reading.set()
        await read_on.wait()
        return await read(identity)

    monkeypatch.setattr(store._admission, "_read", read_slowly)
    in_the_gap = asyncio.create_task(admit(store, opened(5)))
    await reading.wait()
    await (await admit(store, opened(1, consumer=SigningKey(seed("another")).public)))
    read_on.set()
    await (await in_the_gap)
    with pytest.raises(SequenceUsedError):
        await admit(store, last)


async def test_the_order_of_arrival_may_differ_from_the_order_of_signing(store: ReceiptStore) -> None:
    first = opened(1)
    await admit(store, opened(2, previous=name(first)))
    await admit(store, first)


async def test_concurrent_admissions_never_exceed_the_allowance(store: ReceiptStore, path: Path) -> None:
    allowance = 7 * CEILING + CEILING // 2
    opens = [opened(2 * n) for n in range(1, 51)]
    results = await asyncio.gather(*(admit(store, each, allowance) for each in opens), return_exceptions=True)
    admitted = [result for result in results if isinstance(result, Pending)]
    refused = [result for result in results if isinstance(result, AllowanceExhaustedError)]
    assert (len(admitted), len(refused)) == (7, 43)
    assert {(error.available, error.needed) for error in refused} == {(CEILING // 2, CEILING)}
    for pending in admitted:
        await pending
    assert len(stored(path)) == 7


async def test_thirty_fresh_keys_share_one_allowance(store: ReceiptStore) -> None:
    admitted = 0
    for n in range(30):
        key = SigningKey(seed(f"sybil {n}"))
        try:
            await admit(store, opened(1, consumer=key.public), allowance=3 * CEILING)
            admitted += 1
        except AllowanceExhaustedError:
            continue
    assert admitted == 3


async def test_networks_have_allowances_of_their_own(store: ReceiptStore) -> None:
    await admit(store, opened(1), allowance=CEILING)
    await admit(store, opened(1, offer=quote(network=seed("network"))), allowance=CEILING)
    with pytest.raises(AllowanceExhaustedError):
        await admit(store, opened(2, previous=name(opened(1))), allowance=CEILING)


@pytest.mark.parametrize(
    ("evidence", "state", "counted"),
    [
        (opened(), ReceiptState.REFUSED, 0),
        (paid(opened(), 2), ReceiptState.UNACKNOWLEDGED, 128),
        (closed(opened()), ReceiptState.UNACKNOWLEDGED, TOTAL),
        (settled(opened()), ReceiptState.SETTLED, TOTAL),
        (paid(opened(), 2), ReceiptState.OPENED, CEILING),
    ],
)
async def test_what_is_over_counts_what_it_can_claim_also_after_a_restart(
    store: ReceiptStore, opener: Opener, evidence: Evidence, state: ReceiptState, counted: int
) -> None:
    await admit(store, opened())
    await store.record("provider", evidence, state)
    assert promised(store) == counted
    await store.aclose()
    assert promised(await opener()) == counted


async def test_a_day_later_nothing_counts(store: ReceiptStore, opener: Opener, clock: Clock) -> None:
    for n in range(1, 4):
        await admit(store, opened(2 * n))
    await store.record("provider", settled(opened(2)), ReceiptState.SETTLED)
    assert promised(store) == 2 * CEILING + TOTAL
    assert promised(store, NOW + DAY - 120) == 2 * CEILING + TOTAL
    assert promised(store, NOW + DAY + 120) == 0
    await store.record("provider", settled(opened(4)), ReceiptState.SETTLED)
    await store.aclose()
    clock.now += DAY + 120
    assert promised(await opener(), clock.now) == 0


async def test_what_a_crash_left_open_counts_its_ticks_once_its_quote_expires(
    store: ReceiptStore, opener: Opener
) -> None:
    await admit(store, opened())
    await store.record("provider", paid(opened(), 2), ReceiptState.OPENED)
    await store.aclose()
    again = await opener()
    expires = quote().expires
    assert promised(again, expires - 1) == CEILING
    assert promised(again, expires) == 128
    await again.record("provider", settled(opened()), ReceiptState.SETTLED)
    assert promised(again, expires) == TOTAL


def promised(store: ReceiptStore, now: float = NOW) -> int:
    """What of the allowance is in use at ``now``."""
    return store._files.credit.used(DIRECT_NETWORK, now)


async def test_a_closed_store_admits_nothing(store: ReceiptStore) -> None:
    await store.aclose()
    with pytest.raises(StoreUnavailableError):
        await admit(store, opened())


async def test_the_network_is_in_the_receipt(store: ReceiptStore, path: Path) -> None:
    await (await admit(store, opened()))
    assert only(path).identity.network == DIRECT_NETWORK
