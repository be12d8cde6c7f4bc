"""Networks on a connection: nothing is shown, offered, ordered or served in one before both sides have proved it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mycellm_proto.economy import Quote, sign
from mycellm_proto.errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from mycellm_proto.events import ModelsChanged, RequestReceived, RequestRefused
from mycellm_proto.frames import Error, Request
from mycellm_proto.keys import SigningKey
from mycellm_proto.limits import ROLL_LIFETIME
from mycellm_proto.membership import Membership, Proof, VerifiedMember, verify_membership
from mycellm_proto.networks import CreditPolicy, Descriptor, network_id
from mycellm_proto.proofs import Proofs
from mycellm_proto.signed import Signed
from mycellm_proto.standing import Standing

from .lab import AUTHORITY, CONSUMER, DAY, DORA, LAB, LAPTOP, NETWORK, PROVIDER, ROLL, ROOT, member
from .pair import ALICE, BOB, MALLORY, NOW, Pair, order, quote, seed

SIGNED_LAB, SIGNED_ROLL = LAB.sign(ROOT), ROLL.sign(AUTHORITY)
FRESH = Standing.first(NETWORK, SIGNED_LAB, SIGNED_ROLL, NOW).renew(NOW)
BOBS, ALICES = member(BOB), member(ALICE)


def proof(membership: Membership) -> Proof:
    return Proof(membership=membership.sign(AUTHORITY))


def own(membership: Membership, standing: Standing = FRESH) -> VerifiedMember:
    """How a node sees itself, which is a member without an account."""
    return verify_membership(
        proof(membership), descriptor=standing.descriptor, roll=standing.roll, node=membership.member, now=NOW
    )


def meeting(
    *, alices: Membership = ALICES, bobs: Membership = BOBS, standing: Standing = FRESH
) -> tuple[Pair, Proofs, Proofs]:
    """Alice and Bob, connected, both in the lab, nothing proved."""
    pair = Pair.make()
    pair.exchange()
    alice, bob = pair.initiator.connection.proofs, pair.responder.connection.proofs
    alice.know(standing, own(alices, standing), NOW)
    bob.know(standing, own(bobs, standing), NOW)
    return pair, alice, bob


def introduced(alice: Proofs, bob: Proofs, *, alices: Membership = ALICES, bobs: Membership = BOBS) -> None:
    """PROVE, then SHOW, as their owners do it."""
    network = bob.asked(alice.ask(NETWORK))
    assert network == NETWORK
    bob.given(network)
    alice.take_proved(network, proof(bobs), NOW)
    assert alice.may_show(network, NOW)
    bob.take_shown(network, proof(alices), NOW)
    alice.given(network)


def lab_quote(**changes: object) -> Quote:
    return quote(BOB, network=NETWORK, **changes)


def offered(pair: Pair) -> tuple[Quote, Signed]:
    """Bob's quote in the lab, as Alice holds it."""
    pair.responder.connection.advertise([sign(BOB, lab_quote())], pair.now)
    pair.exchange()
    return pair.initiator.last(ModelsChanged).quotes[0]


def forbidden(requirement: str, code: ErrorCode = ErrorCode.NOT_MEMBER) -> pytest.RaisesExc[LocalProtocolError]:
    return pytest.RaisesExc(
        LocalProtocolError, check=lambda error: (error.code, error.requirement) == (code, requirement)
    )


def refused(requirement: str) -> pytest.RaisesExc[RemoteProtocolError]:
    return pytest.RaisesExc(
        RemoteProtocolError,
        check=lambda error: (error.code, error.requirement) == (ErrorCode.NOT_MEMBER, requirement),
    )


def test_who_has_proved_the_network_to_each_other_trades_in_it() -> None:
    pair, alice, bob = meeting()
    introduced(alice, bob)
    stream = pair.initiator.connection.request(order(offered(pair)), pair.now)
    pair.exchange()
    admitted = pair.responder.last(RequestReceived).admitted
    assert (admitted.open.network, admitted.open.consumer) == (NETWORK, ALICE.public)
    assert admitted.member is not None
    assert admitted.member.member == ALICE.public
    assert pair.responder.connection.accept(stream, 10)


def test_the_account_is_charged_where_a_node_acts_for_one() -> None:
    pair, alice, bob = meeting()
    shown = Proof(membership=member(DORA).sign(AUTHORITY), node_certificate=LAPTOP.sign(DORA))
    bob.given(NETWORK)
    alice.take_proved(NETWORK, proof(BOBS), NOW)
    alice.given(NETWORK)
    assert bob.take_shown(NETWORK, shown, NOW).member == DORA.public
    pair.initiator.connection.request(order(offered(pair)), pair.now)
    pair.exchange()
    admitted = pair.responder.last(RequestReceived).admitted
    assert admitted.member is not None
    assert (admitted.open.consumer, admitted.member.member) == (ALICE.public, DORA.public)


def test_the_direct_network_needs_no_proof() -> None:
    pair = Pair.make()
    pair.requested()
    assert pair.responder.last(RequestReceived).admitted.member is None


def test_no_quote_of_a_network_reaches_who_has_not_proved_it() -> None:
    pair, _, _ = meeting()
    pair.exchange()
    before = len(pair.initiator.all(ModelsChanged))
    with forbidden("NET-048"):
        pair.responder.connection.advertise([sign(BOB, quote()), sign(BOB, lab_quote())], pair.now)
    pair.exchange()
    assert len(pair.initiator.all(ModelsChanged)) == before


def test_no_quote_without_the_role_or_for_a_model_that_the_network_does_not_have() -> None:
    consumer = replace(BOBS, roles=CONSUMER)
    pair, alice, bob = meeting(bobs=consumer)
    introduced(alice, bob, bobs=consumer)
    with forbidden("NET-049"):
        pair.responder.connection.advertise([sign(BOB, lab_quote())], pair.now)
    only = Standing.first(NETWORK, replace(LAB, models=(seed("another model"),)).sign(ROOT), None, NOW).renew(NOW)
    pair, alice, bob = meeting(standing=only)
    introduced(alice, bob)
    with forbidden("NET-049"):
        pair.responder.connection.advertise([sign(BOB, lab_quote())], pair.now)


def test_no_quote_in_a_network_that_this_node_is_not_in() -> None:
    pair = Pair.make()
    pair.exchange()
    with forbidden("NET-049"):
        pair.responder.connection.advertise([sign(BOB, lab_quote())], pair.now)


def test_who_asks_in_a_network_without_having_proved_it_is_refused() -> None:
    """Mallory's node skips the check that an honest consumer makes; Bob makes it too."""
    pair, alice, bob = meeting()
    introduced(alice, bob)
    placed = order(offered(pair))
    bob.leave(NETWORK)
    bob.know(FRESH, own(BOBS), NOW)
    request = Request(content=placed.content, salt=placed.salt, open=placed.signed_open, prepaid=placed.chain.link(1))
    pair.responder.feed(0, request)
    (answer,) = pair.responder.sent(0)
    assert answer == Error(code=ErrorCode.NOT_MEMBER)
    assert pair.responder.last(RequestRefused).error.requirement == "NET-036"
    assert pair.responder.closed is None


def test_a_proof_on_one_connection_is_none_on_another() -> None:
    _, alice, bob = meeting()
    introduced(alice, bob)
    _, second, other = meeting()
    assert second.peer(NETWORK, NOW) is None
    assert other.peer(NETWORK, NOW) is None


@pytest.mark.parametrize("side", ["consumer", "provider"])
def test_both_sides_enforce_the_roles(side: str) -> None:
    alices = replace(ALICES, roles=PROVIDER) if side == "consumer" else ALICES
    bobs = replace(BOBS, roles=CONSUMER) if side == "provider" else BOBS
    pair, alice, bob = meeting(alices=alices, bobs=bobs)
    introduced(alice, bob, alices=alices, bobs=bobs)
    with forbidden("NET-035"):
        alice.check_order(lab_quote(), pair.now)
    with refused("NET-036"):
        bob.check_open(NETWORK, pair.now)


def test_nothing_is_ordered_before_both_have_shown_themselves() -> None:
    _, alice, bob = meeting()
    with forbidden("NET-035"):
        alice.check_order(lab_quote(), NOW)
    bob.given(NETWORK)
    alice.take_proved(NETWORK, proof(BOBS), NOW)
    with forbidden("NET-035"):  # she knows him, he does not know her
        alice.check_order(lab_quote(), NOW)
    bob.take_shown(NETWORK, proof(ALICES), NOW)
    alice.given(NETWORK)
    alice.check_order(lab_quote(), NOW)


def test_nothing_is_ordered_that_the_network_does_not_allow() -> None:
    only = Standing.first(NETWORK, replace(LAB, models=(seed("another model"),)).sign(ROOT), None, NOW).renew(NOW)
    _, alice, bob = meeting(standing=only)
    introduced(alice, bob)
    with forbidden("NET-039"):
        alice.check_order(lab_quote(), NOW)
    alice.check_order(lab_quote(model_digest=seed("another model")), NOW)


def test_who_dialed_answers_no_prove_before_the_peer_has_proved_itself() -> None:
    _, alice, bob = meeting()
    assert alice.asked(bob.ask(NETWORK)) is None
    introduced(alice, bob)
    assert alice.asked(bob.ask(NETWORK)) == NETWORK


def test_a_blind_cannot_be_sent_back_or_guessed() -> None:
    """Bob is not in the lab, gets a blind that he cannot read, and asks Alice with the same."""
    pair = Pair.make()
    pair.exchange()
    alice, bob = pair.initiator.connection.proofs, pair.responder.connection.proofs
    alice.know(FRESH, own(ALICES), NOW)
    assert bob.asked(alice.ask(NETWORK)) is None
    alice.take_proved(NETWORK, proof(BOBS), NOW)
    assert alice.asked(alice.ask(NETWORK)) is None
    assert alice.asked(NETWORK) is None


def test_nothing_is_proved_before_the_handshake() -> None:
    pair = Pair.make()
    alice = pair.initiator.connection.proofs
    alice.know(FRESH, own(ALICES), NOW)
    assert alice.asked(alice.ask(NETWORK)) is None
    with refused("NET-037"):
        alice.take_proved(NETWORK, proof(BOBS), NOW)


def test_what_is_shown_unasked_or_of_an_unknown_network_is_refused() -> None:
    pair, alice, bob = meeting()
    with refused("NET-034"):  # or whoever she dialed would learn that she is in the lab
        alice.take_shown(NETWORK, proof(BOBS), NOW)
    with refused("NET-033"):
        alice.take_proved(network_id(MALLORY.public), proof(BOBS), NOW)
    with refused("NET-034"):
        bob.take_shown(NETWORK, proof(ALICES), NOW)
    with refused("NET-034"):
        bob.take_shown(network_id(MALLORY.public), proof(ALICES), NOW)
    assert bob.peer(NETWORK, pair.now) is None


@pytest.mark.parametrize("key", [MALLORY, DORA])
def test_a_recorded_membership_proves_nothing_of_who_shows_it(key: SigningKey) -> None:
    _, _, bob = meeting()
    bob.given(NETWORK)
    with refused("NET-024"):
        bob.take_shown(NETWORK, proof(member(key)), NOW)
    assert bob.peer(NETWORK, NOW) is None


def test_who_is_revoked_is_out_with_the_roll_and_not_before() -> None:
    pair, alice, bob = meeting()
    introduced(alice, bob)
    placed = order(offered(pair))
    assert bob.check_open(NETWORK, NOW) is not None
    out = replace(ROLL, number=2, revoked=((ALICE.public, 1),)).sign(AUTHORITY)
    bob.know(FRESH.learn(roll=out, now=NOW), own(BOBS), NOW)
    assert bob.peer(NETWORK, NOW) is None
    pair.initiator.connection.request(placed, pair.now)
    pair.exchange()
    assert pair.responder.last(RequestRefused).error.code is ErrorCode.NOT_MEMBER
    with refused("NET-026"):
        bob.take_shown(NETWORK, proof(ALICES), NOW)
    bob.take_shown(NETWORK, proof(replace(ALICES, epoch=1)), NOW)


def test_nobody_is_a_member_of_a_network_whose_descriptor_has_expired() -> None:
    over = Standing.first(NETWORK, replace(LAB, expires=int(NOW) + 60).sign(ROOT), None, NOW)
    with refused("NET-015"):
        verify_membership(proof(BOBS), descriptor=over.descriptor, roll=None, node=BOB.public, now=NOW + 60)


def test_a_newer_descriptor_is_applied_to_who_is_there_already() -> None:
    _, alice, bob = meeting()
    introduced(alice, bob)
    changed = replace(LAB, revision=2, authority=MALLORY.public).sign(ROOT)
    bob.know(FRESH.learn(descriptor=changed, now=NOW), own(BOBS), NOW)
    assert bob.peer(NETWORK, NOW) is None


def test_a_membership_ends_at_its_expiry_on_both_sides() -> None:
    short = replace(ALICES, expires=int(NOW) + 60)
    pair, alice, bob = meeting(alices=short)
    introduced(alice, bob, alices=short)
    alice.check_order(lab_quote(), NOW + 59)
    assert bob.check_open(NETWORK, NOW + 59) is not None
    with forbidden("NET-035"):
        alice.check_order(lab_quote(), NOW + 60)
    with refused("NET-036"):
        bob.check_open(NETWORK, NOW + 60)
    # A new membership is of no use to her before she has shown it.
    alice.know(FRESH, own(ALICES), NOW + 60)
    with forbidden("NET-035"):
        alice.check_order(lab_quote(), NOW + 60)
    bob.take_shown(NETWORK, proof(ALICES), NOW + 60)
    alice.given(NETWORK)
    alice.check_order(lab_quote(), NOW + 60)
    assert pair.responder.closed is None


def test_who_is_cut_off_from_the_settlement_node_lets_nobody_in() -> None:
    _, alice, bob = meeting()
    introduced(alice, bob)
    late = NOW + ROLL_LIFETIME
    alice.check_order(lab_quote(), late - 0.001)
    with forbidden("NET-047", ErrorCode.SETTLEMENT_UNAVAILABLE):
        alice.check_order(lab_quote(), late)
    with pytest.raises(RemoteProtocolError) as caught:
        bob.check_open(NETWORK, late)
    assert (caught.value.code, caught.value.requirement) == (ErrorCode.SETTLEMENT_UNAVAILABLE, "NET-046")
    bob.know(FRESH.renew(late), own(BOBS), late)
    assert bob.check_open(NETWORK, late) is not None


def bilateral() -> Descriptor:
    return replace(LAB, settlement=None, credit_policy=CreditPolicy.BILATERAL)


def test_a_bilateral_network_has_nobody_to_renew_from() -> None:
    standing = Standing.first(NETWORK, bilateral().sign(ROOT), None, NOW)
    assert standing.fresh(NOW + 20 * DAY)
    assert not Standing.first(NETWORK, SIGNED_LAB, SIGNED_ROLL, NOW).fresh(NOW)


def test_a_standing_never_goes_back() -> None:
    newer = replace(ROLL, number=2).sign(AUTHORITY)
    raised = replace(LAB, revision=2).sign(ROOT)
    learned = FRESH.learn(descriptor=raised, roll=newer, now=NOW)
    assert (learned.descriptor.revision, learned.roll and learned.roll.number) == (2, 2)
    assert learned.learn(descriptor=SIGNED_LAB, roll=SIGNED_ROLL, now=NOW) is learned
    assert FRESH.learn(now=NOW) is FRESH


def test_a_new_authority_does_not_pardon_whom_the_old_one_put_out() -> None:
    out = replace(ROLL, number=2, revoked=((ALICE.public, 1),)).sign(AUTHORITY)
    changed = replace(LAB, revision=2, authority=MALLORY.public).sign(ROOT)
    learned = FRESH.learn(roll=out, now=NOW).learn(descriptor=changed, now=NOW)
    assert learned.signed_roll is None
    again = Proof(membership=ALICES.sign(MALLORY))
    with refused("NET-026"):
        verify_membership(again, descriptor=learned.descriptor, roll=learned.roll, node=ALICE.public, now=NOW)
    with refused("NET-019"):
        learned.learn(roll=SIGNED_ROLL, now=NOW)


def test_what_is_wrong_is_not_half_learnt() -> None:
    forged = replace(ROLL, number=9).sign(MALLORY)
    raised = replace(LAB, revision=2).sign(ROOT)
    with refused("NET-019"):
        FRESH.learn(descriptor=raised, roll=forged, now=NOW)
    with refused("NET-013"):
        FRESH.learn(descriptor=replace(LAB, revision=2).sign(MALLORY), now=NOW)
    assert FRESH.descriptor.revision == 1
