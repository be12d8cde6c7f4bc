"""A ledger on every database that it supports; each test has a database of its own, and a clock that stands still."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from reference_node.ledger import Ledger, Place
from reference_node.ledger.upgrade import upgrade

from ..proto.pair import NOW
from . import galera, postgres

BACKENDS = ("sqlite", "postgresql")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that asks for a database runs on all of them, on the cluster where one was asked for."""
    if "make_place" in metafunc.fixturenames:
        more = ("galera",) if with_galera(metafunc.config) else ()
        metafunc.parametrize("make_place", (*BACKENDS, *more), indirect=True)


def with_galera(config: pytest.Config) -> bool:
    return bool(config.getoption("--galera") or os.environ.get("MYCELLM_TEST_GALERA"))


class Clock:
    """Seconds since 1970, as the test says."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgres.Server]:
    with postgres.server() as running:
        yield running


@pytest.fixture(scope="session")
def template(postgresql: postgres.Server) -> str:
    place = postgresql.place()
    make_tables(place)
    assert place.url.database is not None
    return place.url.database


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[galera.Cluster]:
    if not with_galera(request.config):
        pytest.skip("a Galera cluster of three nodes is started with --galera only")
    if why := galera.missing():
        pytest.skip(f"no Galera cluster here: {why}")
    with galera.cluster() as running:
        yield running


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file without accounts, made once: the migrations are most of the time that a new one takes."""
    path = tmp_path_factory.mktemp("template") / "ledger.db"
    make_tables(Place.file(path))
    return path


def make_tables(place: Place) -> None:
    engine = place.writer()
    upgrade(engine, place)
    engine.dispose()


PlaceMaker = Callable[[], Place]


@pytest.fixture
def make_place(request: pytest.FixtureRequest, tmp_path: Path) -> PlaceMaker:
    """Makes databases of one kind, each with the tables of a ledger."""
    if request.param == "sqlite":
        empty: Path = request.getfixturevalue("empty")
        count = iter(range(10_000))

        def file() -> Place:
            path = tmp_path / f"ledger{next(count)}.db"
            shutil.copy(empty, path)
            return Place.file(path)

        return file
    if request.param == "postgresql":
        server: postgres.Server = request.getfixturevalue("postgresql")
        template: str = request.getfixturevalue("template")
        return lambda: server.place(template)
    cluster: galera.Cluster = request.getfixturevalue("cluster")

    def of_cluster() -> Place:
        place = cluster.place()
        make_tables(place)
        return place

    return of_cluster


@pytest.fixture
def place(make_place: PlaceMaker) -> Place:
    return make_place()


Opener = Callable[..., Awaitable[Ledger]]


@pytest.fixture
async def opener(clock: Clock) -> AsyncIterator[Opener]:
    """Opens ledgers, which are closed at the end."""
    async with AsyncExitStack() as stack:

        async def opened(place: Place, deadline_s: float = 8.0) -> Ledger:
            ledger = await Ledger.open(place, clock=clock, deadline_s=deadline_s)
            stack.push_async_callback(ledger.aclose)
            return ledger

        yield opened


@pytest.fixture
async def ledger(opener: Opener, place: Place) -> Ledger:
    return await opener(place)
