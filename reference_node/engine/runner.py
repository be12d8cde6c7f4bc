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
"""Variants whose exact rows are decoded in runs of their own: MatMulNBits with float activations has one kernel for a
single row and another for more, and their roundings differ (by 4e-5 logits), so that a row would depend on its company.
The other kernel is for rows that need not be exact: on two cores 1, 2, 3 and 4 rows took 14, 24, 27 and 28 ms in one
run, and 14, 29, 43 and 57 ms in runs of their own."""


@dataclass(frozen=True, slots=True)
class Step:
    """One token to feed into a slot that holds ``position`` tokens. ``exact``: no bit of its logits may depend on what
    is decoded beside it.
    """

    slot: int
    token: int
    position: int
    exact: bool = True


class Runner(Protocol):
    """What the decode loop needs of a model. Not thread-safe: one loop calls it."""

    slots: int
    capacity: int
    copies: bool

    def prefill(self, slot: int, tokens: Sequence[int], start: int) -> Logits:
        """Feeds a chunk of a prompt after the slot's first ``start`` tokens; what was behind them is dropped. Returns
        the logits [vocabulary] after its last token.
        """

    def decode(self, steps: Sequence[Step]) -> Sequence[Logits]:
        """Feeds one token each into different slots; returns each step's logits [vocabulary], valid until the next
        call.
        """

    def copy(self, source: int, target: int, count: int) -> None:
        """Lets a slot begin with the first ``count`` tokens of another one, where ``copies`` says that it can."""

    def release(self, slot: int, kept: int) -> None:
        """Says that of a slot's tokens only the first ``kept`` are still needed."""


class PooledRunner:
    """`Runner` for our exporter's graphs. Rows do not influence each other (tests/engine/test_isolation.py).

    A decode step is one run over the slots from the lowest to the highest that take part, because their memory is
    contiguous. A slot between them that takes no part is fed a dummy token at the position after its own last one: that
    place is written again before it is ever read. Unless ``batched``, exact rows are runs of their own (`ROW_BY_ROW`).
    """

    def __init__(self, session: Session, pool: KvPool, vocabulary: int, *, batched: bool) -> None:
        self.slots, self.capacity = pool.shape.slots, pool.shape.capacity
        self.copies = pool.copies
        self._session, self._batched = session, batched
        self._pool = pool  # bindings know only addresses in its memory
        self._lengths = np.zeros(self.slots, np.int32)
        self._logits: Logits = np.empty(vocabulary, np.float32)
        self._prompts = [_bind_cache(session.io_binding(), pool, slot, 1) for slot in range(self.slots)]
        self._steps = _StepArrays(self.slots, vocabulary)
        self._spans: dict[tuple[int, int], Binding] = {}

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
        alone = [] if self._batched else [step for step in steps if step.exact]
        together = [step for step in steps if self._batched or not step.exact]
        # Those together go first: their run may write the logits and next positions of slots between them.
        if together:
            slots = [step.slot for step in together]
            self._run(min(slots), max(slots), together)
        for step in alone:
            self._run(step.slot, step.slot, [step])
        return [self._steps.logits[step.slot] for step in steps]

    def copy(self, source: int, target: int, count: int) -> None:
        """See `Runner`."""
        self._pool.copy(source, target, count)
        self._lengths[target] = count

    def release(self, slot: int, kept: int) -> None:
        """See `Runner`."""
        self._lengths[slot] = kept

    def _run(self, first: int, last: int, steps: Sequence[Step]) -> None:
        """One run over the slots from ``first`` to ``last``."""
        arrays, span = self._steps, slice(first, last + 1)
        # A full slot has no next position; its last one may be overwritten: its answer ended there, and what is kept
        # of a slot is part of a prompt, after which there is room.
        np.minimum(self._lengths[span], self.capacity - 1, out=arrays.seqlens[span])
        for step in steps:
            arrays.tokens[step.slot, 0] = step.token
            arrays.seqlens[step.slot] = step.position
            self._lengths[step.slot] = step.position + 1
        arrays.total[...] = arrays.seqlens[span].max() + 1
        if (first, last) not in self._spans:
            binding = _bind_cache(self._session.io_binding(), self._pool, first, last + 1 - first)
            self._spans[first, last] = arrays.bind(binding, span)
        self._session.run_with_iobinding(self._spans[first, last])


class _StepArrays:
    """The arrays of decode steps, a row for each slot; runs are bound to the rows that they take."""

    def __init__(self, slots: int, vocabulary: int) -> None:
        self.tokens = np.zeros((slots, 1), np.int64)
        self.seqlens = np.zeros(slots, np.int32)
        self.total = np.zeros((), np.int32)
        self.logits: Logits = np.empty((slots, vocabulary), np.float32)
        self._wanted = np.arange(slots, dtype=np.int64)

    def bind(self, binding: Binding, span: slice) -> Binding:
        """Binds those rows."""
        _bind_array(binding.bind_input, "input_ids", self.tokens[span])
        _bind_array(binding.bind_input, "seqlens_k", self.seqlens[span])
        _bind_array(binding.bind_input, "total_len", self.total)
        _bind_array(binding.bind_input, "logit_idx", self._wanted[: span.stop - span.start])
        _bind_array(binding.bind_output, "logits", self.logits[span])
        return binding


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
