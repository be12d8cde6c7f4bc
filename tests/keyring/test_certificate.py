"""What a node installs as its certificate: its own, good now, unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from mycellm_proto.keys import SigningKey
from mycellm_proto.membership import NodeCertificate, NodeRight
from reference_node.keyring import Account, KeyringError, install, installed, write_certificate, write_epoch
from reference_node.keyring.certificate import read_epoch

NOW = 1_800_000_000
DAY = 86_400
NODE = SigningKey(bytes(31) + b"\1").public
KEY = SigningKey(bytes(31) + b"\2")


def account(epoch: int = 0) -> Account:
    return Account(key=KEY, epoch=epoch, path=Path("unused"))


def text(epoch: int = 0, node: bytes = NODE, days: int = 30) -> str:
    return write_certificate(account(epoch).certify(node, NodeRight.CONSUME, days=days, now=NOW))


def test_a_good_one_is_installed_and_read_again(tmp_path: Path) -> None:
    assert installed(tmp_path, node=NODE, now=NOW) is None
    found = install(tmp_path, text() + "\n", node=NODE, now=NOW)
    assert found.body.account == KEY.public
    assert installed(tmp_path, node=NODE, now=NOW + 29 * DAY) == found
    assert (tmp_path / "node.cert").stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyringError, match="expired"):
        installed(tmp_path, node=NODE, now=NOW + 30 * DAY)
    with pytest.raises(KeyringError, match="another node"):  # the key was rotated
        installed(tmp_path, node=KEY.public, now=NOW)


def too_long() -> str:
    body = NodeCertificate(
        account=KEY.public, node=NODE, rights=NodeRight.CONSUME, epoch=0, issued=NOW, expires=NOW + 31 * DAY
    )
    return write_certificate(body.sign(KEY))


def forged() -> str:
    body = NodeCertificate(
        account=KEY.public, node=NODE, rights=NodeRight.CONSUME, epoch=0, issued=NOW, expires=NOW + DAY
    )
    return write_certificate(body.sign(SigningKey(bytes(32))))


@pytest.mark.parametrize(("given", "now", "said"), [
    (text(node=bytes(32)), NOW, "another node"), (text(days=1), NOW + DAY, "expired"),
    (text(), NOW - 2 * DAY, "not valid yet"), (too_long(), NOW, "not good"), (forged(), NOW, "not good"),
    (text()[:-1], NOW, "damaged"), (text() + "A", NOW, "damaged"),
    (text().replace("A", "B", 1), NOW, "not good|damaged|another"),
    ("", NOW, "begins with"), ("hello", NOW, "begins with"), ("mycellm-node-certificate:", NOW, "damaged"),
    ("mycellm-node-certificate:\xff", NOW, "damaged"), ("mycellm-node-certificate:====", NOW, "damaged"),
])  # fmt: skip
def test_a_bad_one_is_refused_and_the_one_before_stays(tmp_path: Path, given: str, now: int, said: str) -> None:
    before = install(tmp_path, text(), node=NODE, now=NOW)
    with pytest.raises(KeyringError, match=said):
        install(tmp_path, given, node=NODE, now=now)
    assert installed(tmp_path, node=NODE, now=NOW) == before


def test_one_that_the_account_has_withdrawn_does_not_come_back(tmp_path: Path) -> None:
    new = install(tmp_path, text(epoch=2), node=NODE, now=NOW)
    with pytest.raises(KeyringError, match="withdrawn"):
        install(tmp_path, text(epoch=1), node=NODE, now=NOW)
    assert installed(tmp_path, node=NODE, now=NOW) == new


def test_a_statement_is_read_back_and_no_certificate_passes_for_one() -> None:
    from mycellm_proto.membership import AccountEpoch

    signed = AccountEpoch(account=KEY.public, epoch=3).sign(KEY)
    assert read_epoch(write_epoch(signed)) == (signed, AccountEpoch(account=KEY.public, epoch=3))
    with pytest.raises(KeyringError):
        read_epoch(text())
    with pytest.raises(KeyringError, match="not good"):
        read_epoch(write_epoch(AccountEpoch(account=KEY.public, epoch=3).sign(SigningKey(bytes(32)))))
