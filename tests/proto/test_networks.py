"""Networks and their members: what is signed, what counts, and what is refused, beyond what the vectors show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mycellm_proto import codec
from mycellm_proto.economy import DIRECT_NETWORK
from mycellm_proto.errors import ErrorCode, RemoteProtocolError
from mycellm_proto.invite import decode_invite, encode_invite
from mycellm_proto.limits import MAX_INVITE, MAX_REVOKED
from mycellm_proto.membership import (
    NO_ROLE,
    MemberRole,
    Membership,
    NodeRight,
    Proof,
    VerifiedMember,
    verify_membership,
)
from mycellm_proto.network_calls import Empty, Proved, decode_item, encode_item
from mycellm_proto.networks import Descriptor, blind, network_id, newer_descriptor, read_descriptor
from mycellm_proto.roll import Roll, newer_roll, read_roll
from mycellm_proto.signed import Signed

from .lab import AUTHORITY, DORA, LAB, LAPTOP, NETWORK, PROVIDER, ROLL, ROOT, invite, member
from .pair import ALICE, BOB, MALLORY, NOW


def verified(
    membership: Membership,
    *,
    node: bytes = BOB.public,
    certificate: Signed | None = None,
    roll: Roll | None = ROLL,
    role: MemberRole = NO_ROLE,
    now: float = NOW,
) -> VerifiedMember:
    proof = Proof(membership=membership.sign(AUTHORITY), node_certificate=certificate)
    return verify_membership(proof, descriptor=LAB, roll=roll, node=node, now=now, role=role)


def refused(requirement: str, code: ErrorCode = ErrorCode.NOT_MEMBER) -> pytest.RaisesExc[RemoteProtocolError]:
    def match(error: RemoteProtocolError) -> bool:
        return (error.code, error.requirement) == (code, requirement)

    return pytest.RaisesExc(RemoteProtocolError, check=match)


def test_a_network_is_its_root() -> None:
    assert network_id(ROOT.public) == NETWORK
    assert network_id(MALLORY.public) != NETWORK != DIRECT_NETWORK
    assert read_descriptor(LAB.sign(ROOT), network=NETWORK, now=NOW) == LAB


def test_the_blind_of_one_side_says_nothing_to_the_other() -> None:
    """Who is asked for a network that it does not know cannot ask for it in turn."""
    binding = bytes(32)
    asked = blind(NETWORK, binding=binding, caller=ALICE.public)
    assert asked != blind(NETWORK, binding=binding, caller=BOB.public)
    assert asked != blind(NETWORK, binding=b"\x01" * 32, caller=ALICE.public)


def test_a_member_by_itself_and_a_node_of_an_account() -> None:
    bob = verified(member(BOB), role=PROVIDER)
    assert (bob.member, bob.node, bob.roles, bob.roll) == (BOB.public, BOB.public, member(BOB).roles, ROLL.number)
    alice = verified(member(DORA), node=ALICE.public, certificate=LAPTOP.sign(DORA))
    assert (alice.member, alice.node) == (DORA.public, ALICE.public)
    assert alice.expires == min(member(DORA).expires, LAPTOP.expires)


def test_a_certificate_gives_no_more_than_the_membership_has() -> None:
    consumer = replace(member(DORA), roles=MemberRole.CONSUMER)
    both = replace(LAPTOP, rights=NodeRight.CONSUME | NodeRight.PROVIDE).sign(DORA)
    assert verified(consumer, node=ALICE.public, certificate=both).roles is MemberRole.CONSUMER
    with refused("NET-025"):
        verified(consumer, node=ALICE.public, certificate=both, role=PROVIDER)


def test_the_moment_of_expiry_is_the_first_at_which_it_is_over() -> None:
    last = member(BOB).expires
    assert verified(member(BOB), now=last - 0.001).expires == last
    with refused("NET-023"):
        verified(member(BOB), now=last)


def test_who_was_thrown_out_comes_back_with_a_new_epoch_only() -> None:
    out = replace(ROLL, number=ROLL.number + 1, revoked=((BOB.public, 5),))
    with refused("NET-026"):
        verified(member(BOB), roll=out)
    again = replace(member(BOB), epoch=5)
    assert verified(again, roll=out).roll == out.number


def test_nobody_is_talked_back_to_an_older_roll_or_descriptor() -> None:
    newer = replace(ROLL, number=ROLL.number + 1, revoked=((BOB.public, 5),))
    assert newer_roll(newer, ROLL) is newer
    assert newer_roll(ROLL, newer) is newer
    assert newer_roll(None, ROLL) is ROLL
    with refused("NET-028"):
        newer_roll(ROLL, replace(ROLL, revoked=((BOB.public, 5),)))
    with refused("NET-018"):
        newer_roll(ROLL, replace(ROLL, network=bytes(32)))
    raised = replace(LAB, revision=LAB.revision + 1, authority=MALLORY.public)
    assert newer_descriptor(raised, LAB) is raised
    assert newer_descriptor(None, LAB) is LAB
    with refused("NET-017"):
        newer_descriptor(LAB, replace(raised, revision=LAB.revision))
    with refused("NET-012"):
        newer_descriptor(LAB, replace(LAB, root=MALLORY.public))


def test_a_change_of_authority_voids_what_the_old_one_signed() -> None:
    changed: Descriptor = replace(LAB, revision=LAB.revision + 1, authority=MALLORY.public)
    with refused("NET-019"):
        read_roll(ROLL.sign(AUTHORITY), descriptor=changed, now=NOW)
    with refused("NET-022"):
        verify_membership(
            Proof(membership=member(BOB).sign(AUTHORITY)), descriptor=changed, roll=None, node=BOB.public, now=NOW
        )


def test_the_largest_roll_and_descriptor_fit_the_answer_of_a_call() -> None:
    keys = sorted(number.to_bytes(32, "big") for number in range(MAX_REVOKED))
    roll = replace(ROLL, number=(1 << 53) - 1, revoked=tuple((key, (1 << 53) - 1) for key in keys))
    models = tuple(number.to_bytes(32, "big") for number in range(256))
    proved = Proved(
        descriptor=replace(LAB, models=models).sign(ROOT),
        membership=member(DORA).sign(AUTHORITY),
        node_certificate=LAPTOP.sign(DORA),
        roll=roll.sign(AUTHORITY),
    )
    data = encode_item(proved)
    assert len(data) <= 65_536
    assert decode_item(Proved, data) == proved
    assert read_roll(proved.roll or proved.descriptor, descriptor=LAB, now=NOW) == roll


def test_an_invite_is_short_enough_to_paste_and_comes_back_whole() -> None:
    signed = invite().sign(AUTHORITY)
    text = encode_invite(signed)
    assert decode_invite(text) == signed
    assert len(codec.encode(signed.to_value())) <= MAX_INVITE
    for cut in range(len(text)):
        with pytest.raises(ValueError, match=r"^(an invite|it is)"):
            decode_invite(text[:cut])


def test_what_is_wrong_with_arguments_has_one_code() -> None:
    with refused("ENC-010", ErrorCode.MALFORMED):
        decode_item(Empty, b"")
    with refused("SIG-001", ErrorCode.MALFORMED):
        decode_item(Proved, codec.encode({0: None, 1: None, 3: None}))


@pytest.mark.parametrize("name", ["descriptor", "membership", "node certificate", "roll"])
def test_what_is_no_item_is_no_membership(name: str) -> None:
    """The code does not depend on how a proof is broken."""
    noise = Signed(body=b"\xff", signature=bytes(64))
    with refused("ENC-015"):
        if name == "descriptor":
            read_descriptor(noise, network=NETWORK, now=NOW)
        elif name == "roll":
            read_roll(noise, descriptor=LAB, now=NOW)
        elif name == "membership":
            verify_membership(Proof(membership=noise), descriptor=LAB, roll=None, node=BOB.public, now=NOW)
        else:
            verified(member(DORA), node=ALICE.public, certificate=noise)
