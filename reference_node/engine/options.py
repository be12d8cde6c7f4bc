"""How an engine is set up, and the limits of this machine that its defaults come from."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

MAX_THREADS = 8
"""More threads than this gain nothing for models of a size that decodes well on a CPU: memory bandwidth is used up."""

DEFAULT_SLOTS = 4
"""Conversations decoded in one batch: four cost 1.6 times one on two cores, and are waited for by few others."""

DEFAULT_QUEUE_LIMIT = 64
"""Requests that may wait for a slot. At 4 slots the last of them waits for 16 others, about as long as people do."""


class EngineError(Exception):
    """An engine that cannot start with these options on this machine. The message names the next step."""


class Device(StrEnum):
    """Where a model runs; AUTO takes CUDA where there is a usable GPU and the model has a form for it."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What an engine may take, in bytes: its weights, and its KV cache, which fills as requests come."""

    weights: int = 0
    cache: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Options of one engine; None is a default that depends on the machine or the model.

    ``threads`` compute one step together; ``slots`` requests are decoded in one batch; ``context_limit`` is in tokens,
    prompt and answer together; ``queue_limit`` requests wait for a slot. ``prefix_cache`` keeps a slot's prompt for
    later requests of its owner (`reference_node.engine.slots`). ``spin`` lets threads wait actively between
    steps: up to 1.4 times as fast on an idle machine, slower on a busy one. ``reserved`` bytes of memory belong to the
    caches of other engines, which may not have taken them yet.
    """

    device: Device = Device.AUTO
    threads: int | None = None
    slots: int = DEFAULT_SLOTS
    context_limit: int | None = None
    queue_limit: int = DEFAULT_QUEUE_LIMIT
    prefix_cache: bool = True
    spin: bool = True
    reserved: int = 0

    def __post_init__(self) -> None:
        named = {"threads": self.threads, "slots": self.slots, "context_limit": self.context_limit}
        for name, value in (*named.items(), ("queue_limit", self.queue_limit)):
            if value is not None and value < 1:
                raise EngineError(f"{name} must be at least 1, not {value}.")


def default_threads() -> int:
    """Physical cores that this process may use, at most `MAX_THREADS`."""
    return max(1, min(_physical_cores(), _quota(), MAX_THREADS))


def available_memory() -> int:
    """Bytes that this process can still take, as far as the system says: its memory, or its container's."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    found = [total]
    meminfo = _lines(Path("/proc/meminfo"))
    found.extend(int(line.split()[1]) * 1024 for line in meminfo if line.startswith("MemAvailable:"))
    limit, used = _lines(Path("/sys/fs/cgroup/memory.max")), _lines(Path("/sys/fs/cgroup/memory.current"))
    if limit and used and limit[0] != "max":
        found.append(max(0, int(limit[0]) - int(used[0])))
    return min(found)


def _physical_cores() -> int:
    if sys.platform != "linux":
        return os.cpu_count() or 1
    usable = os.sched_getaffinity(0)
    topology = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    siblings = {tuple(_lines(Path(topology.format(cpu)))) or cpu for cpu in usable}
    return len(siblings)


def _quota() -> int:
    """Whole cores that a container may use (cgroup v2), or a number that limits nothing."""
    lines = _lines(Path("/sys/fs/cgroup/cpu.max"))
    quota, _, period = lines[0].partition(" ") if lines else ("max", "", "")
    return MAX_THREADS if quota == "max" else max(1, int(quota) // int(period))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
