"""Two members that meet: PROVE and SHOW over calls of a real connection, and what a stranger sees of it."""

from __future__ import annotations

import pytest

from mycellm_proto.calls import Procedure
from mycellm_proto.economy import sign
from mycellm_proto.errors import ErrorCode, RemoteProtocolError
from mycellm_proto.events import CallAnswered, CallFailed, CallReceived, ModelsChanged, RequestReceived
from mycellm_proto.frames import Call
from mycellm_proto.membership import Membership, verify_membership
from mycellm_proto.network_calls import Empty, Prove, Proved, Show, decode_item, encode_item
from mycellm_proto.signed import Signed
from mycellm_proto.standing import Standing

from .lab import AUTHORITY, LAB, NETWORK, ROLL, ROOT, member
from .pair import ALICE, BOB, MALLORY, NOW, Pair, Side, order, quote

SIGNED_LAB, SIGNED_ROLL = LAB.sign(ROOT), ROLL.sign(AUTHORITY)
FRESH = Standing.first(NETWORK, SIGNED_LAB, SIGNED_ROLL, NOW).renew(NOW)


class Owner:
    """What a node does about calls: as much of one as this needs."""

    def __init__(self, pair: Pair, side: Side, membership: Membership) -> None:
        self.pair = pair
        self.side = side
        self.connection = side.connection
        self.signed = membership.sign(AUTHORITY)
        self.own = membership

    def join(self) -> None:
        """Be in the lab, whatever the authority says."""
        proof = Show(network=NETWORK, membership=self.signed, roll=None).proof
        own = verify_membership(proof, descriptor=LAB, roll=None, node=self.own.member, now=NOW)
        self.connection.proofs.know(FRESH, own, NOW)

    def answer(self) -> None:
        """Answer the newest call."""
        call = self.side.last(CallReceived)
        try:
            self.connection.answer(call.stream_id, self._result(call))
        except RemoteProtocolError as error:
            self.connection.refuse(call.stream_id, error.code)
        self.pair.exchange()

    def _result(self, call: CallReceived) -> bytes:
        proofs = self.connection.proofs
        if call.procedure == Procedure.PROVE:
            network = proofs.asked(decode_item(Prove, call.arguments).blind)
            if network is None:
                raise RemoteProtocolError("asked in vain", code=ErrorCode.NOT_MEMBER, requirement="NET-033")
            proofs.given(network)
            return encode_item(Proved(descriptor=SIGNED_LAB, membership=self.signed, roll=SIGNED_ROLL))
        shown = decode_item(Show, call.arguments)
        proofs.take_shown(shown.network, shown.proof, NOW)
        return encode_item(Empty())

    def ask(self, blinded: bytes | None = None) -> None:
        """Call PROVE."""
        arguments = encode_item(Prove(blind=blinded or self.connection.proofs.ask(NETWORK)))
        self.connection.call(Procedure.PROVE, arguments, NOW)
        self.pair.exchange()

    def show(self, membership: Signed | None = None) -> None:
        """Call SHOW."""
        shown = Show(network=NETWORK, membership=membership or self.signed, roll=SIGNED_ROLL)
        self.connection.call(Procedure.SHOW, encode_item(shown), NOW)
        self.pair.exchange()


@pytest.fixture
def met() -> tuple[Owner, Owner]:
    """Alice has dialed Bob; who of them is in the lab is for the test to say."""
    pair = Pair.make()
    pair.exchange()
    return Owner(pair, pair.initiator, member(ALICE)), Owner(pair, pair.responder, member(BOB))


def test_two_members_meet_and_trade(met: tuple[Owner, Owner]) -> None:
    alice, bob = met
    alice.join()
    bob.join()
    alice.ask()
    bob.answer()
    proved = decode_item(Proved, alice.side.last(CallAnswered).result)
    assert FRESH.learn(descriptor=proved.descriptor, roll=proved.roll, now=NOW) is FRESH
    assert alice.connection.proofs.take_proved(NETWORK, proved.proof, NOW).member == BOB.public
    alice.show()
    bob.answer()
    assert decode_item(Empty, alice.side.last(CallAnswered).result) == Empty()
    alice.connection.proofs.given(NETWORK)
    bob.connection.advertise([sign(BOB, quote(BOB, network=NETWORK))], NOW)
    alice.pair.exchange()
    alice.connection.request(order(alice.side.last(ModelsChanged).quotes[0]), NOW)
    alice.pair.exchange()
    admitted = bob.side.last(RequestReceived).admitted
    assert admitted.member is not None
    assert admitted.member.member == ALICE.public


def test_a_stranger_cannot_tell_which_network_it_was_asked_for(met: tuple[Owner, Owner]) -> None:
    """Bob is not in the lab. He refuses, sends the same blind back, and gets the answer that he gave."""
    alice, bob = met
    alice.join()
    alice.ask()
    blinded = decode_item(Prove, bob.side.last(CallReceived).arguments).blind
    bob.answer()
    assert alice.side.last(CallFailed).code == ErrorCode.NOT_MEMBER
    bob.ask(blinded)
    alice.answer()
    assert bob.side.last(CallFailed).code == ErrorCode.NOT_MEMBER
    frames = [frame for stream in (0, 1) for frame in alice.side.sent(stream) if isinstance(frame, Call)]
    assert len(frames) == 1
    assert not any(secret in frames[0].arguments for secret in (NETWORK, ROOT.public, AUTHORITY.public))


def test_who_was_dialed_and_shows_itself_unasked_learns_nothing(met: tuple[Owner, Owner]) -> None:
    """Bob is a member, and tries whether Alice is one: her answer is the same as if she were not."""
    alice, bob = met
    bob.join()
    answers = []
    for joins in (False, True):
        if joins:
            alice.join()
        bob.show()
        alice.answer()
        failed = bob.side.last(CallFailed)
        answers.append((failed.code, failed.limit, failed.actual, failed.retry_after_ms))
        bob.ask(bob.connection.proofs.ask(NETWORK))
        alice.answer()
        assert bob.side.last(CallFailed).code == ErrorCode.NOT_MEMBER
    assert answers == [(ErrorCode.NOT_MEMBER, None, None, None)] * 2


def test_who_shows_what_it_recorded_of_another_is_refused(met: tuple[Owner, Owner]) -> None:
    alice, bob = met
    alice.join()
    bob.join()
    alice.ask()
    bob.answer()
    alice.show(member(MALLORY).sign(AUTHORITY))
    bob.answer()
    assert alice.side.last(CallFailed).code == ErrorCode.NOT_MEMBER
    assert bob.connection.proofs.peer(NETWORK, NOW) is None
    alice.show()
    bob.answer()
    assert bob.connection.proofs.peer(NETWORK, NOW) is not None
