"""Stores that are closed at the end of each test, and a clock that stands still."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from reference_node.identity import make_home
from reference_node.store import RECEIPTS_FILE, ReceiptStore
from reference_node.store.database import open_writer

from ..proto.pair import NOW


class Clock:
    """Seconds since 1970, as the test says."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / RECEIPTS_FILE


Opener = Callable[[], Awaitable[ReceiptStore]]


@pytest.fixture
async def opener(path: Path, clock: Clock) -> AsyncIterator[Opener]:
    """Opens the store, again and again if need be."""
    async with AsyncExitStack() as stack:

        async def opened() -> ReceiptStore:
            store = await ReceiptStore.open(path, clock=clock)
            stack.push_async_callback(store.aclose)
            return store

        yield opened


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without receipts, made once: the migrations are most of the time that a new one takes."""
    path = tmp_path_factory.mktemp("template") / RECEIPTS_FILE
    open_writer(path).dispose()
    return path


@pytest.fixture
async def store(opener: Opener, empty: Path, path: Path) -> ReceiptStore:
    make_home(path.parent)
    shutil.copy(empty, path)
    return await opener()
