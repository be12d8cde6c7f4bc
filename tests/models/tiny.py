"""A tiny random llama in GGUF form, and an independent float64 forward pass over it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGML_QUANT_SIZES, GGUFReader, GGUFWriter, dequantize, quantize
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray
from tokenizers.pre_tokenizers import ByteLevel

LAYERS, WIDTH, HEADS, KV_HEADS, FEED_FORWARD, CONTEXT = 2, 64, 4, 2, 96, 256
HEAD = WIDTH // HEADS
TEMPLATE = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}<|assistant|>"
SPECIAL = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
TOKENS = [*SPECIAL, *sorted(ByteLevel.alphabet()), "th", "he", "the", "Ġthe", "in"]
MERGES = ["t h", "h e", "th e", "Ġ the", "i n"]
VOCABULARY = len(TOKENS)
END = 0

# GGUF's Q4_K, which the gguf package reads but does not write, is tested from random bytes in test_blocks.py.
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Tiny:
    """What can be varied about the tiny model."""

    linear: Type = Type.Q4_1
    embedding: Type = Type.Q8_0
    tied: bool = True
    seed: int = 1
    architecture: str = "llama"
    tokenizer: str = "gpt2"
    pre: str = "smollm"
    template: str | None = TEMPLATE
    rope_factors: bool = False
    extra: Type | None = None
    fields: tuple[tuple[str, str], ...] = ()
    context: int = CONTEXT


def write_tiny(path: Path, tiny: Tiny | None = None) -> Path:
    """Writes the model to ``path`` and returns it."""
    tiny = tiny or Tiny()
    writer = GGUFWriter(path, tiny.architecture)
    writer.add_name("Tiny")
    writer.add_block_count(LAYERS)
    writer.add_context_length(tiny.context)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    _write_tokenizer(writer, tiny)
    for key, value in tiny.fields:
        writer.add_string(key, value)
    _write_tensors(writer, tiny)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _write_tokenizer(writer: GGUFWriter, tiny: Tiny) -> None:
    writer.add_tokenizer_model(tiny.tokenizer)
    writer.add_tokenizer_pre(tiny.pre)
    writer.add_token_list(TOKENS)
    writer.add_token_types([3] * len(SPECIAL) + [1] * (VOCABULARY - len(SPECIAL)))
    writer.add_token_merges(MERGES)
    writer.add_eos_token_id(END)
    if tiny.template is not None:
        writer.add_chat_template(tiny.template)


def _write_tensors(writer: GGUFWriter, tiny: Tiny) -> None:
    random = np.random.default_rng(tiny.seed)

    def add(name: str, shape: tuple[int, ...], kind: Type, scale: float, shift: float = 0.0) -> None:
        values = (random.standard_normal(shape) * scale + shift).astype(np.float32)
        if kind == Type.F32:
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, quantize(values, kind), raw_dtype=kind)

    add("token_embd.weight", (VOCABULARY, WIDTH), tiny.embedding, 1.0)
    add("output_norm.weight", (WIDTH,), Type.F32, 0.1, 1.0)
    if not tiny.tied:
        add("output.weight", (VOCABULARY, WIDTH), tiny.embedding, 0.5)
    if tiny.rope_factors:
        writer.add_tensor("rope_freqs.weight", np.linspace(1, 4, HEAD // 2, dtype=np.float32))
    if tiny.extra is not None:
        blocks = np.zeros((1, GGML_QUANT_SIZES[tiny.extra][1]), np.uint8)
        writer.add_tensor("extra.weight", blocks, raw_dtype=tiny.extra)
    rows = {"attn_q": WIDTH, "attn_k": KV_HEADS * HEAD, "attn_v": KV_HEADS * HEAD, "attn_output": WIDTH}
    for layer in range(LAYERS):
        for name, count in (*rows.items(), ("ffn_gate", FEED_FORWARD), ("ffn_up", FEED_FORWARD)):
            add(f"blk.{layer}.{name}.weight", (count, WIDTH), tiny.linear, 0.25)
        add(f"blk.{layer}.ffn_down.weight", (WIDTH, FEED_FORWARD), tiny.linear, 0.25)
        for name in ("attn_norm", "ffn_norm"):
            add(f"blk.{layer}.{name}.weight", (WIDTH,), Type.F32, 0.1, 1.0)


class Reference:
    """A llama forward pass in float64, straight from GGUF: rotates interleaved pairs, as GGUF stores them."""

    def __init__(self, path: Path) -> None:
        reader = GGUFReader(path)
        self._fields = reader.fields
        self._weights: dict[str, Floats] = {
            tensor.name: dequantize(tensor.data, tensor.tensor_type)
            .reshape(tuple(reversed(tensor.shape.tolist())))
            .astype(np.float64)
            for tensor in reader.tensors
        }
        self.heads = int(self._field("attention.head_count"))
        self.kv_heads = int(self._field("attention.head_count_kv"))
        self.layers = int(self._field("block_count"))

    def _field(self, key: str) -> float:
        return float(self._fields[f"llama.{key}"].contents())

    def logits(self, tokens: list[int]) -> Floats:
        """Logits [tokens, vocabulary]."""
        x = self._weights["token_embd.weight"][tokens]
        for layer in range(self.layers):
            x = x + self._attention(layer, self._norm(x, f"blk.{layer}.attn_norm"))
            h = self._norm(x, f"blk.{layer}.ffn_norm")
            gate = self._linear(h, f"blk.{layer}.ffn_gate")
            x = x + self._linear(
                gate / (1 + np.exp(-gate)) * self._linear(h, f"blk.{layer}.ffn_up"), f"blk.{layer}.ffn_down"
            )
        head = "output" if "output.weight" in self._weights else "token_embd"
        return self._linear(self._norm(x, "output_norm"), head)

    def _attention(self, layer: int, x: Floats) -> Floats:
        count = len(x)
        size = self._weights[f"blk.{layer}.attn_q.weight"].shape[0] // self.heads
        q = self._rotate(self._linear(x, f"blk.{layer}.attn_q").reshape(count, self.heads, size))
        k = self._rotate(self._linear(x, f"blk.{layer}.attn_k").reshape(count, self.kv_heads, size))
        v = self._linear(x, f"blk.{layer}.attn_v").reshape(count, self.kv_heads, size)
        k, v = (np.repeat(part, self.heads // self.kv_heads, axis=1) for part in (k, v))
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(size) + np.triu(np.full((count, count), -np.inf), 1)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = np.einsum("hqk,khd->qhd", scores / scores.sum(-1, keepdims=True), v)
        return self._linear(mixed.reshape(count, -1), f"blk.{layer}.attn_output")

    def _rotate(self, x: Floats) -> Floats:
        half = x.shape[-1] // 2
        frequencies = self._field("rope.freq_base") ** -(np.arange(half) / half)
        if "rope_freqs.weight" in self._weights:
            frequencies = frequencies / self._weights["rope_freqs.weight"]
        angles = (np.arange(len(x))[:, None] * frequencies)[:, None]
        even, odd = x[..., 0::2], x[..., 1::2]
        turned = np.empty_like(x)
        turned[..., 0::2] = even * np.cos(angles) - odd * np.sin(angles)
        turned[..., 1::2] = even * np.sin(angles) + odd * np.cos(angles)
        return turned

    def _norm(self, x: Floats, name: str) -> Floats:
        epsilon = self._field("attention.layer_norm_rms_epsilon")
        normed: Floats = x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * self._weights[f"{name}.weight"]
        return normed

    def _linear(self, x: Floats, name: str) -> Floats:
        product: Floats = x @ self._weights[f"{name}.weight"].T
        return product


def run_graph(session: Any, tokens: list[int], *, hidden: Any = None, wanted: list[int] | None = None) -> Any:
    """Runs an exported graph, or a range of its layers, over a whole sequence at once; returns its first output."""
    inputs = {item.name: item for item in session.get_inputs()}
    count = len(tokens)
    feed: dict[str, Any] = {"seqlens_k": np.array([count - 1], np.int32), "total_len": np.array(count, np.int32)}
    if "input_ids" in inputs:
        feed["input_ids"] = np.array([tokens], np.int64)
    else:
        feed["hidden_in"] = hidden
    if "logit_idx" in inputs:
        feed["logit_idx"] = np.array(range(count) if wanted is None else wanted, np.int64)
    for name, item in inputs.items():
        if name.startswith("past_key_values"):
            dtype = np.float16 if "float16" in item.type else np.float32
            feed[name] = np.zeros((1, item.shape[1], 0, item.shape[3]), dtype)
    return session.run([session.get_outputs()[0].name], feed)[0]
