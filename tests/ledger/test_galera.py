"""A cluster of three nodes, one of which is killed while processes book at each of them."""

from __future__ import annotations

import asyncio

import pytest

from .conftest import Opener
from .facts import sound
from .galera import Cluster
from .processes import Worker, stop


@pytest.mark.timeout(300)
async def test_a_node_that_is_killed_in_the_middle(cluster: Cluster, opener: Opener) -> None:
    place = cluster.place(first=0)
    database = place.url.database
    assert database is not None
    ledger = await opener(place, deadline_s=60)
    places = [cluster.same(database, first=number) for number in range(3)]
    workers = [Worker(each, f"cluster {number}", 400, 8) for number, each in enumerate(places)]
    try:
        await asyncio.to_thread(workers[2].wait_for, 100)
        cluster.nodes[2].kill()
        results = [await asyncio.to_thread(each.finish) for each in workers]
    finally:
        stop(workers)
    assert [sum(result.values()) - result.get("unavailable", 0) for result in results] == [400] * 3
    await sound(ledger)
    await asyncio.to_thread(cluster.start_node, 2)
    rejoined = await opener(cluster.same(database, first=2))
    await sound(rejoined)
    assert (await rejoined.check()).events == (await ledger.check()).events
