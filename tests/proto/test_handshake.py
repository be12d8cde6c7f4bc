"""The handshake and its attacks: each begins from the honest state, and leaves the victim as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mycellm_proto import codec, limits
from mycellm_proto.connection import Connection
from mycellm_proto.economy import sign
from mycellm_proto.errors import ErrorCode, LocalProtocolError
from mycellm_proto.events import Authenticated, ConnectionFailed, ModelsChanged, RequestReceived
from mycellm_proto.frames import Error, Frame, HelloFrame, Models, UnknownFrame, encode
from mycellm_proto.framing import encode_frame, encode_varint
from mycellm_proto.hello import INITIATOR_HELLO, RESPONDER_HELLO, Capability, ConnectionRole, Hello
from mycellm_proto.keys import SigningKey
from mycellm_proto.signed import Context, Signed

from .pair import ALICE, BINDING, BOB, MALLORY, NOW, Pair, Side, order, quote, seed
from .watch import assert_dead, footprint

INITIATOR_CONTROL, RESPONDER_CONTROL = 2, 3
CHAT = int(Capability.CHAT)
CALLS = int(Capability.CALLS)


def hello_of(side: Side, stream: int) -> Signed:
    """The HELLO that a side sent."""
    side.collect()
    frame = side.sent(stream)[0]
    assert isinstance(frame, HelloFrame)
    return frame.hello


def responder_hello(key: SigningKey = BOB, signer: SigningKey | None = None, **changes: object) -> Frame:
    values = {
        "role": ConnectionRole.RESPONDER,
        "node_key": key.public,
        "binding": BINDING,
        "capabilities": (CHAT, CALLS),
    } | changes
    return HelloFrame(hello=Hello(**values).sign(signer or key))  # type: ignore[arg-type]


def initiator_hello(
    seen: Signed, key: SigningKey = ALICE, signer: SigningKey | None = None, **changes: object
) -> Frame:
    values = {
        "role": ConnectionRole.INITIATOR,
        "node_key": key.public,
        "binding": BINDING,
        "capabilities": (CHAT, CALLS),
        "peer_key": BOB.public,
        "peer_hello": seen.digest(Context.HELLO),
        "pinned": True,
    } | changes
    return HelloFrame(hello=Hello(**values).sign(signer or key))  # type: ignore[arg-type]


def refused(side: Side, code: ErrorCode, requirement: str) -> None:
    """The victim closed with this code, proved nobody, and offers nothing."""
    assert side.closed == code
    assert side.last(ConnectionFailed).error.requirement == requirement
    assert side.connection.session is None
    assert not side.all(Authenticated)
    assert_dead(side)


def test_both_sides_prove_themselves_in_one_round_trip() -> None:
    pair = Pair.make()
    assert pair.initiator.collect() == []  # the initiator shows nothing before it has verified (steps 1 and 2)
    pair.deliver(pair.responder, pair.initiator, pair.responder.collect())
    assert pair.initiator.connection.session is not None
    pair.deliver(pair.initiator, pair.responder, pair.initiator.collect())
    for side, peer in ((pair.initiator, BOB), (pair.responder, ALICE)):
        session = side.connection.session
        assert session is not None
        side.collect()
        assert side.last(Authenticated).session == session
        assert (session.peer, session.pinned, session.version) == (peer.public, True, 1)
        assert session.capabilities == set(Capability)
    assert pair.responder.connection.next_timeout() is None
    assert pair.initiator.connection.next_timeout() == NOW + limits.HANDSHAKE_TIMEOUT  # for MODELS
    pair.advertised()
    assert pair.initiator.connection.next_timeout() is None


@pytest.mark.parametrize("key", [MALLORY, ALICE], ids=["another node", "this node itself"])
def test_the_node_that_was_dialed_answers_or_nobody(key: SigningKey) -> None:
    pair = Pair.make()
    pair.initiator.feed(RESPONDER_CONTROL, responder_hello(key))
    refused(pair.initiator, ErrorCode.WRONG_PEER, "HSK-009")
    assert pair.initiator.sent(INITIATOR_CONTROL) == []  # a rogue learns nothing of who dialed


def test_a_node_does_not_talk_to_itself() -> None:
    pair = Pair.make(expected=None)
    pair.initiator.feed(RESPONDER_CONTROL, responder_hello(ALICE))
    refused(pair.initiator, ErrorCode.WRONG_PEER, "HSK-010")
    pair = Pair.make()
    seen = hello_of(pair.responder, RESPONDER_CONTROL)
    pair.responder.feed(INITIATOR_CONTROL, initiator_hello(seen, BOB))
    refused(pair.responder, ErrorCode.WRONG_PEER, "HSK-011")


def test_a_hello_of_another_connection_proves_nothing_here() -> None:
    """Seen in the field: a captured HELLO was replayed."""
    captured = Pair.make()
    captured.exchange()
    assert captured.responder.connection.session is not None
    other = seed("other binding")
    fresh = Pair.make(bindings=(other, other))
    fresh.initiator.feed(RESPONDER_CONTROL, HelloFrame(hello=hello_of(captured.responder, RESPONDER_CONTROL)))
    refused(fresh.initiator, ErrorCode.HANDSHAKE_FAILED, "HSK-007")
    fresh.responder.feed(INITIATOR_CONTROL, HelloFrame(hello=hello_of(captured.initiator, INITIATOR_CONTROL)))
    refused(fresh.responder, ErrorCode.HANDSHAKE_FAILED, "HSK-007")


def test_a_man_in_the_middle_of_two_tls_connections_is_found() -> None:
    pair = Pair.make(bindings=(seed("to mallory"), seed("from mallory")))
    pair.exchange()
    refused(pair.initiator, ErrorCode.HANDSHAKE_FAILED, "HSK-007")
    assert pair.responder.connection.session is None


def test_a_reflected_hello_is_of_the_wrong_role() -> None:
    pair = Pair.make()
    own = hello_of(pair.responder, RESPONDER_CONTROL)
    pair.responder.feed(INITIATOR_CONTROL, HelloFrame(hello=own))
    refused(pair.responder, ErrorCode.HANDSHAKE_FAILED, "HSK-005")
    pair = Pair.make()
    seen = hello_of(pair.responder, RESPONDER_CONTROL)
    reflected = initiator_hello(seen, MALLORY, peer_key=ALICE.public)
    pair.initiator.feed(RESPONDER_CONTROL, reflected)
    refused(pair.initiator, ErrorCode.HANDSHAKE_FAILED, "EXT-003")


@pytest.mark.parametrize("role", list(ConnectionRole))
def test_a_role_that_is_not_the_senders_is_refused(role: ConnectionRole) -> None:
    """The shape of one role under the label of the other."""
    pair = Pair.make()
    if role is ConnectionRole.INITIATOR:
        body = RESPONDER_HELLO.write(
            Hello(role=role, node_key=BOB.public, binding=BINDING, capabilities=(CHAT, CALLS)),
        )
        pair.initiator.feed(RESPONDER_CONTROL, HelloFrame(hello=Signed.make(BOB, Context.HELLO, body)))
        refused(pair.initiator, ErrorCode.HANDSHAKE_FAILED, "HSK-007")
    else:
        seen = hello_of(pair.responder, RESPONDER_CONTROL)
        body = INITIATOR_HELLO.write(
            Hello(
                role=role,
                node_key=ALICE.public,
                binding=BINDING,
                peer_key=BOB.public,
                peer_hello=seen.digest(Context.HELLO),
                pinned=True,
            ),
        )
        pair.responder.feed(INITIATOR_CONTROL, HelloFrame(hello=Signed.make(ALICE, Context.HELLO, body)))
        refused(pair.responder, ErrorCode.HANDSHAKE_FAILED, "HSK-007")


def test_every_altered_field_of_either_hello_is_found() -> None:
    """Seen in the field: what was outside of the signature was altered at will."""
    pair = Pair.make()
    first = hello_of(pair.responder, RESPONDER_CONTROL)
    pair.deliver(pair.responder, pair.initiator, pair.responder.wire)
    second = hello_of(pair.initiator, INITIATOR_CONTROL)
    for honest, shape in ((first, RESPONDER_HELLO), (second, INITIATOR_HELLO)):
        body = codec.decode(honest.body)
        assert isinstance(body, dict)
        for field in shape.fields:
            altered = replace(honest, body=codec.encode({**body, field.key: other_value(body[field.key])}))
            victim = Pair.make()
            side = victim.initiator if honest is first else victim.responder
            hello_of(victim.responder, RESPONDER_CONTROL)
            stream = RESPONDER_CONTROL if honest is first else INITIATOR_CONTROL
            side.feed(stream, HelloFrame(hello=altered))
            assert side.closed == ErrorCode.HANDSHAKE_FAILED, field.name
            assert side.connection.session is None, field.name
            assert_dead(side)


def other_value(value: codec.Value) -> codec.Value:
    """Another value of the same type and size."""
    match value:
        case bool():
            return not value
        case int():
            return value ^ 1
        case bytes():
            return bytes((value[0] ^ 1,)) + value[1:]
        case list():
            return [*value[:-1], 9999]
    raise NotImplementedError


def test_a_hello_signed_by_another_key_or_for_another_purpose_is_refused() -> None:
    for frame in (
        responder_hello(BOB, MALLORY),
        HelloFrame(hello=Signed.make(BOB, Context.QUOTE, codec.decode(responder_hello().hello.body))),  # type: ignore[union-attr]
    ):
        pair = Pair.make()
        pair.initiator.feed(RESPONDER_CONTROL, frame)
        refused(pair.initiator, ErrorCode.HANDSHAKE_FAILED, "HSK-006")
    pair = Pair.make()
    seen = hello_of(pair.responder, RESPONDER_CONTROL)
    pair.responder.feed(INITIATOR_CONTROL, initiator_hello(seen, ALICE, MALLORY))
    refused(pair.responder, ErrorCode.HANDSHAKE_FAILED, "HSK-006")


def test_an_initiator_answers_this_responder_and_this_hello() -> None:
    attacks: list[tuple[dict[str, Any], ErrorCode, str]] = [
        ({"peer_key": MALLORY.public}, ErrorCode.WRONG_PEER, "HSK-011"),
        ({"peer_hello": seed("another hello")}, ErrorCode.HANDSHAKE_FAILED, "HSK-012"),
    ]
    for changes, code, requirement in attacks:
        pair = Pair.make()
        seen = hello_of(pair.responder, RESPONDER_CONTROL)
        pair.responder.feed(INITIATOR_CONTROL, initiator_hello(seen, **changes))
        refused(pair.responder, code, requirement)


def test_a_downgraded_offer_does_not_match_what_the_initiator_signed() -> None:
    """Mallory strips the capabilities from Bob's HELLO, and even has his key: Bob sees another hash."""
    pair = Pair.make()
    hello_of(pair.responder, RESPONDER_CONTROL)
    pair.initiator.feed(RESPONDER_CONTROL, responder_hello(capabilities=()))
    assert pair.initiator.connection.session is not None
    pair.deliver(pair.initiator, pair.responder, pair.initiator.wire)
    pair.responder.collect()
    refused(pair.responder, ErrorCode.HANDSHAKE_FAILED, "HSK-012")


@pytest.mark.parametrize(("least", "most"), [(99, 99), (2, 65_535), (0, 0), (2, 1)])
def test_versions_without_overlap_are_refused_by_both(least: int, most: int) -> None:
    """Seen in the field: version 99 was accepted."""
    pair = Pair.make()
    pair.initiator.feed(RESPONDER_CONTROL, responder_hello(version_min=least, version_max=most))
    refused(pair.initiator, ErrorCode.VERSION_UNSUPPORTED, "VER-002")
    seen = hello_of(pair.responder, RESPONDER_CONTROL)
    pair.responder.feed(INITIATOR_CONTROL, initiator_hello(seen, version_min=least, version_max=most))
    refused(pair.responder, ErrorCode.VERSION_UNSUPPORTED, "VER-002")


@pytest.mark.parametrize(("least", "most"), [(1, 1), (0, 1), (1, 99), (0, 65_535)])
def test_overlapping_versions_agree_on_ours(least: int, most: int) -> None:
    pair = Pair.make()
    pair.initiator.feed(RESPONDER_CONTROL, responder_hello(version_min=least, version_max=most))
    session = pair.initiator.connection.session
    assert session is not None
    assert session.version == 1


def test_capabilities_are_those_of_both_and_never_reserved_ones() -> None:
    pair = Pair.make()
    pair.initiator.feed(RESPONDER_CONTROL, responder_hello(capabilities=(7, *range(65, 3_600, 62))))
    session = pair.initiator.connection.session
    assert session is not None
    assert session.capabilities == set()


@pytest.mark.parametrize("capabilities", [(2, 1), (1, 1), (1, 3, 2)])
def test_capabilities_ascend(capabilities: tuple[int, ...]) -> None:
    pair = Pair.make()
    pair.initiator.feed(RESPONDER_CONTROL, responder_hello(capabilities=capabilities))
    refused(pair.initiator, ErrorCode.HANDSHAKE_FAILED, "HSK-008")


def test_without_the_capability_nothing_is_asked_and_nothing_is_served() -> None:
    pair = Pair.make()
    offer = pair.advertised()
    seen = hello_of(bare := Pair.make().responder, RESPONDER_CONTROL)
    bare.feed(INITIATOR_CONTROL, initiator_hello(seen, capabilities=()))
    bare.connection.advertise([offer[1]], NOW)
    asked = pair.initiator.connection.request(order(offer), NOW)
    request = pair.initiator.collect()[0]
    bare.feed(asked, request.data)  # type: ignore[union-attr]
    assert bare.sent(asked) == [Error(code=ErrorCode.UNSUPPORTED)]
    assert not bare.all(RequestReceived)


def test_an_unpinned_connection_shows_an_id_and_serves_nothing() -> None:
    pair = Pair.make(expected=None)
    offer = pair.advertised()
    session = pair.initiator.connection.session
    assert session is not None
    assert (session.peer, session.pinned) == (BOB.public, False)
    with pytest.raises(LocalProtocolError) as local:
        pair.initiator.connection.request(order(offer), NOW)
    assert local.value.code is ErrorCode.UNPINNED
    honest = Pair.make()
    honest.requested()
    pair.responder.feed(0, *honest.initiator.sent(0))
    assert pair.responder.sent(0) == [Error(code=ErrorCode.UNPINNED)]
    assert pair.responder.closed is None
    assert not pair.responder.all(RequestReceived)
    pair.initiator.connection.advertise([sign(ALICE, quote(ALICE))], NOW)
    pair.exchange()
    with pytest.raises(LocalProtocolError):  # and in the other direction
        pair.responder.connection.request(order(pair.responder.last(ModelsChanged).quotes[0], key=BOB), NOW)


def test_no_request_before_both_are_proved() -> None:
    """Seen in the field: inference was served to a peer that never authenticated."""
    honest = Pair.make()
    honest.requested()
    request = encode(honest.initiator.sent(0)[0])
    for data in (request, request[:1], b""):
        pair = Pair.make()
        pair.responder.collect()
        pair.responder.feed(0, data)
        refused(pair.responder, ErrorCode.HANDSHAKE_FAILED, "HSK-013")
    pair = Pair.make()
    with pytest.raises(LocalProtocolError):
        pair.initiator.connection.request(order(honest.initiator.last(ModelsChanged).quotes[0]), NOW)
    with pytest.raises(LocalProtocolError):
        pair.responder.connection.advertise([sign(BOB, quote())], NOW)
    assert not pair.initiator.collect()


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (Models(quotes=()), ErrorCode.UNEXPECTED_FRAME),
        (Error(code=1), ErrorCode.UNEXPECTED_FRAME),
        (UnknownFrame(type=65, body=b""), ErrorCode.UNKNOWN_FRAME),
        (UnknownFrame(type=64, body=b""), ErrorCode.UNKNOWN_FRAME),
        (encode_frame(0, b"\xff"), ErrorCode.ENCODING),
        (encode_frame(0, codec.encode([b"", bytes(63)])), ErrorCode.ENCODING),
        (encode_frame(0, codec.encode([b"", bytes(64)])), ErrorCode.ENCODING),
        (encode_frame(0, codec.encode([b"\xa0", bytes(64)])), ErrorCode.HANDSHAKE_FAILED),
        (b"\x40\x00", ErrorCode.ENCODING),
        (encode_varint(limits.MAX_HELLO + 1) + b"\0", ErrorCode.FRAME_TOO_LARGE),
        (encode_varint(limits.MAX_MODELS) + b"\2", ErrorCode.FRAME_TOO_LARGE),
        (encode_varint(limits.MAX_REQUEST) + b"\6", ErrorCode.FRAME_TOO_LARGE),
    ],
)
def test_nothing_but_a_hello_comes_first_on_a_control_stream(frame: Frame | bytes, code: ErrorCode) -> None:
    pair = Pair.make()
    pair.responder.feed(INITIATOR_CONTROL, frame)
    assert pair.responder.closed == code
    assert pair.responder.connection.session is None
    pair.initiator.feed(RESPONDER_CONTROL, frame)
    assert pair.initiator.closed == code
    assert_dead(pair.initiator)


def test_a_stranger_leaves_no_more_than_a_hello_behind() -> None:
    """Seen in the field: lengths were allocated as told, and before authentication."""
    pair = Pair.make()
    bob = pair.responder
    bob.collect()
    before = footprint(bob.connection)
    for kind, most in ((0, limits.MAX_HELLO), (6, limits.MAX_SMALL), (2, limits.MAX_SMALL), (65, limits.MAX_SMALL)):
        victim = Pair.make().responder
        victim.collect()
        victim.feed(INITIATOR_CONTROL, encode_varint(most) + encode_varint(kind) + bytes(most - 1))
        assert victim.closed is None
        assert footprint(victim.connection) - before < 2048


def test_a_second_hello_is_refused() -> None:
    pair = Pair.make()
    pair.advertised()
    session = pair.responder.connection.session
    again = HelloFrame(hello=hello_of(pair.initiator, INITIATOR_CONTROL))
    pair.responder.feed(INITIATOR_CONTROL, again)
    assert pair.responder.closed == ErrorCode.UNEXPECTED_FRAME
    assert pair.responder.connection.session == session
    pair.initiator.feed(RESPONDER_CONTROL, HelloFrame(hello=hello_of(pair.responder, RESPONDER_CONTROL)))
    assert pair.initiator.closed == ErrorCode.UNEXPECTED_FRAME


@pytest.mark.parametrize("side", ["initiator", "responder"])
def test_a_peer_that_says_nothing_is_given_up(side: str) -> None:
    """Seen in the field: a peer that joins, then hangs for ever."""
    pair = Pair.make()
    victim: Side = getattr(pair, side)
    victim.collect()
    assert victim.connection.next_timeout() == NOW + limits.HANDSHAKE_TIMEOUT
    victim.connection.handle_timeout(NOW + limits.HANDSHAKE_TIMEOUT - 0.001)
    assert victim.collect() == []
    victim.connection.handle_timeout(NOW + limits.HANDSHAKE_TIMEOUT)
    victim.collect()
    refused(victim, ErrorCode.TIMEOUT, "HSK-014")


def test_a_responder_that_proves_itself_and_then_offers_nothing_is_given_up() -> None:
    pair = Pair.make()
    pair.exchange()
    pair.tick(pair.initiator)
    assert pair.now == NOW + limits.HANDSHAKE_TIMEOUT
    assert pair.initiator.closed == ErrorCode.TIMEOUT
    assert pair.initiator.last(ConnectionFailed).error.requirement == "CTL-009"
    twin = Pair.make()
    twin.exchange()
    twin.responder.connection.advertise([], NOW + 9)
    twin.exchange()
    assert twin.initiator.connection.next_timeout() is None


def test_a_hello_that_comes_in_drops_is_given_up_too() -> None:
    pair = Pair.make()
    seen = hello_of(pair.responder, RESPONDER_CONTROL)
    data = encode(initiator_hello(seen))
    for at in range(9):
        pair.responder.feed(INITIATOR_CONTROL, data[at : at + 1], now=NOW + at)
    assert pair.responder.connection.next_timeout() == NOW + limits.HANDSHAKE_TIMEOUT


def test_a_responder_without_its_binding_cannot_be_impersonated_by_an_empty_one() -> None:
    """Both transports fail to give a binding: nothing is proved, and nothing is accepted (fails closed)."""
    key = SigningKey(seed("no binding"))
    alice = Side(Connection(role=ConnectionRole.INITIATOR, key=ALICE, binding=b"", expected_peer=key.public, now=NOW))
    bob = Side(Connection(role=ConnectionRole.RESPONDER, key=key, binding=b"", now=NOW))
    alice.feed(RESPONDER_CONTROL, HelloFrame(hello=hello_of(bob, RESPONDER_CONTROL)))
    refused(alice, ErrorCode.HANDSHAKE_FAILED, "HSK-005")
