"""Row 23: secrets are 0600, created atomically, the same for all who create them at once."""

from __future__ import annotations

import multiprocessing
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from mycellm_proto.keys import is_valid
from reference_node import identity
from reference_node.identity import HomeError, load_or_create, load_or_create_api_key, load_with_receipts, mark_used

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Runner


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    first, second = load_or_create(home), load_or_create(home)
    assert (first.new, second.new) == (True, False)
    assert first.node_id == second.node_id
    assert is_valid(first.node_id, second.key.sign(b"x"), b"x")
    assert _mode(home) == 0o700
    assert _mode(home / "node.key") == 0o600
    assert [path.name for path in home.iterdir()] == ["node.key"]


def test_a_node_that_lost_its_receipts_becomes_another(tmp_path: Path) -> None:
    receipts = tmp_path / "receipts.db"
    first = load_with_receipts(tmp_path, receipts)
    assert load_with_receipts(tmp_path, receipts).node_id == first.node_id  # never used: nothing is lost
    receipts.touch()
    mark_used(tmp_path, first)
    assert load_with_receipts(tmp_path, receipts).node_id == first.node_id
    receipts.unlink()
    second = load_with_receipts(tmp_path, receipts)
    assert second.node_id != first.node_id
    assert (tmp_path / f"node.key.{first.text}").exists()
    assert load_with_receipts(tmp_path, receipts).node_id == second.node_id


def test_creators_at_once_get_the_same_key(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)
    found = []

    def create() -> None:
        barrier.wait()
        found.append(load_or_create(tmp_path / "home"))

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.node_id for each in found}) == 1
    assert sum(each.new for each in found) == 1


def test_processes_at_once_get_the_same_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        keys = pool.map(load_or_create_api_key, [tmp_path / "home"] * 4, chunksize=1)
    assert len(set(keys)) == 1


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    load_or_create(tmp_path)
    for mode in (0o640, 0o604, 0o660):
        (tmp_path / "node.key").chmod(mode)
        with pytest.raises(HomeError, match="chmod 600"):
            load_or_create(tmp_path)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff\xfe", b"myc1" + b"q" * 58, b"x" * 10_000])
def test_a_damaged_key_is_said_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "node.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(HomeError, match="damaged"):
        load_or_create(tmp_path)
    assert path.read_bytes() == content


def test_a_changed_character_is_damage(tmp_path: Path) -> None:
    load_or_create(tmp_path)
    path = tmp_path / "node.key"
    text = path.read_text()
    path.write_text(text.replace(text[20], "q" if text[20] != "q" else "p", 1))
    with pytest.raises(HomeError, match="damaged"):
        load_or_create(tmp_path)


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "node.key").mkdir()
    with pytest.raises(HomeError, match="not a file"):
        load_or_create(tmp_path / "a")
    load_or_create(tmp_path / "b")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "node.key").symlink_to(tmp_path / "b" / "node.key")
    with pytest.raises(HomeError, match="Cannot read"):
        load_or_create(tmp_path / "c")


def test_a_home_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match="Cannot"):
        load_or_create(tmp_path / "file" / "home")


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(identity.os, "fsync", fails)  # type: ignore[attr-defined]
    with pytest.raises(HomeError, match="No space left"):
        load_or_create(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_api_key_is_long_and_kept(tmp_path: Path) -> None:
    assert identity.stored_api_key(tmp_path) is None
    key = load_or_create_api_key(tmp_path)
    assert len(key) > 40
    assert identity.stored_api_key(tmp_path) == load_or_create_api_key(tmp_path) == key
    assert _mode(tmp_path / "api.key") == 0o600
    (tmp_path / "api.key").write_text("short")
    with pytest.raises(HomeError, match="damaged"):
        load_or_create_api_key(tmp_path)


def test_the_command_shows_the_id_and_no_secret(run: Runner) -> None:
    first = run("identity", "show", "--json")
    assert (first.code, first.json["new"]) == (0, True)
    again = run("identity")
    assert first.json["node_id"] in again.out
    assert str(run.home / "node.key") in again.out
    secret = (run.home / "node.key").read_text().strip()
    assert secret not in first.out + first.err + again.out + again.err


def test_the_command_refuses_a_readable_key(run: Runner) -> None:
    run("identity")
    (run.home / "node.key").chmod(0o644)
    ran = run("identity", "--json")
    assert ran.code == 2
    assert "chmod 600" in ran.err
    assert "Traceback" not in ran.err
    assert ran.json["error"]["exit_code"] == 2
