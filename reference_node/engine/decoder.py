"""Runs decoder graphs in Hugging Face's form: attention_mask, growing past_key_values, logits of every position.

Each slot keeps its own past as values that ONNX Runtime made and takes back without a copy; rows are decoded one after
another, as pasts of different lengths cannot share a batch in this form.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reference_node.engine.options import Device, EngineError, EngineOptions
from reference_node.engine.pool import PARTS, choose_capacity
from reference_node.engine.runner import Logits, Step
from reference_node.engine.session import Session, Value, device_array, device_zeros
from reference_node.models.manifest import Manifest

ELEMENT_TYPES: dict[str, type[np.generic]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class DecoderRunner:
    """`Runner` for graphs of an imported ONNX directory."""

    copies = True

    def __init__(self, session: Session, manifest: Manifest, options: EngineOptions, device: Device) -> None:
        self._session, self._device, self._layers = session, device, manifest.layers
        inputs = {item.name: item.type for item in session.get_inputs()}
        kind = inputs["past_key_values.0.key"]
        if kind not in ELEMENT_TYPES:
            raise EngineError(f"The graph's KV cache has elements of {kind}; float and float16 are supported.")
        self._dtype = ELEMENT_TYPES[kind]
        self._takes_positions = "position_ids" in inputs
        token_bytes = 2 * manifest.layers * manifest.kv_heads * manifest.head_size * np.dtype(self._dtype).itemsize
        self.slots = options.slots
        self.capacity = choose_capacity(options, manifest.context_length, token_bytes)
        self._empty = (1, manifest.kv_heads, 0, manifest.head_size)
        self._pasts: list[list[Value] | None] = [None] * self.slots

    def prefill(self, slot: int, tokens: Sequence[int], start: int) -> Logits:
        """See `Runner`."""
        return self._feed(slot, tokens, start)

    def decode(self, steps: Sequence[Step]) -> Sequence[Logits]:
        """See `Runner`."""
        return [self._feed(step.slot, [step.token], step.position) for step in steps]

    def copy(self, source: int, target: int, count: int) -> None:
        """See `Runner`. Values are never changed, so slots may share them; the next run takes what it needs."""
        self._pasts[target] = self._pasts[source]

    def release(self, slot: int, kept: int) -> None:
        """See `Runner`."""
        if not kept:
            self._pasts[slot] = None

    def _feed(self, slot: int, tokens: Sequence[int], start: int) -> Logits:
        binding, total = self._session.io_binding(), start + len(tokens)
        binding.bind_cpu_input("input_ids", np.array([tokens], np.int64))
        binding.bind_cpu_input("attention_mask", np.ones((1, total), np.int64))
        if self._takes_positions:
            binding.bind_cpu_input("position_ids", np.arange(start, total, dtype=np.int64)[None])
        for name, value in zip(self._names("past_key_values"), self._past(slot, start), strict=True):
            binding.bind_ortvalue_input(name, value)
        binding.bind_output("logits", "cpu")
        for name in self._names("present"):
            binding.bind_output(name, self._device.value)
        self._session.run_with_iobinding(binding)
        logits, *present = binding.get_outputs()
        self._pasts[slot] = present
        row: Logits = logits.numpy()[0, -1].astype(np.float32)
        return row

    def _past(self, slot: int, length: int) -> list[Value]:
        """The slot's first ``length`` tokens."""
        past = self._pasts[slot]
        if past is None or not length:
            return [device_zeros(self._empty, self._dtype, self._device) for _ in self._names("present")]
        if past[0].shape()[2] == length:
            return past
        return [device_array(value.numpy()[:, :, :length], self._device) for value in past]

    def _names(self, prefix: str) -> list[str]:
        return [f"{prefix}.{layer}.{part}" for layer in range(self._layers) for part in PARTS]
