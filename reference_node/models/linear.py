"""Linear layers, embedding and head of an exported graph, in each variant's form.

- ``fp32``, ``fp16``: dequantised weights, plain MatMul.
- ``int4``: what the file holds in 4 bits stays so, exactly: ``W x = scales * (q - 8) x + (minima + 8 scales)
  blocksum(x)``, a symmetric MatMulNBits with float activations (accuracy level 1) and a small MatMul over sums of 32
  inputs. Rounding the minima to integer zero points instead moves logits by 24. Everything else, the head above all, is
  fp32: near-ties between tokens are decided in the head.
- ``q8``: 8-bit weights and activations (accuracy level 4). Faster; greedy text differs from fp32's at near-ties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_node.models.blocks import BLOCK, Int4Blocks, Int8Blocks
from reference_node.models.gguf_file import GgufFile
from reference_node.models.onnx_writer import CONTRIB, GraphWriter
from reference_node.models.variants import Variant

FLOAT_ACTIVATIONS = 1
INT8_ACTIVATIONS = 4
"""MatMulNBits accuracy levels: what the kernel may round the activations to."""


@dataclass(frozen=True, slots=True)
class Part:
    """A tensor whose rows are some of a linear layer's outputs. GGUF interleaves the rows of rotary heads."""

    tensor: str
    rotary_heads: int = 0


def write_linear(
    writer: GraphWriter, source: GgufFile, variant: Variant, *, x: str, name: str, parts: Sequence[Part]
) -> str:
    """Adds ``name = x W^T`` for the rows of all parts one after another; returns the output's name."""
    if variant is Variant.Q8:
        return _linear_int8(writer, x, name, _join8([_rows8(source, part) for part in parts]))
    if variant is Variant.INT4 and all(source.is_int4(part.tensor) for part in parts):
        return _linear_int4(writer, x, name, _join4([_rows4(source, part) for part in parts]))
    dtype = np.float16 if variant is Variant.FP16 else np.float32
    weights = np.concatenate([_order(source.floats(part.tensor), part) for part in parts])
    return writer.op("MatMul", [x, writer.constant(f"{name}.weight", weights.T.astype(dtype))], name)


def write_embedding(writer: GraphWriter, source: GgufFile, variant: Variant) -> str:
    """Adds the look-up of ``input_ids``; returns the name of the hidden state [B, S, width]."""
    table = "token_embd.weight"
    if variant is Variant.Q8:
        blocks = source.int8(table)
        inputs = [
            writer.constant("embedding.quants", blocks.quants), "input_ids",
            writer.constant("embedding.scales", blocks.scales), writer.constant("embedding.zeros", blocks.zeros),
        ]  # fmt: skip
        axes = {"gather_axis": 0, "quantize_axis": 1}
        return writer.op("GatherBlockQuantized", inputs, "embedding", domain=CONTRIB, bits=8, block_size=BLOCK, **axes)
    return writer.op("Gather", [_table(writer, source, variant, table), "input_ids"], "embedding")


def write_head(writer: GraphWriter, source: GgufFile, variant: Variant, x: str) -> None:
    """Adds ``logits`` in float32 from the wanted hidden states [n, width]. A head tied to the embedding shares its
    bytes.
    """
    table = "output.weight" if source.has("output.weight") else "token_embd.weight"
    if variant is Variant.Q8:
        _linear_int8(writer, x, "logits", source.int8(table))
    elif variant is Variant.FP16:
        half = writer.op("Gemm", [x, _table(writer, source, variant, table)], "logits.half", transB=1)
        writer.op("Cast", [half], "logits", to=1)
    else:
        writer.op("Gemm", [x, _table(writer, source, variant, table)], "logits", transB=1)


def _table(writer: GraphWriter, source: GgufFile, variant: Variant, tensor: str) -> str:
    dtype = np.float16 if variant is Variant.FP16 else np.float32
    return writer.constant(tensor, source.floats(tensor).astype(dtype))


def _linear_int8(writer: GraphWriter, x: str, name: str, blocks: Int8Blocks) -> str:
    rows, columns = blocks.quants.shape
    inputs = [
        x, writer.constant(f"{name}.quants", blocks.quants.reshape(rows, columns // BLOCK, BLOCK)),
        writer.constant(f"{name}.scales", blocks.scales), writer.constant(f"{name}.zeros", blocks.zeros),
    ]  # fmt: skip
    return writer.op(
        "MatMulNBits", inputs, name, domain=CONTRIB, bits=8, K=columns, N=rows, block_size=BLOCK,
        accuracy_level=INT8_ACTIVATIONS,
    )  # fmt: skip


def _linear_int4(writer: GraphWriter, x: str, name: str, blocks: Int4Blocks) -> str:
    rows, columns = blocks.quants.shape
    count = columns // BLOCK
    pairs = blocks.quants.reshape(rows, count, BLOCK // 2, 2)
    packed = pairs[..., 0] | (pairs[..., 1] << 4)
    inputs = [x, writer.constant(f"{name}.quants", packed), writer.constant(f"{name}.scales", blocks.scales)]
    offsets = blocks.minima + 8 * blocks.scales
    exact = not offsets.any()
    product = writer.op(
        "MatMulNBits", inputs, name if exact else f"{name}.symmetric", domain=CONTRIB, bits=4, K=columns, N=rows,
        block_size=BLOCK, accuracy_level=FLOAT_ACTIVATIONS,
    )  # fmt: skip
    if exact:
        return product
    grouped = writer.constant(f"blocks.{count}", np.array([0, 0, count, BLOCK], np.int64))
    reshaped = writer.op("Reshape", [x, grouped], f"{x}.blocks")
    axis = writer.constant("block_axis", np.array([3], np.int64))
    sums = writer.op("ReduceSum", [reshaped, axis], f"{x}.block_sums", keepdims=0)
    shift = writer.op("MatMul", [sums, writer.constant(f"{name}.offsets", offsets.T)], f"{name}.shift")
    return writer.op("Add", [product, shift], name)


def _order(rows: NDArray[Any], part: Part) -> NDArray[Any]:
    """Undoes GGUF's interleaving: row 2i of a rotary head is its first half's row i, row 2i + 1 its second half's."""
    if not part.rotary_heads:
        return rows
    halves = rows.reshape(part.rotary_heads, -1, 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def _rows4(source: GgufFile, part: Part) -> Int4Blocks:
    blocks = source.int4(part.tensor)
    return Int4Blocks(
        quants=_order(blocks.quants, part), scales=_order(blocks.scales, part), minima=_order(blocks.minima, part)
    )


def _rows8(source: GgufFile, part: Part) -> Int8Blocks:
    blocks = source.int8(part.tensor)
    return Int8Blocks(
        quants=_order(blocks.quants, part), scales=_order(blocks.scales, part), zeros=_order(blocks.zeros, part)
    )


def _join4(parts: Sequence[Int4Blocks]) -> Int4Blocks:
    return Int4Blocks(
        quants=np.concatenate([part.quants for part in parts]),
        scales=np.concatenate([part.scales for part in parts]),
        minima=np.concatenate([part.minima for part in parts]),
    )


def _join8(parts: Sequence[Int8Blocks]) -> Int8Blocks:
    return Int8Blocks(
        quants=np.concatenate([part.quants for part in parts]),
        scales=np.concatenate([part.scales for part in parts]),
        zeros=np.concatenate([part.zeros for part in parts]),
    )
