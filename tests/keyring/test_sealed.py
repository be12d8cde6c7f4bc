"""Files that a passphrase opens: nothing else does, and nothing in them can be changed."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from mycellm_proto.membership import NodeRight, read_account_epoch
from reference_node.identity import HomeError
from reference_node.keyring import KeyringError, create_account, describe_account, open_account, sealed

WORDS = "correct horse battery staple"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "SCRYPT_N", 1 << 4)


def test_the_real_cost_is_the_published_one() -> None:
    import importlib

    fresh = importlib.util.find_spec("reference_node.keyring.sealed")
    assert fresh is not None
    assert fresh.origin is not None
    assert "SCRYPT_N, SCRYPT_R, SCRYPT_P = 1 << 17, 8, 1" in Path(fresh.origin).read_text()


def test_an_account_opens_with_its_passphrase_alone(tmp_path: Path) -> None:
    path = tmp_path / "me.account"
    made = create_account(path, WORDS)
    assert path.stat().st_mode & 0o777 == 0o600
    account, seed = open_account(path, WORDS)
    assert (account.id, account.epoch) == describe_account(path) == (made.id, 0)
    assert seed.hex() not in path.read_text()
    assert base64.b64encode(seed).decode() not in path.read_text()
    for wrong in (WORDS + " ", WORDS[:-1], ""):
        with pytest.raises(KeyringError, match="does not open"):
            open_account(path, wrong)
    with pytest.raises(KeyringError, match="not overwritten"):
        create_account(path, WORDS)
    assert open_account(path, WORDS)[0].id == made.id
    path.chmod(0o644)
    with pytest.raises(HomeError, match="chmod 600"):
        open_account(path, WORDS)


@pytest.mark.parametrize("short", ["", "elevenchars"])
def test_a_short_passphrase_seals_nothing(tmp_path: Path, short: str) -> None:
    with pytest.raises(KeyringError, match="random words"):
        create_account(tmp_path / "me.account", short)
    assert not (tmp_path / "me.account").exists()


def test_whatever_is_changed_shows(tmp_path: Path) -> None:
    path = tmp_path / "me.account"
    create_account(path, WORDS)
    good = json.loads(path.read_bytes())
    other = create_account(tmp_path / "other.account", WORDS)
    changes: list[dict[str, object]] = [
        {"about": {**good["about"], "epoch": 1}},
        {"about": {**good["about"], "id": other.id}},
        {"about": []},
        {"kind": "backup"},
        {"format": "mycellm-sealed/2"},
        {"salt": base64.b64encode(bytes(16)).decode()},
        {"salt": base64.b64encode(bytes(15)).decode()},
        {"nonce": 1},
        {"nonce": "!"},
        {"sealed": base64.b64encode(bytes(60)).decode()},
        {"sealed": ""},
        {"n": 2},
    ]
    for change in changes:
        path.write_text(json.dumps(good | change))
        with pytest.raises(KeyringError):
            open_account(path, WORDS)
    for content in (b"", b"{", b"[]", b"\xff", b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(KeyringError, match="damaged"):
            open_account(path, WORDS)


def test_withdrawing_raises_the_epoch_on_the_disk_before_anything_is_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "me.account"
    create_account(path, WORDS)
    account, seed = open_account(path, WORDS)
    after, signed = account.withdraw(seed, WORDS)
    assert (after.epoch, read_account_epoch(signed).epoch) == (1, 1)
    again, seed = open_account(path, WORDS)
    assert again.epoch == 1
    node = bytes(range(32))
    certificate = again.certify(node, NodeRight.CONSUME, days=1, now=1000)
    assert certificate != account.certify(node, NodeRight.CONSUME, days=1, now=1000)  # of the epoch that is void

    def full(*_: object) -> None:
        raise HomeError("No space left on device.")

    monkeypatch.setattr(sealed, "replace_secret", full)
    with pytest.raises(HomeError):
        again.withdraw(seed, WORDS)
    assert describe_account(path)[1] == 1


def test_a_certificate_is_for_somebody_for_something_and_for_30_days(tmp_path: Path) -> None:
    account = create_account(tmp_path / "me.account", WORDS)
    for days in (0, -1, 31):
        with pytest.raises(KeyringError, match="1 to 30 days"):
            account.certify(bytes(32), NodeRight.CONSUME, days=days, now=1000)
    with pytest.raises(KeyringError, match="capability"):
        account.certify(bytes(32), NodeRight(0), days=1, now=1000)
    with pytest.raises(KeyringError, match="own id"):
        account.certify(account.key.public, NodeRight.CONSUME, days=1, now=1000)
