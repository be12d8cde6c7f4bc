"""Block forms: exact where they say so, against the gguf package's own dequantisation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gguf import GGML_QUANT_SIZES, dequantize, quantize
from gguf import GGMLQuantizationType as Type

from reference_node.models.blocks import (
    BLOCK,
    INT4_READERS,
    Int4Blocks,
    Int8Blocks,
    quantise_int8,
    read_q8_0,
    widen,
)
from reference_node.models.errors import ModelError

ROWS, COLUMNS = 6, 512


def floats4(blocks: Int4Blocks) -> Any:
    return blocks.quants * np.repeat(blocks.scales, BLOCK, 1) + np.repeat(blocks.minima, BLOCK, 1)


def floats8(blocks: Int8Blocks) -> Any:
    zeros = np.repeat(blocks.zeros, BLOCK, 1).astype(np.float32)
    return (blocks.quants - zeros) * np.repeat(blocks.scales, BLOCK, 1)


def raw_rows(kind: Type) -> Any:
    """Random blocks with sane scales: every byte is free but the half floats at a block's beginning."""
    random = np.random.default_rng(3)
    per, size = GGML_QUANT_SIZES[kind]
    raw = random.integers(0, 256, (ROWS, COLUMNS // per, size), np.uint8)
    halves = 2 if kind == Type.Q4_0 else 4
    scales = random.uniform(-1, 1, (*raw.shape[:2], halves // 2)).astype(np.float16)
    raw[..., :halves] = scales.view(np.uint8).reshape(*raw.shape[:2], halves)
    return raw.reshape(ROWS, -1)


@pytest.mark.parametrize("kind", INT4_READERS)
def test_four_bit_forms_are_exact(kind: Type) -> None:
    raw = raw_rows(kind)
    blocks = INT4_READERS[kind](raw, COLUMNS)
    assert blocks.quants.max() <= 15
    np.testing.assert_allclose(floats4(blocks), dequantize(raw, kind), rtol=1e-6, atol=1e-6)


def test_eight_bit_form_is_exact() -> None:
    raw = quantize(np.random.default_rng(4).standard_normal((ROWS, COLUMNS)).astype(np.float32), Type.Q8_0)
    np.testing.assert_array_equal(floats8(read_q8_0(raw, COLUMNS)), dequantize(raw, Type.Q8_0))


def test_widened_blocks_differ_by_half_a_step_at_most() -> None:
    values = np.random.default_rng(5).standard_normal((ROWS, COLUMNS)).astype(np.float32)
    blocks = INT4_READERS[Type.Q4_1](quantize(values, Type.Q4_1), COLUMNS)
    step = np.repeat(np.abs(blocks.scales), BLOCK, 1) / 17
    assert (np.abs(floats8(widen(blocks)) - floats4(blocks)) <= 0.51 * step).all()


def test_blocks_on_one_side_of_zero_are_quantised_anew() -> None:
    quants = np.arange(BLOCK, dtype=np.uint8)[None] % 16
    blocks = Int4Blocks(
        quants=np.repeat(quants, 2, 0),
        scales=np.array([[0.001], [0.0]], np.float32),
        minima=np.array([[5.0], [-2.0]], np.float32),
    )
    assert np.abs(floats8(widen(blocks)) - floats4(blocks)).max() < 5.1 / 127 / 2 + 1e-6


def test_nearest_blocks_differ_by_half_a_step_at_most() -> None:
    values = np.random.default_rng(6).standard_normal((ROWS, COLUMNS)).astype(np.float32)
    values[0] = 0
    blocks = quantise_int8(values)
    assert (np.abs(floats8(blocks) - values) <= 0.501 * np.repeat(blocks.scales, BLOCK, 1)).all()


def test_columns_that_make_no_blocks_are_refused() -> None:
    with pytest.raises(ModelError, match="48 columns"):
        quantise_int8(np.zeros((1, 48), np.float32))
