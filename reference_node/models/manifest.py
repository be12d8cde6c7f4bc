"""A model's manifest: everything that decides what the model answers, by content.

The digest of a model is the SHA-256 of its manifest's canonical bytes: JSON with sorted keys, no spaces, UTF-8, and
integers as the only numbers. Every file is listed with its own SHA-256, so the digest pins weights, tokenizer and
template.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from reference_node.models.errors import ModelError

MANIFEST_NAME = "manifest.json"
FORMAT = 1
"""Version of the manifest itself; another is refused."""

MAX_MANIFEST_BYTES = 4 << 20
"""Manifests hold one chat template and a list of files: kilobytes. More is no manifest."""

ID_PATTERN = re.compile(r"[a-z0-9._-]{1,64}")


class GraphIo(StrEnum):
    """The inputs and outputs of a graph: our exporter's (`llama_graph`), or those of Hugging Face's decoders, or of its
    encoders, which give embeddings.
    """

    POOLED = "pooled"
    DECODER = "decoder"
    ENCODER = "encoder"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A file of the model: its name in the model's folder, its SHA-256 in hex, its size in bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationDefaults:
    """How the model wants to be sampled: millionths, but ``top_k`` in tokens (0: no limit). Temperature 0 is greedy."""

    temperature: int = 1_000_000
    top_p: int = 1_000_000
    top_k: int = 0
    min_p: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a model is. ``graph`` names the ONNX file among ``files``; ``source`` is the SHA-256 of what it came
    from.
    """

    id: str
    variant: str
    owner: str
    license: str
    source: str
    exporter: str
    io: GraphIo
    graph: str
    context_length: int
    layers: int
    kv_heads: int
    head_size: int
    vocabulary: int
    end_tokens: tuple[int, ...]
    bos_token: str
    eos_token: str
    chat_template: str
    generation: GenerationDefaults
    files: tuple[FileEntry, ...]

    def canonical(self) -> bytes:
        """The bytes that the digest is taken of."""
        body = {"format": FORMAT, **asdict(self)}
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @property
    def digest(self) -> bytes:
        """SHA-256 of `canonical`, 32 bytes."""
        return hashlib.sha256(self.canonical()).digest()


def parse_manifest(raw: bytes, where: Path) -> Manifest:
    """Reads canonical bytes. Raises `ModelError` naming ``where`` for anything else."""
    try:
        body = json.loads(raw)
        if not isinstance(body, dict) or body.pop("format", None) != FORMAT:
            raise ValueError(f"not a manifest of format {FORMAT}")
        manifest = _build(body)
    except (ValueError, TypeError, KeyError, ModelError) as error:
        raise ModelError(
            f"{where} is not a valid model manifest ({error}). Remove the model and import it again."
        ) from error
    if manifest.canonical() != raw:
        raise ModelError(f"{where} is not in canonical form. Remove the model and import it again.")
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """The manifest in a model's folder. Raises `ModelError`."""
    path = folder / MANIFEST_NAME
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}). Remove the model and import it again.") from error
    if len(raw) > MAX_MANIFEST_BYTES:
        raise ModelError(f"{path} is larger than {MAX_MANIFEST_BYTES} bytes, so it is no manifest.")
    return parse_manifest(raw, path)


def check_id(model_id: str) -> str:
    """Returns a valid model id; raises `ModelError` for one that is not (ids are file names and parts of URLs)."""
    if not ID_PATTERN.fullmatch(model_id) or model_id.startswith("."):
        raise ModelError(f"{model_id!r} is no model id: use 1 to 64 of a-z, 0-9, '.', '_', '-', not starting with '.'.")
    return model_id


def _build(body: Mapping[str, Any]) -> Manifest:
    if set(body) != {field.name for field in fields(Manifest)}:
        raise ValueError("its keys differ from the format's")
    entries = tuple(FileEntry(**entry) for entry in body["files"])
    for entry in entries:
        if Path(entry.name).name != entry.name or entry.name in ("", ".", ".."):
            raise ValueError(f"{entry.name!r} is no file name")
    check_id(body["id"])
    return Manifest(
        **{
            **body,
            "io": GraphIo(body["io"]),
            "end_tokens": tuple(int(token) for token in body["end_tokens"]),
            "generation": GenerationDefaults(**body["generation"]),
            "files": entries,
        }
    )
