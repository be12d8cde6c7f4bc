"""Models: import, conversion to ONNX, and a content-addressed cache with a registry for each home."""

from __future__ import annotations

from reference_node.models.embedded import DEFAULT_ID, EMBEDDING_ID
from reference_node.models.errors import ModelError, Progress, ProgressCallback
from reference_node.models.manifest import FileEntry, GenerationDefaults, GraphIo, Manifest
from reference_node.models.store import InstalledModel, ModelStore

__all__ = [
    "DEFAULT_ID",
    "EMBEDDING_ID",
    "FileEntry",
    "GenerationDefaults",
    "GraphIo",
    "InstalledModel",
    "Manifest",
    "ModelError",
    "ModelStore",
    "Progress",
    "ProgressCallback",
]
