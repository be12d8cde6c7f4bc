"""The cache of model folders that all homes share, addressed by content.

Layout below its root::

    models/<digest>/          a whole model: manifest.json and the files that it lists
    built/<key>               the digest that a build (source, variant, exporter) gave
    verified/<digest>.json    size, mtime and inode of files whose SHA-256 was right
    locks/<key>               held while a build runs
    unfinished/<key>/         a build under way; whatever lies there without the lock is debris

A model appears by one rename of a folder that was synced to disk, so an interrupted build leaves nothing that is taken
for a model, and two processes that want the same build wait for each other.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from reference_node.models.errors import ModelError, Progress, ProgressCallback
from reference_node.models.manifest import MANIFEST_NAME, FileEntry, Manifest, read_manifest

LOCK_WAIT_SECONDS = 1800.0
"""How long to wait for another process's build: the conversion of a 70 GB file from a slow disk ends within this."""

LOCK_POLL_SECONDS = 0.1
"""Between two looks at a lock: short against any build."""

READ_BYTES = 1 << 20
"""Hashing reads in pieces of this size: large enough that hashing, not calls, takes the time."""

Build = Callable[[Path], Manifest]


class ModelCache:
    """Model folders by digest. Every method raises `ModelError` for what a person can mend."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def of(cls, folder: Path) -> ModelCache:
        """The cache that a model's folder lies in."""
        return cls(folder.parent.parent)

    def folder(self, digest: bytes) -> Path:
        """Where that model lies, if it does."""
        return self.root / "models" / digest.hex()

    def built(self, key: str) -> bytes | None:
        """The digest of an earlier build with that key, if its model is still there."""
        with contextlib.suppress(OSError, ValueError):
            digest = bytes.fromhex((self.root / "built" / key).read_text())
            return digest if (self.folder(digest) / MANIFEST_NAME).is_file() else None
        return None

    def build(self, key: str, make: Build, watch: ProgressCallback) -> bytes:
        """The digest of the model that ``make`` writes into an empty folder; made only if no build with that key is
        there.
        """
        with self._explained(), self._locked(key, watch):
            digest = self.built(key)
            if digest is None:
                digest = self._make(key, make)
            return digest

    def remove(self, digest: bytes) -> None:
        """Deletes a model's files. Processes that have it open keep what they mapped."""
        with self._explained():
            folder, grave = self.folder(digest), self.root / "unfinished" / f"{digest.hex()}.removed"
            if folder.exists():
                grave.parent.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(grave, ignore_errors=True)
                folder.rename(grave)
                shutil.rmtree(grave)
            self._state(digest).unlink(missing_ok=True)

    def verify(self, digest: bytes, watch: ProgressCallback) -> Manifest:
        """Checks the manifest's digest and every file's SHA-256.

        A file whose size, mtime and inode are those of its last right verification is not read again: a warm start
        would otherwise wait for the disk. That finds damage and replacement, not an attacker who can also set times,
        and who could write the node's own code just as well.
        """
        folder = self.folder(digest)
        manifest = read_manifest(folder)
        if manifest.digest != digest:
            raise ModelError(f"{folder / MANIFEST_NAME} has been changed. Remove the model and import it again.")
        known = self._known(digest)
        seen = {entry.name: _verified(folder, entry, known.get(entry.name), watch) for entry in manifest.files}
        if seen != known:
            with contextlib.suppress(OSError):  # a read-only cache works, only without this shortcut
                write_atomic(self._state(digest), json.dumps(seen).encode())
        return manifest

    def _make(self, key: str, make: Build) -> bytes:
        work = self.root / "unfinished" / key
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            manifest = make(work)
            write_synced(work / MANIFEST_NAME, manifest.canonical())
            for entry in manifest.files:
                _sync(work / entry.name)
            _sync(work)
            target = self.folder(manifest.digest)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                work.rename(target)
            _sync(target.parent)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        write_atomic(self.root / "built" / key, manifest.digest.hex().encode())
        return manifest.digest

    @contextlib.contextmanager
    def _locked(self, key: str, watch: ProgressCallback) -> Iterator[None]:
        path = self.root / "locks" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        with path.open("wb") as file:
            while not _try_lock(file.fileno()):
                if time.monotonic() > deadline:
                    raise ModelError(
                        f"Another process has been building this model for too long (lock {path}). End it."
                    )
                watch(Progress(stage="wait", done=0, total=0, detail="another process converts this model"))
                time.sleep(LOCK_POLL_SECONDS)
            yield  # the lock goes with the file's closing, also if this process dies

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                hint = "The disk is full. Free some space, or let MYCELLM_CACHE name a folder on another disk."
            else:
                hint = "See that the folder can be written, or let MYCELLM_CACHE name another."
            raise ModelError(f"Cannot write the model cache at {self.root}: {error.strerror}. {hint}") from error

    def _state(self, digest: bytes) -> Path:
        return self.root / "verified" / f"{digest.hex()}.json"

    def _known(self, digest: bytes) -> dict[str, list[int]]:
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(self._state(digest).read_bytes())
            return known if isinstance(known, dict) else {}
        return {}


def file_entry(path: Path, watch: Callable[[int, int], None] = lambda _done, _total: None) -> FileEntry:
    """Describes a file. ``watch`` hears (bytes read, bytes in all)."""
    digest, done, size = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            digest.update(piece)
            done += len(piece)
            watch(done, size)
    return FileEntry(name=path.name, sha256=digest.hexdigest(), size=done)


def write_synced(path: Path, content: bytes) -> None:
    """Writes a new file and syncs it to disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_atomic(path: Path, content: bytes) -> None:
    """Replaces a small file as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write_synced(temporary, content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _verified(folder: Path, entry: FileEntry, known: list[int] | None, watch: ProgressCallback) -> list[int]:
    path, advice = folder / entry.name, "Remove the model and import it again."
    try:
        status = path.stat()
        now = [status.st_size, status.st_mtime_ns, status.st_ino]
        if now == known and status.st_size == entry.size:
            return now
        found = file_entry(
            path, lambda done, total: watch(Progress(stage="verify", done=done, total=total, detail=entry.name))
        )
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}). {advice}") from error
    if found != entry:
        raise ModelError(f"{path} has a wrong SHA-256: {found.sha256}, its manifest says {entry.sha256}. {advice}")
    return now


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
