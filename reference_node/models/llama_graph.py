"""Exports a llama model, or a range of its layers, as an ONNX graph of ONNX Runtime's transformer kernels.

The graph of layers ``[first, last)``:

- inputs: ``input_ids`` [B, S] int64 (or ``hidden_in`` [B, S, width] when first > 0), ``seqlens_k`` [B] int32 (tokens of
  each row after this step, less one), ``total_len`` int32 (the largest of them plus one), ``logit_idx`` [n] int64
  (which of the B * S positions want logits; last range only), ``past_key_values.<layer>.key|value``
  [B, kv_heads, capacity, head_size];
- outputs: ``logits`` [n, vocabulary] float32 (or ``hidden_out`` [B, S, width]), ``present.<layer>.key|value``, which
  share memory with the past.

At each layer boundary the residual is one plain Add, followed by a plain norm: so a graph that is cut there computes
the same bits as the whole one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import TensorProto

from reference_node.models.errors import ModelError
from reference_node.models.gguf_file import GgufFile
from reference_node.models.linear import Part, write_embedding, write_head, write_linear
from reference_node.models.onnx_writer import CONTRIB, GraphWriter
from reference_node.models.variants import PRODUCER, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRange:
    """Layers ``first`` (inclusive) to ``last`` (exclusive) of a model of ``of`` layers."""

    first: int
    last: int
    of: int

    @property
    def has_embedding(self) -> bool:
        """Whether its input is token ids."""
        return self.first == 0

    @property
    def has_head(self) -> bool:
        """Whether its output is logits."""
        return self.last == self.of


def export_llama(
    source: GgufFile,
    folder: Path,
    variant: Variant,
    *,
    layers: LayerRange | None = None,
    name: str = "model.onnx",
    watch: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Writes ``folder/name`` and its data file. ``watch`` hears (layers done, layers in all). Raises `ModelError`."""
    layers = layers or LayerRange(first=0, last=source.shape.layers, of=source.shape.layers)
    if not 0 <= layers.first < layers.last <= source.shape.layers:
        raise ModelError(f"No layers {layers.first}..{layers.last} in a model of {source.shape.layers}.")
    writer = GraphWriter(folder, name)
    try:
        _Exporter(source, writer, variant, layers).write(watch)
        writer.close(PRODUCER)
    finally:
        writer.abandon()


class _Exporter:
    def __init__(self, source: GgufFile, writer: GraphWriter, variant: Variant, layers: LayerRange) -> None:
        self.source, self.writer, self.variant, self.layers = source, writer, variant, layers
        self.shape = source.shape
        self.dtype = np.float16 if variant is Variant.FP16 else np.float32
        self.kind = TensorProto.FLOAT16 if variant is Variant.FP16 else TensorProto.FLOAT

    def write(self, watch: Callable[[int, int], None]) -> None:
        count = self.layers.last - self.layers.first
        hidden = self._begin()
        self._rope_tables()
        for done, layer in enumerate(range(self.layers.first, self.layers.last)):
            watch(done, count)
            hidden = self._layer(layer, hidden)
        self._end(hidden)
        watch(count, count)

    def _begin(self) -> str:
        writer = self.writer
        hidden: list[int | str] = ["batch", "step", self.shape.width]
        if self.layers.has_embedding:
            writer.input("input_ids", TensorProto.INT64, ["batch", "step"])
        else:
            writer.input("hidden_in", self.kind, hidden)
        writer.input("seqlens_k", TensorProto.INT32, ["batch"])
        writer.input("total_len", TensorProto.INT32, [])
        if self.layers.has_head:
            writer.input("logit_idx", TensorProto.INT64, ["wanted"])
            writer.output("logits", TensorProto.FLOAT, ["wanted", self.shape.vocabulary])
        else:
            writer.output("hidden_out", self.kind, hidden)
        return write_embedding(writer, self.source, self.variant) if self.layers.has_embedding else "hidden_in"

    def _end(self, hidden: str) -> None:
        if not self.layers.has_head:
            self.writer.op("Identity", [hidden], "hidden_out")
            return
        normed = self._norm(hidden, "final_norm", "output_norm.weight")
        flat = self.writer.op("Reshape", [normed, self._shape("flat_shape", [-1, self.shape.width])], "final_flat")
        wanted = self.writer.op("Gather", [flat, "logit_idx"], "final_wanted", axis=0)
        write_head(self.writer, self.source, self.variant, wanted)

    def _layer(self, layer: int, hidden: str) -> str:
        writer, blk, here = self.writer, f"blk.{layer}", f"layer.{layer}"
        normed = self._norm(hidden, f"{here}.attn_norm", f"{blk}.attn_norm.weight")
        mixed = self._linear(self._attention(layer, normed), f"{here}.out", [Part(f"{blk}.attn_output.weight")])
        normed, residual = f"{here}.ffn_norm", f"{here}.middle"
        weight = writer.constant(f"{normed}.weight", self.source.floats(f"{blk}.ffn_norm.weight").astype(self.dtype))
        outputs = [normed, "", "", residual]
        epsilon = self.shape.norm_epsilon
        writer.op("SkipSimplifiedLayerNormalization", [hidden, mixed, weight], outputs, domain=CONTRIB, epsilon=epsilon)
        gate = self._linear(normed, f"{here}.gate", [Part(f"{blk}.ffn_gate.weight")])
        up = self._linear(normed, f"{here}.up", [Part(f"{blk}.ffn_up.weight")])
        product = writer.op("Mul", [self._silu(gate), up], f"{here}.product")
        down = self._linear(product, f"{here}.down", [Part(f"{blk}.ffn_down.weight")])
        return writer.op("Add", [residual, down], f"{here}.residual")

    def _attention(self, layer: int, normed: str) -> str:
        shape, blk = self.shape, f"blk.{layer}"
        parts = [
            Part(f"{blk}.attn_q.weight", rotary_heads=shape.heads),
            Part(f"{blk}.attn_k.weight", rotary_heads=shape.kv_heads),
            Part(f"{blk}.attn_v.weight"),
        ]
        qkv = self._linear(normed, f"layer.{layer}.qkv", parts)
        cache: list[int | str] = ["batch", shape.kv_heads, "capacity", shape.head_size]
        past = [self.writer.input(f"past_key_values.{layer}.{part}", self.kind, cache) for part in ("key", "value")]
        present = [f"present.{layer}.{part}" for part in ("key", "value")]
        for name in present:
            self.writer.output(name, self.kind, cache)
        return self.writer.op(
            "GroupQueryAttention", [qkv, "", "", *past, "seqlens_k", "total_len", "rope_cos", "rope_sin"],
            [f"layer.{layer}.attention", *present], domain=CONTRIB, num_heads=shape.heads, kv_num_heads=shape.kv_heads,
            do_rotary=1, rotary_interleaved=0, scale=1 / math.sqrt(shape.head_size),
        )  # fmt: skip

    def _linear(self, x: str, name: str, parts: list[Part]) -> str:
        return write_linear(self.writer, self.source, self.variant, x=x, name=name, parts=parts)

    def _norm(self, x: str, name: str, tensor: str) -> str:
        weight = self.writer.constant(f"{name}.weight", self.source.floats(tensor).astype(self.dtype))
        epsilon = self.shape.norm_epsilon
        return self.writer.op("SimplifiedLayerNormalization", [x, weight], name, axis=-1, epsilon=epsilon, stash_type=1)

    def _silu(self, x: str) -> str:
        # QuickGelu with alpha 1 is SiLU in one kernel; it has none for fp16 on CPU, where the graph must run too.
        if self.variant is Variant.FP16:
            return self.writer.op("Mul", [x, self.writer.op("Sigmoid", [x], f"{x}.sigmoid")], f"{x}.silu")
        return self.writer.op("QuickGelu", [x], f"{x}.silu", domain=CONTRIB, alpha=1.0)

    def _shape(self, name: str, dims: list[int]) -> str:
        return self.writer.constant(name, np.array(dims, np.int64))

    def _rope_tables(self) -> None:
        half = np.arange(0, self.shape.head_size, 2, dtype=np.float64) / self.shape.head_size
        frequencies = 1.0 / (self.shape.rope_base**half) / self.shape.rope_divisor
        if self.source.has("rope_freqs.weight"):
            frequencies = frequencies / self.source.floats("rope_freqs.weight").astype(np.float64)
        angles = np.arange(self.shape.context, dtype=np.float64)[:, None] * frequencies[None]
        self.writer.constant("rope_cos", np.cos(angles).astype(self.dtype))
        self.writer.constant("rope_sin", np.sin(angles).astype(self.dtype))
