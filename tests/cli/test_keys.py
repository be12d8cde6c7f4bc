"""``keys``: the ceremony from one end to the other, on two machines that never meet."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reference_node.keyring import sealed

if TYPE_CHECKING:
    from .conftest import Runner, Servers

WORDS = "correct horse battery staple"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "SCRYPT_N", 1 << 4)


@pytest.fixture
def phrase(tmp_path: Path) -> tuple[str, str]:
    path = tmp_path / "phrase"
    path.write_text(WORDS + "\n")
    path.chmod(0o600)
    return "--passphrase-file", str(path)


def test_the_ceremony(run: Runner, tmp_path: Path, phrase: tuple[str, str]) -> None:
    account, certificate = tmp_path / "me.account", tmp_path / "node.cert"
    made = run("keys", "account", "create", str(account), *phrase, "--json").json
    assert run("keys", "account", "show", str(account), "--json").json["account"] == made["account"]
    node = run("keys", "show", "--json").json
    assert node["certificate"] is None
    ran = run("keys", "certify", "--account", str(account), *phrase, node["node_id"], "--days", "7",
              "--capabilities", "provide", "--to", str(certificate))  # fmt: skip
    assert (ran.code, "keys install node.cert" in ran.out) == (0, True)
    told = run("keys", "install", str(certificate), "--json").json["certificate"]
    assert (told["account"], told["capabilities"], told["epoch"]) == (made["account"], "provide", 0)
    assert run("keys", "show", "--json").json["certificate"] == told
    assert made["account"] in run("keys").out

    # The node is stolen: its certificates are withdrawn, and a new one is of the next epoch.
    statement = tmp_path / "revoked"
    ran = run("keys", "revoke", "--account", str(account), *phrase, "--to", str(statement))
    assert (ran.code, "before epoch 1 is void" in ran.out) == (0, True)
    assert statement.read_text().startswith("mycellm-account-epoch:")
    ran = run("keys", "revoke", "--account", str(account), *phrase, "--to", str(statement))
    assert (ran.code, "not overwritten" in ran.err) == (1, True)
    assert run("keys", "account", "show", str(account), "--json").json["epoch"] == 1
    text = run("keys", "certify", "--account", str(account), *phrase, node["node_id"]).out
    certificate.write_text(text)
    assert run("keys", "install", str(certificate), "--json").json["certificate"]["epoch"] == 1


def test_a_rotation_says_what_it_means(run: Runner, tmp_path: Path, phrase: tuple[str, str]) -> None:
    before = run("identity", "--json").json["node_id"]
    old = (run.home / "node.key").read_bytes()
    account = tmp_path / "me.account"
    run("keys", "account", "create", str(account), *phrase)
    (tmp_path / "c").write_text(run("keys", "certify", "--account", str(account), *phrase, before).out)
    assert run("keys", "install", str(tmp_path / "c")).code == 0
    ran = run("keys", "rotate", "--json").json
    assert (ran["before"], ran["node_id"]) == (before, run("identity", "--json").json["node_id"])
    assert ran["node_id"] != before
    assert Path(ran["archive"]).read_bytes() == old
    assert run("keys", "show", "--json").json["certificate"] is None
    text = run("keys", "rotate", "--destroy").out
    for word in ("Certificates:", "Networks:", "Receipts:", "Peers:", "destroyed"):
        assert word in text
    assert not (run.home / f"node.key.{ran['node_id']}").exists()


def test_no_key_changes_under_a_running_node(run: Runner, serve: Servers) -> None:
    serving = serve("--api", "127.0.0.1:0", "--quic", "127.0.0.1:0", "--model", "fake-chat", "--json")
    node_id = serving.event("listening")["node_id"]
    ran = run("keys", "rotate")
    assert (ran.code, "already runs" in ran.err) == (2, True)
    assert run("identity", "--json").json["node_id"] == node_id


def test_a_backup_is_restored_with_a_new_key(run: Runner, tmp_path: Path, phrase: tuple[str, str]) -> None:
    before = run("identity", "--json").json["node_id"]
    run("owner", "prices", "--in", "7")
    (run.home / "config.toml").write_text("price_out = 9\n")
    network = run.home / "networks" / ("ab" * 32)
    network.mkdir(parents=True)
    for name, content in (("root.key", b"root"), ("member.cbor", b"member"), ("register.db", b"database")):
        (network / name).write_bytes(content)
        (network / name).chmod(0o600)
    key = (run.home / "node.key").read_bytes()
    backup = tmp_path / "elsewhere" / "backup"
    backup.parent.mkdir()
    ran = run("keys", "backup", str(backup), *phrase, "--json")
    assert ran.json["node_id"] == before
    assert backup.stat().st_mode & 0o777 == 0o600
    assert key.decode().strip() not in backup.read_text()
    assert "not overwritten" in run("keys", "backup", str(backup), *phrase).err
    assert "outside the home" in run("keys", "backup", str(run.home / "backup"), *phrase).err
    assert "empty home" in run("keys", "restore", str(backup), *phrase).err

    new = tmp_path / "new"
    restored = run("--home", str(new), "keys", "restore", str(backup), *phrase, "--json").json
    assert restored["before"] == before
    assert restored["node_id"] != before  # KEY-008
    assert (new / f"node.key.{before}").read_bytes() == key
    rows = {row["name"]: row["value"] for row in run("config", "--home", str(new), "--json").json["settings"]}
    assert (rows["price_in"], rows["price_out"]) == (7, 9)
    files = {str(path.relative_to(new)): path for path in new.rglob("*") if path.is_file()}
    assert f"networks/{'ab' * 32}/root.key" in files
    assert not any(name.endswith(".db") for name in files)
    assert all(path.stat().st_mode & 0o077 == 0 for path in files.values())


@pytest.mark.parametrize("name", ["../evil.key", "/tmp/evil.key", "networks/../../evil.key", "networks/a/.key", "x",
                                  "networks/a/b/c.key", "run.json", "receipts.db"])  # fmt: skip
def test_a_backup_writes_nothing_but_what_backups_hold(
    run: Runner, tmp_path: Path, phrase: tuple[str, str], name: str
) -> None:
    content = json.dumps({"node.key": "", name: ""}).encode()
    backup = tmp_path / "backup"
    sealed.write_new(backup, sealed.seal("backup", {"node_id": "myc1x"}, content, WORDS))
    ran = run("keys", "restore", str(backup), *phrase)
    assert (ran.code, "not restored" in ran.err) == (1, True)
    assert not (run.home / "node.key").exists()


def test_a_passphrase_comes_from_a_prompt_a_file_or_a_descriptor(
    run: Runner, tmp_path: Path, phrase: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    account = tmp_path / "me.account"
    assert "--passphrase-file" in run("keys", "account", "create", str(account)).err  # no terminal
    Path(phrase[1]).chmod(0o644)
    assert "chmod 600" in run("keys", "account", "create", str(account), *phrase).err
    assert not account.exists()
    reading, writing = os.pipe()
    os.write(writing, f"{WORDS}\n".encode())
    os.close(writing)
    assert run("keys", "account", "create", str(account), "--passphrase-file", f"/dev/fd/{reading}").code == 0
    os.close(reading)
    for content in (b"\n", b"\xff", b"x" * 2000):
        Path(phrase[1]).write_bytes(content)
        Path(phrase[1]).chmod(0o600)
        assert run("keys", "certify", "--account", str(account), *phrase, "x").code in (1, 2)
    assert "no such option" not in run("keys", "account", "create", "--help").out
    answers = iter([WORDS, WORDS + "x"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda _prompt: next(answers))
    ran = run("keys", "account", "create", str(tmp_path / "two"))
    assert (ran.code, "differ" in ran.err) == (1, True)
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize("words", [
    ("certify", "--account", "a", "not-an-id"), ("certify", "node"), ("install",), ("account", "burn", "x"),
])  # fmt: skip
def test_a_wrong_command_line_is_explained(run: Runner, phrase: tuple[str, str], words: tuple[str, ...]) -> None:
    ran = run("keys", *words)
    assert ran.code == 2
    assert ran.err
