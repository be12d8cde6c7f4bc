"""Options, and the memory that a KV pool may take."""

from __future__ import annotations

import dataclasses
import itertools
import resource
from typing import Any

import numpy as np
import pytest

from reference_node.engine import Device, EngineError, EngineOptions
from reference_node.engine.options import MAX_THREADS, available_memory, default_threads
from reference_node.engine.pool import DevicePool, HostPool, KvShape, choose_capacity

MIB = 1 << 20


@pytest.mark.parametrize("name", ["threads", "slots", "context_limit", "queue_limit"])
def test_counts_are_positive(name: str) -> None:
    wrong: dict[str, Any] = {name: 0}
    with pytest.raises(EngineError, match=f"{name} must be at least 1"):
        dataclasses.replace(EngineOptions(), **wrong)


def test_what_the_machine_has() -> None:
    assert 1 <= default_threads() <= MAX_THREADS
    assert available_memory() > 64 * MIB


def test_an_explicit_context_must_fit() -> None:
    options = EngineOptions(slots=2, context_limit=1024)
    assert choose_capacity(options, 8192, 1024, memory=2 * MIB) == 1024
    with pytest.raises(EngineError, match=r"2 slots of 1024 tokens takes 2 MiB, but 1 MiB are available.*Lower"):
        choose_capacity(options, 8192, 1024, memory=2 * MIB - 1)
    assert choose_capacity(options, 512, 1024, memory=2 * MIB) == 512


def test_a_default_context_shrinks_to_fit() -> None:
    options = EngineOptions(slots=1)
    assert choose_capacity(options, 8192, 1024, memory=16 * MIB) == 8192
    assert choose_capacity(options, 8192, 1024, memory=16 * MIB - 1) == 4096
    assert choose_capacity(options, 8192, 1024, memory=MIB) == 1024
    assert choose_capacity(options, 100, 1024, memory=MIB) == 100
    with pytest.raises(EngineError, match="Lower the number of slots"):
        choose_capacity(options, 8192, 1024, memory=MIB - 1)


SHAPE = KvShape(layers=range(2, 4), kv_heads=3, head_size=64, slots=4, capacity=8192, dtype=np.float32)


def test_the_shape_of_a_pool() -> None:
    assert SHAPE.plane == (4, 3, 8192, 64)
    assert SHAPE.row_bytes == 3 * 8192 * 64 * 4
    assert SHAPE.token_bytes == 2 * 2 * 3 * 64 * 4


@pytest.mark.parametrize("pool", [HostPool, lambda shape: DevicePool(shape, Device.CPU)], ids=["host", "device"])
def test_slots_do_not_overlap(pool: object) -> None:
    assert callable(pool)
    shape = KvShape(layers=range(2, 4), kv_heads=3, head_size=64, slots=4, capacity=128, dtype=np.float16)
    made = pool(shape)
    places = sorted(
        made.address(layer, part, slot) for layer in shape.layers for part in ("key", "value") for slot in range(4)
    )
    assert all(b - a >= shape.row_bytes for a, b in itertools.pairwise(places))


def test_unused_capacity_takes_no_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pool = HostPool(SHAPE)
    assert pool.address(2, "key", 3) - pool.address(2, "key", 0) == 3 * SHAPE.row_bytes
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < SHAPE.token_bytes * 8192 * 4 // 1024 // 10
