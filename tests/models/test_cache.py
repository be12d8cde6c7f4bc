"""The cache: whole models or none, one build at a time, and files that are what their manifest says."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from reference_node.models import cache as cache_module
from reference_node.models.cache import ModelCache, file_entry
from reference_node.models.errors import ModelError, Progress, silent
from reference_node.models.manifest import (
    MANIFEST_NAME,
    GenerationDefaults,
    GraphIo,
    Manifest,
    parse_manifest,
    read_manifest,
)

ROOT = Path(__file__).resolve().parents[2]

MANIFEST = Manifest(
    id="m", variant="fp32", owner="o", license="l", source="00", exporter="e", io=GraphIo.POOLED, graph="a.bin",
    context_length=8, layers=1, kv_heads=1, head_size=1, vocabulary=3, end_tokens=(0,), bos_token="", eos_token="é",
    chat_template="{{ messages }}", generation=GenerationDefaults(), files=(),
)  # fmt: skip


def make(folder: Path) -> Manifest:
    (folder / "a.bin").write_bytes(b"weights")
    return replace(MANIFEST, files=(file_entry(folder / "a.bin"),))


@pytest.fixture
def cache(tmp_path: Path) -> ModelCache:
    return ModelCache(tmp_path / "cache")


def test_a_build_is_made_once(cache: ModelCache) -> None:
    digest = cache.build("key", make, silent)
    assert cache.built("key") == digest
    assert cache.build("key", lambda _folder: pytest.fail("built again"), silent) == digest
    assert read_manifest(cache.folder(digest)).digest == digest
    assert list((cache.root / "unfinished").iterdir()) == []


def test_two_keys_may_give_one_model(cache: ModelCache) -> None:
    assert cache.build("one", make, silent) == cache.build("two", make, silent)


def test_a_build_that_fails_leaves_nothing(cache: ModelCache) -> None:
    def fail(folder: Path) -> Manifest:
        make(folder)
        raise ModelError("no")

    with pytest.raises(ModelError, match="no"):
        cache.build("key", fail, silent)
    assert cache.built("key") is None
    assert not (cache.root / "models").exists()
    assert list((cache.root / "unfinished").iterdir()) == []


def test_a_killed_build_leaves_nothing_that_is_taken_for_a_model(cache: ModelCache) -> None:
    program = f"""
import os
from pathlib import Path
from reference_node.models.cache import ModelCache
from reference_node.models.errors import silent
def make(folder):
    (folder / "a.bin").write_bytes(b"half")
    os._exit(9)
ModelCache(Path({str(cache.root)!r})).build("key", make, silent)
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 9
    assert (cache.root / "unfinished" / "key" / "a.bin").exists()
    assert cache.built("key") is None
    assert not (cache.root / "models").exists()
    digest = cache.build("key", make, silent)
    assert (cache.folder(digest) / "a.bin").read_bytes() == b"weights"


def test_a_second_process_waits_for_the_first(cache: ModelCache) -> None:
    program = f"""
import sys
from pathlib import Path
from reference_node.models.cache import ModelCache
from reference_node.models.errors import silent
from tests.models.test_cache import make
def slow(folder):
    print("building", flush=True)
    sys.stdin.readline()
    return make(folder)
print(ModelCache(Path({str(cache.root)!r})).build("key", slow, silent).hex())
"""
    command = [sys.executable, "-c", program]
    first = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert first.stdin is not None
    assert first.stdout is not None
    assert first.stdout.readline() == "building\n"
    waits: list[Progress] = []

    def watch(progress: Progress) -> None:
        if not waits:
            assert first.stdin is not None
            first.stdin.write("go on\n")
            first.stdin.flush()
        waits.append(progress)

    digest = cache.build("key", lambda _folder: pytest.fail("built twice"), watch)
    assert waits[0].stage == "wait"
    output, _ = first.communicate(timeout=30)
    assert output.strip() == digest.hex()


def test_waiting_for_a_lock_ends(cache: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "LOCK_WAIT_SECONDS", -1.0)
    inner: list[str] = []

    def outer(folder: Path) -> Manifest:
        with pytest.raises(ModelError) as caught:
            cache.build("key", make, silent)
        inner.append(str(caught.value))
        return make(folder)

    cache.build("key", outer, silent)
    assert "too long" in inner[0]


@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.ENOSPC, "The disk is full"), (errno.EDQUOT, "disk is full"), (errno.EROFS, "can be written")],
)
def test_what_the_disk_refuses_is_explained(cache: ModelCache, number: int, advice: str) -> None:
    def full(_folder: Path) -> Manifest:
        raise OSError(number, os.strerror(number))

    with pytest.raises(ModelError, match=advice) as caught:
        cache.build("key", full, silent)
    assert "MYCELLM_CACHE" in str(caught.value)
    assert cache.built("key") is None


def test_a_changed_file_is_named(cache: ModelCache) -> None:
    digest = cache.build("key", make, silent)
    cache.verify(digest, silent)
    weights = cache.folder(digest) / "a.bin"
    weights.write_bytes(b"weighty")
    with pytest.raises(ModelError, match=r"a\.bin has a wrong SHA-256") as caught:
        cache.verify(digest, silent)
    assert "import it again" in str(caught.value)
    weights.unlink()
    with pytest.raises(ModelError, match=r"a\.bin cannot be read"):
        cache.verify(digest, silent)


def test_an_unchanged_file_is_not_read_again(cache: ModelCache) -> None:
    digest = cache.build("key", make, silent)
    seen: list[Progress] = []
    cache.verify(digest, seen.append)
    assert [progress.detail for progress in seen] == ["a.bin"]
    cache.verify(digest, seen.append)
    assert len(seen) == 1
    os.utime(cache.folder(digest) / "a.bin", ns=(1, 1))
    cache.verify(digest, seen.append)
    assert len(seen) == 2


def test_a_changed_manifest_is_named(cache: ModelCache) -> None:
    digest = cache.build("key", make, silent)
    path = cache.folder(digest) / MANIFEST_NAME
    path.write_bytes(path.read_bytes().replace(b'"owner":"o"', b'"owner":"x"'))
    with pytest.raises(ModelError, match="has been changed"):
        cache.verify(digest, silent)


def test_a_removed_model_is_built_again(cache: ModelCache) -> None:
    digest = cache.build("key", make, silent)
    cache.remove(digest)
    assert cache.built("key") is None
    assert cache.build("key", make, silent) == digest


def test_a_manifest_is_read_as_it_was_written() -> None:
    raw = MANIFEST.canonical()
    assert parse_manifest(raw, Path("x")) == MANIFEST
    assert "é".encode() in raw


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw + b" ",
        lambda raw: raw[:-1],
        lambda raw: b"[]",
        lambda raw: raw.replace(b'"format":1', b'"format":2'),
        lambda raw: raw.replace(b'"layers":1', b'"layers":1,"more":2'),
        lambda raw: raw.replace(b'"id":"m"', b'"id":"../m"'),
        lambda raw: raw.replace(b'"files":[]', b'"files":[{"name":"../x","sha256":"","size":1}]'),
        lambda raw: raw.replace(b'"io":"pooled"', b'"io":"other"'),
    ],
    ids=["space", "cut", "list", "format", "key", "id", "file", "io"],
)
def test_other_manifests_are_refused(change: object) -> None:
    assert callable(change)
    with pytest.raises(ModelError, match="import it again"):
        parse_manifest(change(MANIFEST.canonical()), Path("x"))
