"""Rebuilds a tokenizer from a GGUF file's vocabulary, as the bytes of a ``tokenizer.json``.

Byte-level BPE only ("gpt2" in GGUF's words). The pre-tokenizer patterns are those that llama.cpp names in
``tokenizer.ggml.pre`` and that the models' own tokenizer.json files state.
"""

from __future__ import annotations

from collections.abc import Callable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from reference_node.models.errors import ModelError
from reference_node.models.gguf_file import GgufFile

CONTROL, USER_DEFINED = 3, 4
"""GGUF token types: special tokens that are never text, and added tokens that are."""

_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

PreTokenizer = pre_tokenizers.PreTokenizer


def _gpt2() -> PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


def _smollm() -> PreTokenizer:
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _gpt2()])


def _split(pattern: str) -> PreTokenizer:
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


PRE_TOKENIZERS: dict[str, Callable[[], PreTokenizer]] = {
    "gpt-2": _gpt2,
    "smollm": _smollm,
    "llama-bpe": lambda: _split(_WORDS % "{1,3}"),
    "qwen2": lambda: _split(_WORDS % ""),
}


def tokenizer_json(source: GgufFile) -> str:
    """The file's tokenizer. Raises `ModelError` naming a tokenizer model or pre-tokenizer that is not supported."""
    tokens, merges = source.field("tokenizer.ggml.tokens"), source.field("tokenizer.ggml.merges")
    pre = _check_supported(source)
    if not tokens or merges is None:
        raise ModelError(f"{source.path.name} carries no whole tokenizer (tokens and merges). Import another file.")
    pairs: list[tuple[str, str]] = [tuple(merge.split(" ", 1)) for merge in merges]
    # Llama 3's vocabulary holds words that its merges do not reach; its own tokenizer.json says the same.
    model = models.BPE(
        vocab={token: i for i, token in enumerate(tokens)}, merges=pairs, ignore_merges=pre == "llama-bpe"
    )
    tokenizer = Tokenizer(model)
    if pre == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[pre]()
    tokenizer.decoder = decoders.ByteLevel()
    _add_special(tokenizer, tokens, source.field("tokenizer.ggml.token_type", []))
    return str(tokenizer.to_str(pretty=False))


def special_tokens(source: GgufFile) -> tuple[str, str, list[int]]:
    """The text of the begin- and end-of-text tokens ("" if there is none), and every id that ends an answer."""
    tokens = source.field("tokenizer.ggml.tokens")
    bos, eos = source.field("tokenizer.ggml.bos_token_id"), source.field("tokenizer.ggml.eos_token_id")
    ends = [source.field(f"tokenizer.ggml.{kind}_token_id") for kind in ("eos", "eot", "eom")]
    found = sorted({int(end) for end in ends if end is not None})
    if not found:
        raise ModelError(f"{source.path.name} names no end-of-text token, so that no answer would end.")
    return ("" if bos is None else tokens[bos], "" if eos is None else tokens[eos], found)


def _check_supported(source: GgufFile) -> str:
    model, pre = source.field("tokenizer.ggml.model"), source.field("tokenizer.ggml.pre")
    if model != "gpt2":
        raise ModelError(
            f"{source.path.name}: tokenizer model {model!r} is not supported; GGUF import knows 'gpt2' (byte-level "
            "BPE). Import this model as an ONNX directory with its tokenizer.json."
        )
    if pre not in PRE_TOKENIZERS:
        known = ", ".join(sorted(PRE_TOKENIZERS))
        raise ModelError(
            f"{source.path.name}: pre-tokenizer {pre!r} is not supported (known: {known}). "
            "Import this model as an ONNX directory with its tokenizer.json."
        )
    return str(pre)


def _add_special(tokenizer: Tokenizer, tokens: list[str], kinds: list[int]) -> None:
    pairs = list(zip(tokens, kinds, strict=False))
    tokenizer.add_special_tokens(
        [AddedToken(t, special=True, normalized=False) for t, kind in pairs if kind == CONTROL]
    )
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t, kind in pairs if kind == USER_DEFINED])
