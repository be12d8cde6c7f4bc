"""An authority that outlives a hostile member, a full disk, and a long absence."""

from __future__ import annotations

from pathlib import Path

import pytest

from mycellm_proto.keys import SigningKey
from mycellm_proto.limits import MAX_CERTIFICATE_LIFE, MAX_EPOCH
from mycellm_proto.membership import AccountEpoch
from mycellm_proto.nodeid import encode_node_id
from reference_node.identity import HomeError
from reference_node.networks import NetworkError, Networks, NetworksFolder, authority, terms
from reference_node.networks.authority import DESCRIPTOR_LIFE_S, MAX_WITHDRAWN_EPOCH, MEMBERSHIP_LIFE_S, Authority
from reference_node.networks.register import Seat

NODE, MALLORY, BOB, SETTLER = (SigningKey(bytes([each]) * 32) for each in range(1, 5))
SEAT = Seat(label="", roles=1, quota=0)
NOW = 1_800_000_000.0


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def networks(home: Path, clock: Clock) -> Networks:
    return Networks(NetworksFolder(home), NODE.public, clock)


def lab(held: Networks, settlement: str | None = None) -> Authority:
    words = {"kind": "private", "admission": None, "data_handling": "open", "models": None}
    created = held.create(terms("lab", settlement=settlement, node=NODE.public, **words))  # type: ignore[arg-type]
    found = held.authority(created.id)
    for key in (MALLORY, BOB):
        found.admit(key.public, SEAT, NOW)
    return found


def out(of: Authority, key: SigningKey) -> bool:
    roll = of.held.standing.roll
    return roll is not None and roll.voids(key.public, 0)


@pytest.mark.parametrize("epoch", [MAX_EPOCH, MAX_WITHDRAWN_EPOCH + 1])
def test_a_member_cannot_withdraw_so_high_an_epoch_that_nobody_is_put_out_any_more(
    tmp_path: Path, clock: Clock, epoch: int
) -> None:
    of = lab(networks(tmp_path, clock))
    with pytest.raises(NetworkError):
        of.revoke_certificates(AccountEpoch(account=MALLORY.public, epoch=epoch).sign(MALLORY), NOW)
    of.revoke_certificates(AccountEpoch(account=MALLORY.public, epoch=MAX_WITHDRAWN_EPOCH).sign(MALLORY), NOW)
    for key in (MALLORY, BOB):
        of.revoke(key.public, NOW)
        assert out(of, key)
    assert of.held.standing.roll is not None
    assert of.held.standing.roll.voids(MALLORY.public, MAX_WITHDRAWN_EPOCH)


def test_members_cannot_fill_the_roll_so_that_nobody_is_put_out_any_more(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authority, "MAX_WITHDRAWN", 1)
    of = lab(networks(tmp_path, clock))
    for epoch in (1, 2):  # who is listed may go on
        of.revoke_certificates(AccountEpoch(account=MALLORY.public, epoch=epoch).sign(MALLORY), NOW)
    with pytest.raises(NetworkError):
        of.revoke_certificates(AccountEpoch(account=BOB.public, epoch=1).sign(BOB), NOW)
    assert not out(of, BOB)
    of.revoke(BOB.public, NOW)
    assert out(of, BOB)


def test_a_full_roll_is_said_before_anything_is_written(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authority, "MAX_REVOKED", 1)
    of = lab(networks(tmp_path, clock))
    of.revoke(MALLORY.public, NOW)
    with pytest.raises(NetworkError, match="roll"):
        of.revoke(BOB.public, NOW)
    assert [row.revoked for row in of.members() if row.member == BOB.public] == [False]


def test_a_key_leaves_the_roll_once_all_that_it_voided_has_expired_and_is_not_pardoned(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authority, "MAX_REVOKED", 1)
    of = lab(networks(tmp_path, clock))
    of.revoke(MALLORY.public, NOW)
    later = NOW + MAX_CERTIFICATE_LIFE + 3600
    with pytest.raises(NetworkError):
        of.revoke(BOB.public, later - 1)
    of.revoke(BOB.public, later)
    assert out(of, BOB)
    assert not out(of, MALLORY)
    assert of.admit(MALLORY.public, SEAT, later).epoch == 1  # what was signed before stays void for ever


def test_a_withdrawal_that_is_long_done_makes_no_new_roll(tmp_path: Path, clock: Clock) -> None:
    of = lab(networks(tmp_path, clock))
    statement = AccountEpoch(account=MALLORY.public, epoch=1).sign(MALLORY)
    of.revoke_certificates(statement, NOW)
    number = of.held.standing.roll.number if of.held.standing.roll else 0
    for again in (NOW, NOW + MAX_CERTIFICATE_LIFE + 3600):
        of.revoke_certificates(statement, again)
        assert of.held.standing.roll is not None
        assert of.held.standing.roll.number == number


def test_a_withdrawal_that_could_not_be_published_is_published_when_it_is_asked_again(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = lab(networks(tmp_path, clock))
    statement = AccountEpoch(account=BOB.public, epoch=1).sign(BOB)

    def full(*_: object) -> None:
        raise HomeError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(NetworksFolder, "save", full)
        with pytest.raises(HomeError):
            of.revoke_certificates(statement, NOW)
    assert not out(of, BOB)
    of.revoke_certificates(statement, NOW)
    assert out(of, BOB)


def test_who_is_out_is_out_also_while_the_disk_is_full(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = lab(networks(tmp_path / "authority", clock))
    other = networks(tmp_path / "other", clock)
    other.keep(of.held)
    of.revoke(BOB.public, NOW)

    def full(*_: object) -> None:
        raise HomeError("no space left")

    monkeypatch.setattr(NetworksFolder, "save", full)
    with pytest.raises(HomeError):
        other.keep(of.held)
    held = other.get(of.held.id)
    assert held is not None
    assert held.standing.roll is not None
    assert held.standing.roll.voids(BOB.public, 0)


def test_putting_somebody_out_does_not_put_the_authority_s_node_out_of_work(tmp_path: Path, clock: Clock) -> None:
    held = networks(tmp_path, clock)
    of = lab(held, settlement=encode_node_id(SETTLER.public))
    held.confirmed(of.held.id)
    of.revoke(BOB.public, NOW)
    held.changed(of.held.id)
    found = held.get(of.held.id)
    assert found is not None
    assert found.standing.fresh(NOW)


@pytest.mark.parametrize("restarted", [False, True])
def test_an_authority_comes_back_after_its_own_membership_has_run_out(
    tmp_path: Path, clock: Clock, restarted: bool
) -> None:
    held = networks(tmp_path, clock)
    network = lab(held).held.id
    clock.now += MEMBERSHIP_LIFE_S + 1
    if restarted:
        held = networks(tmp_path, clock)
    assert held.member(network) is None
    of = held.authority(network)
    of.renew_own(clock.now)
    held.changed(network)
    assert held.member(network) is not None
    of.revoke(BOB.public, clock.now)
    assert out(of, BOB)


def test_a_network_does_not_end_with_its_first_descriptor(tmp_path: Path, clock: Clock) -> None:
    of = lab(networks(tmp_path, clock))
    of.renew_own(NOW + 1)
    assert of.held.descriptor.revision == 1
    later = NOW + DESCRIPTOR_LIFE_S / 2 + 1
    of.renew_own(later)
    assert of.held.descriptor.revision == 2
    assert of.held.descriptor.expires > NOW + DESCRIPTOR_LIFE_S
