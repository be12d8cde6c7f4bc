"""The waiting queue: turns between owners, and bounds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from reference_node.engine.job import Job
from reference_node.engine.waiting import OTHERS_SHARE, WaitingQueue


def job(owner: bytes | None, number: int = 0) -> Job:
    return cast("Job", SimpleNamespace(owner=owner, number=number))


def filled(*owners: bytes | None, limit: int = 100) -> WaitingQueue:
    queue = WaitingQueue(limit)
    for number, owner in enumerate(owners):
        queue.put(job(owner, number))
    return queue


def taken(queue: WaitingQueue, held: dict[bytes | None, int] | None = None) -> list[int]:
    return [cast("SimpleNamespace", queue.take(held or {})).number for _ in range(len(queue))]


def test_owners_take_turns_and_each_is_served_in_order() -> None:
    assert taken(filled(b"a", b"a", b"a", b"b", b"b", b"c")) == [0, 3, 5, 1, 4, 2]


def test_who_holds_fewer_slots_is_first() -> None:
    queue = filled(b"a", b"b", None)
    assert taken(queue, {b"a": 2, b"b": 1, None: 1}) == [1, 2, 0]


def test_coming_back_gains_no_turn() -> None:
    queue = filled(b"a", b"b", b"c")
    assert queue.take({}).owner == b"a"
    queue.put(job(b"a"))
    assert [queue.take({}).owner for _ in range(3)] == [b"b", b"c", b"a"]


def test_an_empty_queue_gives_nothing() -> None:
    with pytest.raises(IndexError):
        WaitingQueue(1).take({})


def test_the_limit_counts_all_owners() -> None:
    queue = filled(b"a", b"b", limit=2)
    assert not queue.room_for(b"c")
    queue.take({})
    assert queue.room_for(b"c")


def test_one_owner_leaves_room_for_others() -> None:
    queue = WaitingQueue(8)
    while queue.room_for(b"a"):
        queue.put(job(b"a"))
    assert len(queue) == 8 - 8 // OTHERS_SHARE
    assert queue.room_for(b"b")


def test_removing() -> None:
    queue = filled(b"a", b"a", b"b")
    first, second, third = queue
    for one in (second, second, third, job(b"c")):
        queue.remove(one)
    assert list(queue) == [first]
    queue.clear()
    assert len(queue) == 0
    assert list(queue) == []
