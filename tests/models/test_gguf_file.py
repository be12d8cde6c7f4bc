"""GGUF files that cannot be served are refused by name, with what to do instead."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from gguf import GGMLQuantizationType as Type
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from reference_node.models.errors import ModelError
from reference_node.models.gguf_file import GgufFile
from reference_node.models.vocabulary import special_tokens, tokenizer_json
from tests.models.tiny import Tiny, write_tiny


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        GgufFile(path)
    return str(caught.value)


def test_another_architecture_is_named(tmp_path: Path) -> None:
    message = refusal(write_tiny(tmp_path / "t.gguf", Tiny(architecture="mamba")))
    assert "'mamba'" in message
    assert "ONNX directory" in message


def test_an_unknown_rope_scaling_is_named(tmp_path: Path) -> None:
    fields = (("llama.rope.scaling.type", "yarn"),)
    assert "'yarn'" in refusal(write_tiny(tmp_path / "t.gguf", Tiny(fields=fields)))


def test_a_tensor_type_is_named(tmp_path: Path) -> None:
    message = refusal(write_tiny(tmp_path / "t.gguf", Tiny(extra=Type.IQ4_NL)))
    assert "extra.weight" in message
    assert "IQ4_NL" in message
    assert "Q4_1" in message


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF" + b"\xff" * 64, b"not a model at all" * 9])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.gguf"
    path.write_bytes(content)
    assert "not a readable GGUF file" in refusal(path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "t.gguf")
    path.write_bytes(path.read_bytes()[:-1000])
    assert "not a readable GGUF file" in refusal(path)


@pytest.mark.parametrize(("tiny", "named"), [(Tiny(tokenizer="llama"), "'llama'"), (Tiny(pre="gemma4"), "'gemma4'")])
def test_an_unknown_tokenizer_is_named(tmp_path: Path, tiny: Tiny, named: str) -> None:
    source = GgufFile(write_tiny(tmp_path / "t.gguf", tiny))
    with pytest.raises(ModelError, match="ONNX directory") as caught:
        tokenizer_json(source)
    assert named in str(caught.value)


def test_special_tokens(tmp_path: Path) -> None:
    assert special_tokens(GgufFile(write_tiny(tmp_path / "t.gguf"))) == ("", "<|end|>", [0])


@pytest.mark.parametrize("pre", ["smollm", "gpt-2", "llama-bpe", "qwen2"])
@given(text=st.text())
def test_tokenizers_are_lossless(tmp_path_factory: pytest.TempPathFactory, pre: str, text: str) -> None:
    tokenizer = _TOKENIZERS.get(pre)
    if tokenizer is None:
        path = write_tiny(tmp_path_factory.mktemp("pre") / "t.gguf", Tiny(pre=pre))
        tokenizer = _TOKENIZERS[pre] = Tokenizer.from_str(tokenizer_json(GgufFile(path)))
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    expected = unicodedata.normalize("NFC", text) if pre == "qwen2" else text
    assert tokenizer.decode(ids, skip_special_tokens=False) == expected


_TOKENIZERS: dict[str, Tokenizer] = {}


@pytest.mark.parametrize(
    ("pre", "pieces"),
    [
        ("gpt-2", ["It", "'s", "Ġ1234", "Ġ!!"]),
        ("smollm", ["It", "'s", "Ġ", "1", "2", "3", "4", "Ġ!!"]),
        ("llama-bpe", ["It", "'s", "Ġ", "123", "4", "Ġ!!"]),
        ("qwen2", ["It", "'s", "Ġ", "1", "2", "3", "4", "Ġ!!"]),
    ],
)
def test_pre_tokenizers_cut_as_their_models_do(pre: str, pieces: list[str]) -> None:
    from reference_node.models.vocabulary import PRE_TOKENIZERS

    assert [piece for piece, _ in PRE_TOKENIZERS[pre]().pre_tokenize_str("It's 1234 !!")] == pieces
