"""Reads a GGUF file: its metadata, the shape of its llama model, and its tensors in the forms that exports need.

Refuses by name what the exporter cannot carry over exactly: other architectures, tensor types, rope scalings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFReader, ReaderTensor, dequantize

from reference_node.models.blocks import INT4_READERS, Floats, Int4Blocks, Int8Blocks, quantise_int8, read_q8_0, widen
from reference_node.models.errors import ModelError

SUPPORTED_TYPES = frozenset(
    {
        Type.F32,
        Type.F16,
        Type.BF16,
        Type.Q8_0,
        Type.Q4_0,
        Type.Q4_1,
        Type.Q4_K,
        Type.Q5_0,
        Type.Q5_1,
        Type.Q5_K,
        Type.Q6_K,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaShape:
    """The dimensions of a llama model. ``rope_base`` and ``norm_epsilon`` are its only real-valued parameters."""

    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_size: int
    context: int
    vocabulary: int
    rope_base: float
    rope_divisor: float
    norm_epsilon: float


class GgufFile:
    """One GGUF file, mapped into memory. Raises `ModelError` for what is damaged or not supported."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._reader = GGUFReader(path)
        except (OSError, ValueError, KeyError, IndexError, OverflowError, MemoryError) as error:
            raise ModelError(f"{path} is not a readable GGUF file ({error}). Download it again.") from error
        self._tensors = {tensor.name: tensor for tensor in self._reader.tensors}
        self._check_types()
        self.shape = self._read_shape()

    def field(self, key: str, default: Any = None) -> Any:  # noqa: ANN401  metadata is of any type
        """A metadata value, decoded, or ``default``."""
        found = self._reader.fields.get(key)
        return default if found is None else found.contents()

    def has(self, name: str) -> bool:
        """Whether the file holds that tensor."""
        return name in self._tensors

    def is_int4(self, name: str) -> bool:
        """Whether that tensor's own form is one that `int4` gives exactly."""
        return self._tensors[name].tensor_type in INT4_READERS

    def any_int4(self) -> bool:
        """Whether an exact 4-bit export of this file would differ from an fp32 one."""
        return any(self.is_int4(name) for name in self._tensors)

    def floats(self, name: str) -> Floats:
        """A tensor as float32, [rows, columns] or [columns]."""
        tensor = self._tensor(name)
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32, copy=False)
        return np.ascontiguousarray(values.reshape(tuple(reversed(tensor.shape.tolist()))))

    def int4(self, name: str) -> Int4Blocks:
        """A 4-bit tensor without any rounding; only where `is_int4`."""
        tensor = self._tensor(name)
        columns, rows = (int(n) for n in tensor.shape)
        return INT4_READERS[tensor.tensor_type](np.asarray(tensor.data).reshape(rows, -1), columns)

    def int8(self, name: str) -> Int8Blocks:
        """A tensor in 8-bit blocks: without rounding from Q4_1, Q4_0 and Q8_0 where the zero point fits, else
        nearest.
        """
        tensor = self._tensor(name)
        if tensor.tensor_type == Type.Q8_0:
            columns, rows = (int(n) for n in tensor.shape)
            return read_q8_0(np.asarray(tensor.data).reshape(rows, -1), columns)
        if tensor.tensor_type in INT4_READERS:
            return widen(self.int4(name))
        return quantise_int8(self.floats(name))

    def _tensor(self, name: str) -> ReaderTensor:
        if name not in self._tensors:
            raise ModelError(f"{self.path.name} lacks the tensor {name}; it is no complete llama model.")
        return self._tensors[name]

    def _check_types(self) -> None:
        for tensor in self._reader.tensors:
            if tensor.tensor_type not in SUPPORTED_TYPES:
                names = ", ".join(sorted(kind.name for kind in SUPPORTED_TYPES))
                raise ModelError(
                    f"{self.path.name}: tensor {tensor.name} has type {tensor.tensor_type.name}, which is not "
                    f"supported. Supported: {names}. Import another quantisation of this model."
                )

    def _read_shape(self) -> LlamaShape:
        architecture = self.field("general.architecture")
        if architecture != "llama":
            raise ModelError(
                f"{self.path.name}: architecture {architecture!r} is not supported; GGUF import knows 'llama'. "
                "Import this model as an ONNX directory."
            )
        width, heads = int(self._need("llama.embedding_length")), int(self._need("llama.attention.head_count"))
        head_size = int(self.field("llama.attention.key_length", width // heads))
        self._check_rope(head_size)
        return LlamaShape(
            layers=int(self._need("llama.block_count")),
            width=width,
            feed_forward=int(self._need("llama.feed_forward_length")),
            heads=heads,
            kv_heads=int(self.field("llama.attention.head_count_kv", heads)),
            head_size=head_size,
            context=int(self._need("llama.context_length")),
            vocabulary=int(self._tensor("token_embd.weight").shape[1]),
            rope_base=float(self.field("llama.rope.freq_base", 10_000.0)),
            rope_divisor=float(self.field("llama.rope.scaling.factor", 1.0)),
            norm_epsilon=float(np.float32(self._need("llama.attention.layer_norm_rms_epsilon"))),
        )

    def _need(self, key: str) -> float:
        value = self.field(key)
        if value is None or isinstance(value, list):
            raise ModelError(f"{self.path.name} lacks a single value for {key}; it is no plain llama model.")
        return float(value)

    def _check_rope(self, head_size: int) -> None:
        scaling = self.field("llama.rope.scaling.type", "none")
        if scaling not in ("none", "linear"):
            raise ModelError(f"{self.path.name}: rope scaling {scaling!r} is not supported (only 'none' and 'linear').")
        if int(self.field("llama.rope.dimension_count", head_size)) != head_size:
            raise ModelError(f"{self.path.name}: rotary embedding over part of a head is not supported.")
        if self.field("llama.expert_count", 0):
            raise ModelError(f"{self.path.name}: mixture-of-experts models are not supported.")
