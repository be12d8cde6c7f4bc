"""The KV cache: one block of memory per layer and part, cut into slots, which sessions read and write in place.

A slot's rows beyond its length are stale, never read: kernels are told each row's length. So a slot is cut back by
setting its length (tests/engine/test_isolation.py). Which requests may go on from what is in a slot is decided in
`reference_node.engine.slots`.
"""

from __future__ import annotations

import contextlib
import mmap
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reference_node.engine.options import Device, EngineError, EngineOptions, available_memory
from reference_node.engine.session import device_zeros

MIN_CONTEXT = 1024
"""Tokens under which a shortened default context is refused: a chat would not fit."""

MEMORY_SHARE = 2
"""A default pool takes at most one part in this many of the memory that is left; weights and buffers need the rest."""

PARTS = ("key", "value")


@dataclass(frozen=True, slots=True, kw_only=True)
class KvShape:
    """The dimensions of a KV cache: slots x kv_heads x capacity (tokens) x head_size for each layer and part."""

    layers: range
    kv_heads: int
    head_size: int
    slots: int
    capacity: int
    dtype: type[np.generic]

    @property
    def plane(self) -> tuple[int, int, int, int]:
        """The shape of one layer's keys or values."""
        return (self.slots, self.kv_heads, self.capacity, self.head_size)

    @property
    def row_bytes(self) -> int:
        """Bytes of one slot in one plane."""
        return self.kv_heads * self.capacity * self.head_size * np.dtype(self.dtype).itemsize

    @property
    def token_bytes(self) -> int:
        """Bytes that one token takes over all layers."""
        return len(self.layers) * len(PARTS) * self.kv_heads * self.head_size * np.dtype(self.dtype).itemsize


class KvPool(Protocol):
    """Memory for a `KvShape` on one device. Zeros at first: a kernel may multiply what it then masks, and NaN stays."""

    shape: KvShape
    device: str
    copies: bool

    def address(self, layer: int, part: str, slot: int) -> int:
        """Where that slot's plane begins."""

    def copy(self, source: int, target: int, count: int) -> None:
        """Copies a slot's first ``count`` tokens into another slot, where ``copies`` says that it can."""


class HostPool:
    """KV cache in host memory. The system backs it page by page as tokens come, so unused capacity costs nothing."""

    device = "cpu"
    copies = True

    def __init__(self, shape: KvShape) -> None:
        self.shape = shape
        self._planes = {(layer, part): _lazy_zeros(shape) for layer in shape.layers for part in PARTS}

    def address(self, layer: int, part: str, slot: int) -> int:
        """See `KvPool`."""
        return int(self._planes[layer, part].ctypes.data) + slot * self.shape.row_bytes

    def copy(self, source: int, target: int, count: int) -> None:
        """See `KvPool`. Takes about 0.2 s for 8192 tokens of SmolLM2 (377 MB)."""
        for plane in self._planes.values():
            plane[target, :, :count] = plane[source, :, :count]


def _lazy_zeros(shape: KvShape) -> NDArray[Any]:
    """Zeros in small pages. numpy's own would take huge ones, and with 8192 tokens of 64 floats a head's part is
    exactly one huge page: the first token of a slot would touch all of its memory (377 MB for SmolLM2, and seconds).
    """
    memory = mmap.mmap(-1, shape.slots * shape.row_bytes)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        with contextlib.suppress(OSError):  # a kernel without huge pages knows no advice about them
            memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, shape.dtype).reshape(shape.plane)


class DevicePool:
    """KV cache in the memory of a device. ``Device.CPU`` serves to test it without one. ONNX Runtime copies whole
    arrays only, so slots are not copied here.
    """

    copies = False

    def __init__(self, shape: KvShape, device: Device) -> None:
        self.shape = shape
        self.device = device.value
        self._planes = {
            (layer, part): device_zeros(shape.plane, shape.dtype, device) for layer in shape.layers for part in PARTS
        }

    def address(self, layer: int, part: str, slot: int) -> int:
        """See `KvPool`."""
        return int(self._planes[layer, part].data_ptr()) + slot * self.shape.row_bytes

    def copy(self, source: int, target: int, count: int) -> None:
        """See `KvPool`."""
        raise NotImplementedError("slots of this device's memory are not copied")


def choose_capacity(options: EngineOptions, model_context: int, token_bytes: int, memory: int | None = None) -> int:
    """Tokens per slot. An explicit limit must fit into memory; the default is the model's context, halved until it
    does.

    ``memory``: bytes available, None to ask the system. Raises `EngineError`.
    """
    memory = max(0, (available_memory() if memory is None else memory) - options.reserved)
    if options.context_limit is not None:
        capacity = min(options.context_limit, model_context)
        _check_fits(options.slots * capacity * token_bytes, memory, options.slots, capacity)
        return capacity
    capacity = model_context
    while options.slots * capacity * token_bytes > memory // MEMORY_SHARE and capacity > MIN_CONTEXT:
        capacity = max(MIN_CONTEXT, capacity // 2)
    _check_fits(options.slots * capacity * token_bytes, memory, options.slots, capacity)
    return capacity


def _check_fits(needed: int, memory: int, slots: int, capacity: int) -> None:
    if needed > memory:
        raise EngineError(
            f"The KV cache for {slots} slots of {capacity} tokens takes {needed >> 20} MiB, but {memory >> 20} MiB are "
            "available. Lower the number of slots or the context limit."
        )
