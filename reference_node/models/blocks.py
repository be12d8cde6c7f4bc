"""The block forms of quantised weights: read from GGUF bytes without rounding, re-expressed, or made anew.

GGUF's layouts are those of ggml's block_q4_0, block_q4_1, block_q4_K and block_q8_0 structures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray

from reference_node.models.errors import ModelError

BLOCK = 32
"""Weights per block of every 4- and 8-bit form used here."""

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Int4Blocks:
    """Exact 4-bit weights: ``quants * scales + minima``, quants [N, K] in 0..15, scales and minima [N, K / 32]."""

    quants: Bytes
    scales: Floats
    minima: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Blocks:
    """8-bit weights: ``(quants - zeros) * scales``, quants [N, K] in 0..255, scales and zeros [N, K / 32]."""

    quants: Bytes
    scales: Floats
    zeros: Bytes


def widen(blocks: Int4Blocks) -> Int8Blocks:
    """4-bit blocks re-expressed in 8 bits: 255 / 15 = 17 steps per step, so that only the minimum is rounded (to
    1/17).
    """
    rows, columns = blocks.quants.shape
    scales = blocks.scales / np.float32(17)
    usable = scales != 0
    zeros = np.where(usable, np.rint(-blocks.minima / np.where(usable, scales, 1)), 0)
    wide = (blocks.quants.astype(np.uint16) * 17).astype(np.uint8)
    # A block whose minimum lies outside what a byte can say (all weights on one side of zero) is quantised anew.
    outside = (zeros < 0) | (zeros > 255) | (~usable & (blocks.minima != 0))
    if outside.any():
        spread = blocks.quants.astype(np.float32) * np.repeat(blocks.scales, BLOCK, 1)
        again = quantise_int8(spread + np.repeat(blocks.minima, BLOCK, 1))
        scales = np.where(outside, again.scales, scales)
        zeros = np.where(outside, again.zeros, zeros)
        wide = np.where(np.repeat(outside, BLOCK, 1), again.quants, wide)
    return Int8Blocks(quants=wide.reshape(rows, columns), scales=scales, zeros=zeros.astype(np.uint8))


def quantise_int8(values: Floats) -> Int8Blocks:
    """The nearest symmetric 8-bit blocks (zero point 128, as Q8_0)."""
    rows, columns = values.shape
    if columns % BLOCK:
        raise ModelError(
            f"A weight matrix with {columns} columns cannot be cut into blocks of {BLOCK}. Use variant fp32."
        )
    blocks = values.reshape(rows, columns // BLOCK, BLOCK)
    scales = (np.abs(blocks).max(-1) / np.float32(127)).astype(np.float32)
    quants = np.rint(blocks / np.where(scales > 0, scales, 1)[..., None]) + 128
    zeros = np.full(scales.shape, 128, np.uint8)
    return Int8Blocks(quants=quants.astype(np.uint8).reshape(rows, columns), scales=scales, zeros=zeros)


def _halves(raw: Bytes) -> Floats:
    return np.ascontiguousarray(raw).view(np.float16).astype(np.float32)


def _nibbles(raw: Bytes, group: int) -> Bytes:
    """Low nibbles of ``group`` bytes, then their high ones: GGUF's order within a block (or pair of blocks)."""
    packed = raw.reshape(*raw.shape[:-1], -1, group)
    return np.stack([packed & 15, packed >> 4], axis=-2)


def _read_q4_0(raw: Bytes, columns: int) -> Int4Blocks:
    rows, blocks = raw.shape[0], raw.reshape(raw.shape[0], columns // BLOCK, 18)
    scales = _halves(blocks[..., :2])[..., 0]
    return Int4Blocks(quants=_nibbles(blocks[..., 2:], 16).reshape(rows, columns), scales=scales, minima=-8 * scales)


def _read_q4_1(raw: Bytes, columns: int) -> Int4Blocks:
    rows, blocks = raw.shape[0], raw.reshape(raw.shape[0], columns // BLOCK, 20)
    pairs = _halves(blocks[..., :4])
    quants = _nibbles(blocks[..., 4:], 16).reshape(rows, columns)
    return Int4Blocks(quants=quants, scales=pairs[..., 0].copy(), minima=pairs[..., 1].copy())


def _read_q4_k(raw: Bytes, columns: int) -> Int4Blocks:
    """Super-blocks of 256: two halves, 12 bytes of 6-bit scales and minima for 8 blocks, 128 bytes of nibbles."""
    rows, blocks = raw.shape[0], raw.reshape(raw.shape[0], columns // 256, 144)
    pairs, packed = _halves(blocks[..., :4]), blocks[..., 4:16].astype(np.uint8)
    low, middle, high = packed[..., 0:4], packed[..., 4:8], packed[..., 8:12]
    scales = np.concatenate([low & 63, (high & 15) | ((low >> 6) << 4)], -1)
    minima = np.concatenate([middle & 63, (high >> 4) | ((middle >> 6) << 4)], -1)
    return Int4Blocks(
        quants=_nibbles(blocks[..., 16:], 32).reshape(rows, columns),
        scales=(pairs[..., :1] * scales).reshape(rows, columns // BLOCK),
        minima=-(pairs[..., 1:] * minima).reshape(rows, columns // BLOCK),
    )


def read_q8_0(raw: Bytes, columns: int) -> Int8Blocks:
    """Reads rows of block_q8_0 structures [rows, bytes]."""
    rows, blocks = raw.shape[0], raw.reshape(raw.shape[0], columns // BLOCK, 34)
    scales = _halves(blocks[..., :2])[..., 0].copy()
    # Two's complement to offset binary: flipping the top bit adds 128.
    quants = (blocks[..., 2:] ^ np.uint8(0x80)).reshape(rows, columns)
    return Int8Blocks(quants=quants, scales=scales, zeros=np.full(scales.shape, 128, np.uint8))


INT4_READERS: dict[Type, Callable[[Bytes, int], Int4Blocks]] = {
    Type.Q4_0: _read_q4_0,
    Type.Q4_1: _read_q4_1,
    Type.Q4_K: _read_q4_k,
}
