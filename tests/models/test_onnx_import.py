"""ONNX directories as people have them: taken as they are, or refused with what is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from reference_node.models import GraphIo, ModelError, ModelStore
from tests.models.decoder import write_decoder, write_json
from tests.models.tiny import CONTEXT, HEAD, KV_HEADS, LAYERS, TEMPLATE, write_tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_decoder(tmp_path / "Tiny Decoder", write_tiny(tmp_path / "t.gguf"))


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "cache", tmp_path / "home")


def test_a_directory_is_adopted(store: ModelStore, folder: Path) -> None:
    model = store.import_(folder)
    manifest = model.manifest
    assert (model.id, manifest.io, manifest.context_length) == ("tiny-decoder", GraphIo.DECODER, CONTEXT)
    assert (manifest.layers, manifest.kv_heads, manifest.head_size) == (LAYERS, KV_HEADS, HEAD)
    assert (manifest.end_tokens, manifest.eos_token, manifest.chat_template) == ((0, 3), "<|end|>", TEMPLATE)
    assert (manifest.generation.temperature, manifest.generation.top_k) == (500_000, 7)
    assert {entry.name for entry in manifest.files} == {"model.onnx", "model.onnx.data", "tokenizer.json"}
    assert store.import_(folder).digest == model.digest


def test_a_changed_file_is_another_model(store: ModelStore, folder: Path) -> None:
    digest = store.import_(folder).digest
    write_json(folder / "generation_config.json", {"do_sample": False})
    model = store.import_(folder)
    assert model.digest != digest
    assert model.manifest.generation.temperature == 0


def test_a_separate_template_comes_first(store: ModelStore, folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    assert store.import_(folder).manifest.chat_template == "{{ messages[0].content }}"


def test_a_variant_cannot_be_asked_for(store: ModelStore, folder: Path) -> None:
    with pytest.raises(ModelError, match="taken as it is"):
        store.import_(folder, variant="fp32")


def move_data(folder: Path, location: str) -> None:
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    onnx.save_model(model, folder / "model.onnx")


def rename_input(folder: Path) -> None:
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    model.graph.input.append(onnx.helper.make_tensor_value_info("use_cache_branch", onnx.TensorProto.BOOL, [1]))
    onnx.save_model(model, folder / "model.onnx")


def drop_cache(folder: Path) -> None:
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    del model.graph.output[1:]
    onnx.save_model(model, folder / "model.onnx")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda folder: (folder / "config.json").unlink(), "lacks config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "not valid JSON"),
        (lambda folder: (folder / "config.json").write_text("[]"), "not a JSON object"),
        (lambda folder: (folder / "config.json").write_text("{}"), "context length"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "no readable tokenizer"),
        (lambda folder: (folder / "tokenizer_config.json").unlink(), "no chat template"),
        (lambda folder: (folder / "model.onnx").rename(folder / "other.onnx"), "found: none"),
        (lambda folder: (folder / "model.onnx").write_bytes(b"\xff" * 99), "not a readable ONNX graph"),
        (lambda folder: (folder / "model.onnx.data").unlink(), "does not lie beside it"),
        (lambda folder: move_data(folder, "../secret"), "'../secret', which does not lie beside it"),
        (lambda folder: move_data(folder, "/etc/passwd"), "'/etc/passwd', which does not lie beside it"),
        (rename_input, "use_cache_branch"),
        (drop_cache, "text-generation-with-past"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_missing_is_named(
    store: ModelStore, folder: Path, damage: Callable[[Path], object], named: str
) -> None:
    damage(folder)
    with pytest.raises(ModelError, match=named):
        store.import_(folder)
    assert store.list() == []
