"""The tiny model, converted once for all tests of a run, and requests to ask of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference_node.models import InstalledModel, ModelStore
from tests.models.decoder import write_decoder, write_json
from tests.models.tiny import write_tiny


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    return ModelStore(tmp_path_factory.mktemp("cache"), tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture(scope="session")
def tiny_model(tiny_store: ModelStore, tiny_gguf: Path) -> InstalledModel:
    return tiny_store.import_(tiny_gguf)


@pytest.fixture(scope="session")
def tiny_decoder(tiny_store: ModelStore, tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> InstalledModel:
    folder = write_decoder(tmp_path_factory.mktemp("decoder") / "decoder", tiny_gguf)
    write_json(folder / "generation_config.json", {})
    return tiny_store.import_(folder)
