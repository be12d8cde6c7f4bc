"""The least that decodes with ONNX Runtime: arrays bound once, the highest logit taken; no text, bounds or queue."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference_node.engine.pool import PARTS, HostPool, KvShape
from reference_node.engine.session import Session


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """Inputs and logits of some neighbouring rows of the cache, bound once."""

    binding: Any
    tokens: Any
    last: Any
    total: Any
    wanted: Any
    logits: Any


class BareLoop:
    """Decodes as many equal sequences as the shape has slots: all in one run (``batched``), or each in its own."""

    def __init__(self, session: Session, shape: KvShape, vocabulary: int, *, batched: bool) -> None:
        self._session, self._vocabulary = session, vocabulary
        self._pool = HostPool(shape)
        size = shape.slots if batched else 1
        self._groups = [self._rows(first, size, 1) for first in range(0, shape.slots, size)]

    def _rows(self, first: int, rows: int, width: int) -> _Rows:
        shape, binding = self._pool.shape, self._session.io_binding()
        for layer in shape.layers:
            for part in PARTS:
                where = (shape.dtype, [rows, *shape.plane[1:]], self._pool.address(layer, part, first))
                binding.bind_input(f"past_key_values.{layer}.{part}", "cpu", 0, *where)
                binding.bind_output(f"present.{layer}.{part}", "cpu", 0, *where)
        made = _Rows(
            binding=binding, tokens=np.zeros((rows, width), np.int64), last=np.zeros(rows, np.int32),
            total=np.zeros((), np.int32), wanted=np.arange(rows, dtype=np.int64) * width,
            logits=np.empty((rows, self._vocabulary), np.float32),
        )  # fmt: skip
        named = {"input_ids": made.tokens, "seqlens_k": made.last, "total_len": made.total, "logit_idx": made.wanted}
        for name, array in named.items():
            binding.bind_input(name, "cpu", 0, array.dtype.type, list(array.shape), array.ctypes.data)
        binding.bind_output("logits", "cpu", 0, np.float32, list(made.logits.shape), made.logits.ctypes.data)
        return made

    def prefill(self, prompt: list[int], row: int = 0) -> tuple[float, int]:
        """Feeds a prompt in one run; the seconds that the run took, and the token that follows."""
        fed = self._rows(row, 1, len(prompt))
        fed.tokens[0], fed.last[0], fed.wanted[0] = prompt, len(prompt) - 1, len(prompt) - 1
        fed.total[...] = len(prompt)
        began = time.perf_counter()
        self._session.run_with_iobinding(fed.binding)
        return time.perf_counter() - began, int(fed.logits[0].argmax())

    def prefill_rate(self, prompt: list[int]) -> float:
        """Tokens per second of one prompt."""
        return len(prompt) / self.prefill(prompt)[0]

    def decode_rate(self, prompt: list[int], steps: int) -> float:
        """Tokens per second of all sequences together, over that many steps after the prompt."""
        first = [self.prefill(prompt, row)[1] for row in range(self._pool.shape.slots)]
        for number, group in enumerate(self._groups):
            size = len(group.tokens)
            group.tokens[:, 0] = first[number * size : (number + 1) * size]
        began = time.perf_counter()
        for position in range(len(prompt), len(prompt) + steps):
            for group in self._groups:
                group.last[:], group.total[...] = position, position + 1
                self._session.run_with_iobinding(group.binding)
                group.tokens[:, 0] = group.logits.argmax(axis=1)
        return steps * self._pool.shape.slots / (time.perf_counter() - began)
