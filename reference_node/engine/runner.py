"""Runs a graph of our exporter over a KV pool: inputs and outputs are bound once, steps only fill them in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reference_node.engine.pool import PARTS, KvPool
from reference_node.engine.session import Binding, Session

Logits = NDArray[np.float32]


ROW_BY_ROW = frozenset({"int4"})
"""Variants whose rows are decoded in runs of their own: MatMulNBits with float activations has one kernel for a single
row and another for more, and their roundings differ (by 4e-5 logits), so that a row would depend on its company. The
other kernel is not faster: batched, 1, 2 and 3 rows took 17, 26 and 38 ms."""


@dataclass(frozen=True, slots=True)
class Step:
    """One token to feed into a slot that holds ``position`` tokens."""

    slot: int
    token: int
    position: int


class Runner(Protocol):
    """What the decode loop needs of a model. Not thread-safe: one loop calls it."""

    slots: int
    capacity: int

    def prefill(self, slot: int, tokens: Sequence[int], start: int) -> Logits:
        """Feeds a chunk of a prompt after ``start`` cached tokens; returns the logits [vocabulary] after its last."""

    def decode(self, steps: Sequence[Step]) -> Sequence[Logits]:
        """Feeds one token each into different slots; returns each step's logits [vocabulary], valid until the next
        call.
        """

    def release(self, slot: int) -> None:
        """Says that a slot's tokens are not needed any more."""


class PooledRunner:
    """`Runner` for our exporter's graphs. Rows do not influence each other (tests/engine/test_isolation.py).

    ``batched``: a decode step is one run over the slots 0..highest in use, because their memory is contiguous. A slot
    in that range that takes no part is fed a dummy token at the position after its own last one: that place is written
    again before it is ever read. Otherwise each row is a run of its own (see `ROW_BY_ROW`).
    """

    def __init__(self, session: Session, pool: KvPool, vocabulary: int, *, batched: bool) -> None:
        self.slots, self.capacity = pool.shape.slots, pool.shape.capacity
        self._session, self._batched = session, batched
        self._pool = pool  # bindings know only addresses in its memory
        self._lengths = np.zeros(self.slots, np.int32)
        self._logits: Logits = np.empty(vocabulary, np.float32)

        def bound(first: int, count: int) -> Binding:
            return _bind_cache(session.io_binding(), pool, first, count)

        self._prompts = [bound(slot, 1) for slot in range(self.slots)]
        spans = [(0, slot + 1) if batched else (slot, 1) for slot in range(self.slots)]
        self._steps = [_StepArrays(bound(*span), span[1], vocabulary) for span in spans]

    def prefill(self, slot: int, tokens: Sequence[int], start: int) -> Logits:
        """See `Runner`."""
        count, binding = len(tokens), self._prompts[slot]
        total = start + count
        self._lengths[slot] = total
        binding.bind_cpu_input("input_ids", np.array([tokens], np.int64))
        binding.bind_cpu_input("seqlens_k", np.array([total - 1], np.int32))
        binding.bind_cpu_input("total_len", np.array(total, np.int32))
        binding.bind_cpu_input("logit_idx", np.array([count - 1], np.int64))
        _bind_array(binding.bind_output, "logits", self._logits[None])
        self._session.run_with_iobinding(binding)
        return self._logits

    def decode(self, steps: Sequence[Step]) -> Sequence[Logits]:
        """See `Runner`."""
        if self._batched:
            return self._run(self._steps[max(step.slot for step in steps)], 0, steps)
        return [self._run(self._steps[step.slot], step.slot, [step])[0] for step in steps]

    def release(self, slot: int) -> None:
        """See `Runner`."""
        self._lengths[slot] = 0

    def _run(self, arrays: _StepArrays, first: int, steps: Sequence[Step]) -> list[Logits]:
        """One run over the slots from ``first`` that the arrays are bound to."""
        # A full slot has no next position; its last one may be overwritten, as nothing can follow it.
        lengths = self._lengths[first : first + arrays.count]
        np.minimum(lengths, self.capacity - 1, out=arrays.seqlens)
        for step in steps:
            arrays.tokens[step.slot - first, 0] = step.token
            arrays.seqlens[step.slot - first] = step.position
            self._lengths[step.slot] = step.position + 1
        arrays.total[...] = arrays.seqlens.max() + 1
        self._session.run_with_iobinding(arrays.binding)
        return [arrays.logits[step.slot - first] for step in steps]


class _StepArrays:
    """The bound arrays of decode steps over ``count`` neighbouring slots."""

    def __init__(self, binding: Binding, count: int, vocabulary: int) -> None:
        self.binding, self.count = binding, count
        self.tokens = np.zeros((count, 1), np.int64)
        self.seqlens = np.zeros(count, np.int32)
        self.total = np.zeros((), np.int32)
        self.logits: Logits = np.empty((count, vocabulary), np.float32)
        self._wanted = np.arange(count, dtype=np.int64)
        for name, array in (("input_ids", self.tokens), ("seqlens_k", self.seqlens), ("total_len", self.total)):
            _bind_array(binding.bind_input, name, array)
        _bind_array(binding.bind_input, "logit_idx", self._wanted)
        _bind_array(binding.bind_output, "logits", self.logits)


def _bind_cache(binding: Binding, pool: KvPool, first: int, count: int) -> Binding:
    """Binds past and present to the same memory: that of ``count`` slots."""
    dims = [count, *pool.shape.plane[1:]]
    for layer in pool.shape.layers:
        for part in PARTS:
            where = (pool.device, 0, pool.shape.dtype, dims, pool.address(layer, part, first))
            binding.bind_input(f"past_key_values.{layer}.{part}", *where)
            binding.bind_output(f"present.{layer}.{part}", *where)
    return binding


def _bind_array(bind: Callable[..., None], name: str, array: NDArray[Any]) -> None:
    """Binds host memory in place: what the array holds at the time of a run is used."""
    bind(name, "cpu", 0, array.dtype.type, list(array.shape), array.ctypes.data)
