"""Bilateral credit: what a node owes a peer is spent with it once, by that peer alone, restarts or not."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict

import pytest

from mycellm_proto.economy import DIRECT_NETWORK, Evidence
from mycellm_proto.keys import SigningKey
from reference_node.store import (
    AllowanceExhaustedError,
    Identity,
    InsufficientCreditError,
    Pending,
    ReceiptState,
    ReceiptStore,
    ShortOfCreditError,
)
from reference_node.store.audit import open_archive
from reference_node.store.credit import Credit

from ..proto.pair import BOB, NOW, quote, seed
from .conftest import Opener
from .evidence import CEILING, TOTAL, closed, opened, paid, settled
from .test_admit import promised
from .test_migrations import execute
from .test_record import only, stored

OTHER = SigningKey(seed("other"))


def by(key: SigningKey, sequence: int = 1, ceiling: int = CEILING, **changes: object) -> Evidence:
    """An open of another consumer."""
    return opened(sequence, consumer=key.public, ceiling=ceiling, **changes)  # type: ignore[arg-type]


def owed(store: ReceiptStore, peer: bytes = BOB.public) -> int:
    return store._files.credit.balance(DIRECT_NETWORK, peer)


async def admit(store: ReceiptStore, evidence: Evidence, allowance: int = 0) -> Pending:
    return await store.admit(evidence, allowance=allowance, now=NOW)


async def test_what_a_peer_earned_is_spent_with_its_debtor_once(store: ReceiptStore) -> None:
    await store.record("consumer", settled(opened()), ReceiptState.SETTLED)
    assert owed(store) == TOTAL
    with pytest.raises(InsufficientCreditError) as refused:
        await admit(store, by(BOB, ceiling=TOTAL + 1))
    assert (refused.value.available, refused.value.needed) == (TOTAL, TOTAL + 1)
    await admit(store, by(BOB, ceiling=TOTAL))
    assert (owed(store), promised(store)) == (0, 0)
    with pytest.raises(InsufficientCreditError):
        await admit(store, by(BOB, 3, ceiling=1))


async def test_what_is_owed_covers_first_and_the_allowance_gives_the_rest(store: ReceiptStore) -> None:
    await store.record("consumer", settled(opened()), ReceiptState.SETTLED)
    evidence = by(BOB)
    await admit(store, evidence, allowance=CEILING)
    assert (owed(store), promised(store)) == (0, CEILING - TOTAL)
    await store.record("provider", paid(evidence, 1), ReceiptState.UNACKNOWLEDGED)  # it can claim 64 of 640
    assert (owed(store), promised(store)) == (TOTAL - 64, 0)


async def test_nobody_else_spends_it(store: ReceiptStore) -> None:
    await store.record("consumer", settled(opened()), ReceiptState.SETTLED)
    with pytest.raises(InsufficientCreditError) as refused:
        await admit(store, by(OTHER, ceiling=TOTAL))
    assert refused.value.available == 0
    other = quote(network=seed("network"))
    with pytest.raises(InsufficientCreditError):
        await admit(store, opened(offer=other, consumer=BOB.public, ceiling=TOTAL))
    assert owed(store) == TOTAL


async def test_serving_a_peer_earns_it_nothing_here(store: ReceiptStore) -> None:
    """Bob owes what it was served: that is Bob's to honour, and no credit of Bob's at this node."""
    evidence = by(BOB)
    await admit(store, evidence, allowance=CEILING)
    await store.record("provider", settled(evidence), ReceiptState.SETTLED)
    assert owed(store) == 0


@pytest.mark.parametrize(
    ("evidence", "state", "earned"),
    [
        (opened(), ReceiptState.OPENED, 0),
        (opened(), ReceiptState.REFUSED, 0),
        (paid(opened(), 2), ReceiptState.OWED, 128),
        (closed(opened()), ReceiptState.OWED, TOTAL),
        (paid(opened(), 3), ReceiptState.DISPUTED, 192),
        (settled(opened()), ReceiptState.SETTLED, TOTAL),
    ],
)
async def test_an_exchange_earns_what_is_owed_once_it_is_over(
    store: ReceiptStore, opener: Opener, evidence: Evidence, state: ReceiptState, earned: int
) -> None:
    await store.record("consumer", opened(), ReceiptState.OPENED)
    assert owed(store) == 0
    for _ in range(3):
        await store.record("consumer", evidence, state)
    assert owed(store) == earned
    await store.aclose()
    assert owed(await opener()) == earned


async def test_a_claim_that_a_receipt_replaces_is_not_counted_beside_it(store: ReceiptStore, opener: Opener) -> None:
    await store.record("consumer", paid(opened(), 2), ReceiptState.OWED)
    evidence = by(BOB, ceiling=128)
    await admit(store, evidence)
    await store.record("consumer", settled(opened()), ReceiptState.SETTLED)
    assert owed(store) == TOTAL - 128  # less was owed than was served for it: nothing is left to spend
    with pytest.raises(InsufficientCreditError) as refused:
        await admit(store, by(BOB, 3, ceiling=1))
    assert refused.value.available == 0
    await store.aclose()
    assert owed(await opener()) == TOTAL - 128


async def test_which_error_tells_whether_waiting_helps(store: ReceiptStore) -> None:
    await admit(store, by(OTHER), allowance=CEILING)
    with pytest.raises(AllowanceExhaustedError) as waits:
        await admit(store, by(BOB), allowance=CEILING)
    with pytest.raises(InsufficientCreditError) as earns:
        await admit(store, by(BOB, ceiling=CEILING + 1), allowance=CEILING)
    assert (waits.value.available, waits.value.needed) == (0, CEILING)
    assert (earns.value.available, earns.value.needed) == (0, CEILING + 1)


async def test_of_many_at_once_no_more_pass_than_is_owed(store: ReceiptStore) -> None:
    await store.record("consumer", settled(opened()), ReceiptState.SETTLED)
    asked = [by(BOB, 2 * n, ceiling=TOTAL // 4) for n in range(1, 30)]
    results = await asyncio.gather(*(admit(store, each) for each in asked), return_exceptions=True)
    assert sum(isinstance(each, Pending) for each in results) == 4
    assert owed(store) == TOTAL - 4 * (TOTAL // 4)


async def test_what_was_spent_stays_spent_through_a_restart(store: ReceiptStore, opener: Opener) -> None:
    await store.record("consumer", settled(opened()), ReceiptState.SETTLED)
    running, over = by(BOB, 1, ceiling=40), by(BOB, 3, ceiling=30)
    await (await admit(store, running))
    await (await admit(store, over))
    await store.record("provider", paid(over, 1), ReceiptState.UNACKNOWLEDGED)  # claims its ceiling: a tick is 64
    for _ in range(2):
        assert (owed(store), promised(store)) == (TOTAL - 70, 0)
        await store.aclose()
        store = await opener()
    with pytest.raises(InsufficientCreditError):
        await admit(store, by(BOB, 5, ceiling=TOTAL - 69))


async def test_what_a_crash_left_open_gives_back_what_was_not_paid_when_its_quote_expires(
    store: ReceiptStore, opener: Opener
) -> None:
    await store.record("consumer", settled(opened()), ReceiptState.SETTLED)
    await (await admit(store, by(BOB, ceiling=80)))
    await store.aclose()
    again = await opener()
    assert owed(again) == TOTAL - 80
    assert promised(again, quote().expires) == 0
    assert owed(again) == TOTAL - 64


async def test_a_refusal_gives_everything_back(store: ReceiptStore, opener: Opener) -> None:
    await store.record("consumer", settled(opened()), ReceiptState.SETTLED)
    evidence = by(BOB)
    await admit(store, evidence, allowance=CEILING)
    await store.record("provider", evidence, ReceiptState.REFUSED)
    assert (owed(store), promised(store)) == (TOTAL, 0)
    await store.aclose()
    again = await opener()
    assert (owed(again), promised(again)) == (TOTAL, 0)


async def test_what_covered_an_open_is_kept_in_the_spool_too(store: ReceiptStore, opener: Opener) -> None:
    await store.record("consumer", settled(opened()), ReceiptState.SETTLED)
    evidence = by(BOB, ceiling=80)
    spool = store._files.spool
    assert spool is not None
    await (await admit(store, evidence))
    await store.aclose()
    records = [each.record for each in stored(store._path) if each.record and each.record.role == "provider"]
    execute(store._path, "DELETE FROM receipts WHERE role = 'provider'")
    again = await opener()
    assert again._files.spool is not None
    again._files.spool.append(records)
    await again.aclose()
    last = await opener()
    assert (owed(last), promised(last)) == (TOTAL - 80, 0)
    assert [each.record.covered for each in stored(store._path) if each.record] == [0, 80]


async def test_a_file_of_the_first_version_is_upgraded(store: ReceiptStore, opener: Opener) -> None:
    await store.record("consumer", settled(opened()), ReceiptState.SETTLED)
    await store.record("provider", settled(opened(5)), ReceiptState.SETTLED)
    await store.aclose()
    for statement in (
        "DROP INDEX receipts_due",
        "ALTER TABLE receipts DROP COLUMN settlement",
        "ALTER TABLE receipts DROP COLUMN booked",
        "DROP INDEX receipts_drawn",
        "DROP INDEX receipts_earned",
        "ALTER TABLE receipts DROP COLUMN covered",
        "UPDATE alembic_version SET version_num = '0001'",
    ):
        execute_raw(store, statement)
    again = await opener()
    assert (owed(again), promised(again)) == (TOTAL, TOTAL)
    assert [each.findings for each in stored(store._path)] == [(), ()]


def execute_raw(store: ReceiptStore, statement: str) -> None:
    import sqlite3

    with sqlite3.connect(store._path) as connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("covered", [-1, CEILING + 1])
async def test_a_changed_column_is_found(store: ReceiptStore, covered: int) -> None:
    await store.record("provider", settled(opened()), ReceiptState.SETTLED)
    await store.aclose()
    assert only(store._path).covered == 0
    execute(store._path, f"UPDATE receipts SET covered = {covered}")
    with open_archive(store._path) as archive:
        assert archive is not None
        (audited,) = archive.receipts()
    assert [finding.check for finding in audited.findings] == ["covered"]


@pytest.mark.parametrize("case", range(20))
def test_a_node_never_gives_more_than_it_owes_and_its_allowance(case: int) -> None:
    """Any order of asking, serving, refusing and waiting: the sum of what is given keeps its two bounds."""
    chance, credit, now = random.Random(case), Credit(), NOW
    allowance = chance.choice((0, 100, 1000))
    earned: defaultdict[bytes, int] = defaultdict(int)
    paid_for: defaultdict[bytes, int] = defaultdict(int)
    unpaid: list[tuple[float, int]] = []
    running: list[tuple[Identity, float, int, int]] = []
    peers = [seed(f"peer {n}") for n in range(5)]
    for sequence in range(400):
        now += chance.choice((1, 60, 3600))
        peer, amount = chance.choice(peers), chance.randrange(1, 200)
        match chance.randrange(3):
            case 0:
                credit.earn(DIRECT_NETWORK, peer, amount)
                earned[peer] += amount
            case 1:
                identity = Identity(DIRECT_NETWORK, peer, BOB.public, sequence)
                try:
                    covered = credit.cover(identity, amount, allowance=allowance, now=now)
                except ShortOfCreditError:
                    continue
                credit.admit(identity, now, ceiling=amount, covered=covered)
                running.append((identity, now, amount, covered))
            case _ if running:
                identity, at, ceiling, covered = running.pop(chance.randrange(len(running)))
                claim = chance.randrange(ceiling + 1)
                credit.end(identity, at, covered=covered, claim=claim, counted=0)
                drawn = min(claim, covered)
                paid_for[identity.consumer] += drawn
                unpaid.append((at, claim - drawn))
        for each in peers:
            held = sum(covered for identity, _, _, covered in running if identity.consumer == each)
            assert paid_for[each] + held <= earned[each]
            assert credit.balance(DIRECT_NETWORK, each) == earned[each] - paid_for[each] - held
        lately = sum(amount for at, amount in unpaid if at > now - 24 * 3600)
        lately += sum(ceiling - covered for _, at, ceiling, covered in running if at > now - 24 * 3600)
        assert lately <= credit.used(DIRECT_NETWORK, now) <= allowance
