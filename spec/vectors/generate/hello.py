"""Family ``hello``: both HELLOs of a handshake, what is agreed, and every way to fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from mycellm_proto.codec import Value, encode
from mycellm_proto.errors import ErrorCode
from mycellm_proto.hello import ConnectionRole, Hello, Session, check_initiator, check_responder, negotiate, read_hello
from mycellm_proto.keys import SigningKey
from mycellm_proto.signed import Context, Signed

from .constants import ALICE, BOB, CAROL, INTERMEDIATE, entropy, flipped, intermediate
from .family import (
    BOOLEAN,
    HEX,
    NUMBER,
    DisagreementError,
    Family,
    Json,
    accept,
    case,
    nullable,
    outcome,
    record,
    reject,
)
from .notation import as_map

_BINDING = entropy("channel binding")
_OTHER = entropy("channel binding of another connection")
_BOB_HELLO = Hello(role=ConnectionRole.RESPONDER, node_key=BOB.public, binding=_BINDING, capabilities=(1,))
BOB_SIGNED = _BOB_HELLO.sign(BOB)
_ALICE_HELLO = Hello(
    role=ConnectionRole.INITIATOR,
    node_key=ALICE.public,
    binding=_BINDING,
    capabilities=(1,),
    peer_key=BOB.public,
    peer_hello=BOB_SIGNED.digest(Context.HELLO),
    pinned=True,
)
ALICE_SIGNED = _ALICE_HELLO.sign(ALICE)
_MANY = tuple(range(1, 65))
_bob = partial(replace, _BOB_HELLO)
_alice = partial(replace, _ALICE_HELLO)


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """What the side that verifies knows: itself, its connection, what it offers."""

    own: Hello
    key: SigningKey
    expected: bytes | None = None
    own_hello: bytes | None = None
    binding: bytes = _BINDING

    def verify(self, signed: Signed) -> Session:
        """Take the peer's HELLO as `Control` does."""
        if self.own.role is ConnectionRole.INITIATOR:
            peer = read_hello(signed, sender=ConnectionRole.RESPONDER, binding=self.binding)
            check_responder(peer, own=self.key.public, expected=self.expected)
            pinned = self.expected is not None
        else:
            peer = read_hello(signed, sender=ConnectionRole.INITIATOR, binding=self.binding)
            check_initiator(peer, own=self.key.public, own_hello=self.own_hello or b"")
            pinned = bool(peer.pinned)
        version, capabilities = negotiate(self.own, peer)
        return Session(peer=peer.node_key, pinned=pinned, version=version, capabilities=capabilities)

    def shown(self) -> dict[str, Json]:
        """The keys of a case."""
        return {
            "verifier": self.own.role.name.lower(),
            "binding": self.binding.hex(),
            "own_key": self.key.public.hex(),
            "expected_peer": None if self.expected is None else self.expected.hex(),
            "own_hello": None if self.own_hello is None else self.own_hello.hex(),
            "own_offer": {
                "version_min": self.own.version_min,
                "version_max": self.own.version_max,
                "capabilities": list(self.own.capabilities),
            },
        }


_ALICE_VIEW = _View(own=_ALICE_HELLO, key=ALICE, expected=BOB.public)
_BOB_VIEW = _View(own=_BOB_HELLO, key=BOB, own_hello=BOB_SIGNED.digest(Context.HELLO))


@dataclass(frozen=True, slots=True)
class _Good:
    slug: str
    requirement: str
    view: _View
    hello: Hello
    key: SigningKey = field(default=BOB)


_GOOD = (
    _Good("accept-responder", "HSK-006~1 SIG-002~1 SIG-003~1", _ALICE_VIEW, _BOB_HELLO),
    _Good("accept-responder-unpinned", "HSK-009~1", replace(_ALICE_VIEW, expected=None), _BOB_HELLO),
    _Good("accept-responder-without-capabilities", "VER-003~1", _ALICE_VIEW, _bob(capabilities=())),
    _Good("accept-responder-with-64-capabilities", "VER-003~1", _ALICE_VIEW, _bob(capabilities=_MANY)),
    _Good("accept-responder-with-reserved-capability", "VER-003~1", _ALICE_VIEW, _bob(capabilities=(1, 65))),
    _Good("accept-responder-of-newer-versions", "VER-001~1", _ALICE_VIEW, _bob(version_max=65_535)),
    _Good(
        "accept-responder-newest-of-two-ranges",
        "VER-001~1",
        replace(_ALICE_VIEW, own=_alice(version_min=2, version_max=9)),
        _bob(version_min=3, version_max=7),
    ),
    _Good("accept-initiator", "HSK-012~1", _BOB_VIEW, _ALICE_HELLO, ALICE),
    _Good("accept-initiator-unpinned", "HSK-012~1", _BOB_VIEW, _alice(pinned=False), ALICE),
    _Good(
        "accept-initiator-shared-capabilities",
        "VER-003~1",
        replace(_BOB_VIEW, own=_bob(capabilities=(1, 2, 5))),
        _alice(capabilities=(1, 5, 7)),
        ALICE,
    ),
)

_FAILED, _WRONG = ErrorCode.HANDSHAKE_FAILED, ErrorCode.WRONG_PEER

# Slug, who verifies, the broken requirement, its code, the HELLO, and who signs it.
_BAD: tuple[tuple[str, _View, str, ErrorCode, Hello, SigningKey], ...] = (
    ("reject-responder-signed-by-another", _ALICE_VIEW, "HSK-006~1", _FAILED, _BOB_HELLO, CAROL),
    ("reject-responder-other-binding", _ALICE_VIEW, "HSK-007~1", _FAILED, _bob(binding=_OTHER), BOB),
    ("reject-responder-other-node", _ALICE_VIEW, "HSK-009~1", _WRONG, _bob(node_key=CAROL.public), CAROL),
    (
        "reject-responder-is-itself",
        replace(_ALICE_VIEW, expected=None),
        "HSK-010~1",
        _WRONG,
        _bob(node_key=ALICE.public),
        ALICE,
    ),
    ("reject-responder-capabilities-descending", _ALICE_VIEW, "HSK-008~1", _FAILED, _bob(capabilities=(2, 1)), BOB),
    ("reject-responder-capability-twice", _ALICE_VIEW, "HSK-008~1", _FAILED, _bob(capabilities=(1, 1)), BOB),
    ("reject-responder-with-65-capabilities", _ALICE_VIEW, "HSK-005~1", _FAILED, _bob(capabilities=(*_MANY, 65)), BOB),
    (
        "reject-responder-of-newer-versions-only",
        _ALICE_VIEW,
        "VER-002~1",
        ErrorCode.VERSION_UNSUPPORTED,
        _bob(version_min=2, version_max=99),
        BOB,
    ),
    (
        "reject-responder-of-older-versions-only",
        _ALICE_VIEW,
        "VER-002~1",
        ErrorCode.VERSION_UNSUPPORTED,
        _bob(version_min=0, version_max=0),
        BOB,
    ),
    (
        "reject-responder-empty-version-range",
        _ALICE_VIEW,
        "VER-002~1",
        ErrorCode.VERSION_UNSUPPORTED,
        _bob(version_min=2, version_max=1),
        BOB,
    ),
    ("reject-initiator-signed-by-another", _BOB_VIEW, "HSK-006~1", _FAILED, _ALICE_HELLO, CAROL),
    ("reject-initiator-other-binding", _BOB_VIEW, "HSK-007~1", _FAILED, _alice(binding=_OTHER), ALICE),
    (
        "reject-initiator-relayed-from-another-connection",
        replace(_BOB_VIEW, binding=_OTHER),
        "HSK-007~1",
        _FAILED,
        _ALICE_HELLO,
        ALICE,
    ),
    ("reject-initiator-for-another-node", _BOB_VIEW, "HSK-011~1", _WRONG, _alice(peer_key=CAROL.public), ALICE),
    ("reject-initiator-is-responder-itself", _BOB_VIEW, "HSK-011~1", _WRONG, _alice(node_key=BOB.public), BOB),
    (
        "reject-initiator-saw-another-hello",
        _BOB_VIEW,
        "HSK-012~1",
        _FAILED,
        _alice(peer_hello=entropy("another HELLO")),
        ALICE,
    ),
)


def _reshaped(hello: Hello, key: SigningKey, change: Callable[[dict[int, Value]], object]) -> Signed:
    body = as_map(hello.sign(key).body)
    change(body)
    return Signed.make(key, Context.HELLO, body)


# The same with bodies that no honest sender writes. Slug, requirement, change of Bob's body.
_MISSHAPEN: tuple[tuple[str, str, Callable[[dict[int, Value]], object]], ...] = (
    ("reject-responder-odd-key", "EXT-003~1", lambda body: body.update({9: True})),
    ("reject-responder-reserved-key", "EXT-003~1", lambda body: body.update({65: True})),
    ("reject-responder-even-key", "EXT-003~1", lambda body: body.update({10: True})),
    ("reject-responder-with-initiators-key", "EXT-003~1", lambda body: body.update({6: ALICE.public})),
    ("reject-responder-without-binding", "HSK-005~1", lambda body: body.pop(2)),
    ("reject-responder-without-capabilities-key", "HSK-005~1", lambda body: body.pop(5)),
    ("reject-responder-key-of-31-bytes", "HSK-005~1", lambda body: body.update({1: BOB.public[:31]})),
    ("reject-responder-version-65536", "HSK-005~1", lambda body: body.update({4: 65_536})),
    ("reject-responder-role-unknown", "HSK-005~1", lambda body: body.update({0: 2})),
    ("reject-responder-role-true", "HSK-005~1", lambda body: body.update({0: True})),
    ("reject-responder-capability-text", "HSK-005~1", lambda body: body.update({5: ["chat"]})),
    ("reject-responder-claims-initiator", "HSK-007~1", lambda body: body.update({0: 0})),
)


def _cases() -> list[dict[str, Json]]:
    made = []
    for good in _GOOD:
        signed = good.hello.sign(good.key)
        session = good.view.verify(signed)
        expect = accept(
            peer=session.peer.hex(),
            pinned=session.pinned,
            version=session.version,
            capabilities=sorted(session.capabilities),
        )
        made.append(_case(good.slug, good.requirement, good.view, signed, expect))
    for slug, view, requirement, code, hello, key in _BAD:
        made.append(_refused(slug, requirement, view, hello.sign(key), code))
    for slug, requirement, change in _MISSHAPEN:
        made.append(_refused(slug, requirement, _ALICE_VIEW, _reshaped(_BOB_HELLO, BOB, change), _FAILED))
    made += [
        _refused(
            "reject-initiator-odd-key",
            "EXT-003~1",
            _BOB_VIEW,
            _reshaped(_ALICE_HELLO, ALICE, lambda body: body.update({9: 1})),
            _FAILED,
        ),
        _refused(
            "reject-initiator-pinned-number",
            "HSK-005~1",
            _BOB_VIEW,
            _reshaped(_ALICE_HELLO, ALICE, lambda body: body.update({8: 1})),
            _FAILED,
        ),
        _refused(
            "reject-initiator-without-pinned",
            "HSK-005~1",
            _BOB_VIEW,
            _reshaped(_ALICE_HELLO, ALICE, lambda body: body.pop(8)),
            _FAILED,
        ),
        _refused("reject-responders-hello-from-initiator", "HSK-005~1", _BOB_VIEW, BOB_SIGNED, _FAILED),
        _refused("reject-initiators-hello-from-responder", "EXT-003~1", _ALICE_VIEW, ALICE_SIGNED, _FAILED),
        _refused(
            "reject-initiator-flipped-signature",
            "HSK-006~1",
            _BOB_VIEW,
            replace(ALICE_SIGNED, signature=flipped(ALICE_SIGNED.signature)),
            _FAILED,
        ),
        _refused(
            "reject-responder-wrong-context",
            "HSK-006~1",
            _ALICE_VIEW,
            Signed.make_over(BOB, Context.QUOTE, BOB_SIGNED.body),
            _FAILED,
        ),
        _refused(
            "reject-responder-body-not-deterministic",
            "ENC-013~1",
            _ALICE_VIEW,
            Signed.make_over(BOB, Context.HELLO, _swapped(BOB_SIGNED.body)),
            ErrorCode.ENCODING,
        ),
    ]
    return made


def _swapped(body: bytes) -> bytes:
    """The responder's body with its last two keys in the wrong order."""
    versions, capabilities = body[-5:-3], body[-3:]
    if versions != b"\x04\x01" or capabilities != b"\x05\x81\x01":
        raise DisagreementError("the body's end is not what this expects")
    return body[:-5] + capabilities + versions


def _case(slug: str, requirement: str, view: _View, signed: Signed, expect: Json) -> dict[str, Json]:
    return case(
        slug,
        requirement,
        **view.shown(),
        hello=encode(signed.to_value()).hex(),
        intermediate=intermediate(signed, Context.HELLO),
        expect=expect,
    )


def _refused(slug: str, requirement: str, view: _View, signed: Signed, code: ErrorCode) -> dict[str, Json]:
    return _case(slug, requirement, view, signed, reject(lambda: view.verify(signed), code, requirement))


_NUMBERS: Json = {"type": "array", "items": NUMBER}

FAMILY = Family(
    name="hello",
    description="HELLOs of both sides, as the side sees them that has to verify.",
    notes=(
        "The verifier is the node own_key on a connection with this binding. Its own HELLO offers own_offer. As an"
        " initiator it dialed expected_peer, or nobody in particular (null); as a responder its own HELLO has the hash"
        " own_hello.",
        "hello is the body of the HELLO frame that it receives: a signed object.",
        "Accepted: peer is authenticated, and version, capabilities and pinned are agreed.",
        "Rejected: the connection is closed with the code.",
    ),
    verification=(
        "Judge hello as the side verifier, which knows nothing but the other inputs.",
        "capabilities are compared as a list, ascending.",
        "intermediate.preimage is what the signature is over, intermediate.hash its SHA-256, by which the initiator's"
        " HELLO names the responder's: nobody sees either on the wire.",
    ),
    schema={
        "verifier": {"enum": ["initiator", "responder"]},
        "binding": HEX,
        "own_key": HEX,
        "expected_peer": nullable(HEX),
        "own_hello": nullable(HEX),
        "own_offer": record(version_min=NUMBER, version_max=NUMBER, capabilities=_NUMBERS),
        "hello": HEX,
        "intermediate": INTERMEDIATE,
        "expect": outcome(peer=HEX, pinned=BOOLEAN, version=NUMBER, capabilities=_NUMBERS),
    },
    cases=_cases,
)
