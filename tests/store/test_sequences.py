"""Sequence numbers: taken once and for ever, across threads, processes and crashes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from mycellm_proto.economy import DIRECT_NETWORK
from reference_node.store import ReceiptState, ReceiptStore, StoreUnavailableError

from ..proto.pair import ALICE, BOB, seed
from .conftest import Opener
from .evidence import name, opened

NETWORK, PROVIDER = DIRECT_NETWORK, BOB.public
ROOT = Path(__file__).parents[2]
TAKER = """
import asyncio, sys
from pathlib import Path
from reference_node.store import ReceiptStore

async def take():
    store = await ReceiptStore.open(Path(sys.argv[1]))
    for _ in range(20):
        print(await store.take_sequences(bytes(32), bytes(32), 3), flush=True)
    await store.aclose()

asyncio.run(take())
"""


async def test_numbers_begin_at_one_and_never_come_back(store: ReceiptStore, opener: Opener) -> None:
    assert await store.take_sequences(NETWORK, PROVIDER, 64) == 1
    assert await store.take_sequences(NETWORK, PROVIDER, 1) == 65
    await store.aclose()
    assert await (await opener()).take_sequences(NETWORK, PROVIDER, 1) == 66


async def test_each_network_and_provider_has_its_own(store: ReceiptStore) -> None:
    assert await store.take_sequences(NETWORK, PROVIDER, 5) == 1
    assert await store.take_sequences(seed("network"), PROVIDER, 5) == 1
    assert await store.take_sequences(NETWORK, ALICE.public, 5) == 1


async def test_many_at_once_share_none(store: ReceiptStore) -> None:
    firsts = await asyncio.gather(*(store.take_sequences(NETWORK, PROVIDER, 7) for _ in range(30)))
    assert sorted(firsts) == [1 + 7 * i for i in range(30)]


def test_two_processes_that_start_at_once_share_none(path: Path) -> None:
    command = [sys.executable, "-c", TAKER, str(path)]
    takers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [taker.communicate(timeout=60)[0] for taker in takers]
    assert [taker.returncode for taker in takers] == [0, 0]
    firsts = sorted(int(line) for output in printed for line in output.split())
    assert firsts == [1 + 3 * i for i in range(40)]


@pytest.mark.parametrize("count", [0, -1, 5000])
async def test_a_block_is_bounded(store: ReceiptStore, count: int) -> None:
    with pytest.raises(ValueError, match="numbers at once"):
        await store.take_sequences(NETWORK, PROVIDER, count)
    assert await store.take_sequences(NETWORK, PROVIDER, 1) == 1


async def test_a_closed_store_gives_none(store: ReceiptStore) -> None:
    await store.aclose()
    with pytest.raises(StoreUnavailableError):
        await store.take_sequences(NETWORK, PROVIDER, 1)
    with pytest.raises(StoreUnavailableError):
        await store.latest_open(NETWORK, PROVIDER, ALICE.public)


async def test_the_newest_open_is_known_before_and_after_a_restart(store: ReceiptStore, opener: Opener) -> None:
    assert await store.latest_open(NETWORK, PROVIDER, ALICE.public) is None
    first, third, second = opened(1), opened(3), opened(2)
    for evidence in (first, third, second):
        await store.record("consumer", evidence, ReceiptState.OPENED)
    await store.record("provider", opened(9), ReceiptState.OPENED)
    assert await store.latest_open(NETWORK, PROVIDER, ALICE.public) == name(third)
    writing = asyncio.create_task(store.record("consumer", opened(4), ReceiptState.OPENED))
    assert await store.latest_open(NETWORK, PROVIDER, ALICE.public) in (name(third), name(opened(4)))
    await writing
    await store.aclose()
    assert await (await opener()).latest_open(NETWORK, PROVIDER, ALICE.public) == name(opened(4))
    assert await (await opener()).latest_open(NETWORK, ALICE.public, ALICE.public) is None
    assert await (await opener()).latest_open(NETWORK, PROVIDER, bytes(32)) is None  # a new key has no open yet
