"""Responders that break the handshake."""

from __future__ import annotations

from typing import Any

from conformance import dcbor, framing, signing
from conformance.answers import CAPABILITIES
from conformance.dcbor import Item
from conformance.entropy import RESERVED
from conformance.honest import hello
from conformance.honest.connection import Connection
from conformance.honest.rules import FailError

from .mutant import Mutant, connection_with, node_with, skipping


def _waits_for_initiator(self: Connection) -> None:
    """HELLO is sent only as an answer."""


def _greets_late(self: Connection, kind: int, body: bytes) -> None:
    if not self.own_hello:
        self.say_hello(hello.responder_hello(self.node, self.binding))
    Connection.first_control_frame(self, kind, body)


def _other_binding(self: Connection) -> None:
    self.say_hello(hello.responder_hello(self.node, bytes(32)))


def _extra_key(self: Connection) -> None:
    self.say_hello({**hello.responder_hello(self.node, self.binding), 65: b"join secret"})


def _newer_layout(self: Connection) -> None:
    old = hello.responder_hello(self.node, self.binding)
    self.say_hello({0: [old[0], old[1]], 1: old[2], 2: [1, 2], 3: old[5]})


def _stranger_signs(self: Connection, body: dict[int, Item]) -> None:
    self.node.key, mine = signing.Key(bytes(32)), self.node.key
    Connection.say_hello(self, body)
    self.node.key = mine


def _fails_on_unknown_capabilities(self: Connection, kind: int, body: bytes) -> None:
    offered = dcbor.decode(dcbor.decode(body)[0])[5]
    if any(each not in CAPABILITIES.values() and each not in RESERVED for each in offered):
        raise FailError("HANDSHAKE_FAILED")
    Connection.first_control_frame(self, kind, body)


def _answers_strangers(self: Connection, kind: int, body: bytes) -> None:
    if kind == framing.MODELS:
        self.port.write(self.own_control, framing.write_frame(framing.MODELS, dcbor.encode({0: []})))
    else:
        Connection.first_control_frame(self, kind, body)


def _says_nothing(*_: Any) -> None:
    """Nothing."""


MUTANTS = (
    Mutant(
        slug="takes-any-signature",
        page="Serves whoever names a key, without a look at the signature.",
        breaks=("HSK-006~1",),
        kills=(
            "handshake/reject-bad-signature",
            "handshake/reject-signature-of-another-key",
            "handshake/reject-signature-of-another-context",
            "handshake/reject-body-changed-after-signing",
            "handshake/reject-small-order-key",
        ),
        node=skipping("HSK-006"),
        row=2,
    ),
    Mutant(
        slug="takes-any-binding",
        page="Takes a HELLO of any other connection: what was recorded once is good for ever.",
        breaks=("HSK-007~1",),
        kills=("handshake/reject-other-binding", "handshake/reject-role-of-responder"),
        node=skipping("HSK-007"),
        row=3,
    ),
    Mutant(
        slug="takes-hello-of-any-shape",
        page="Takes a HELLO with keys that nobody agreed on.",
        breaks=("HSK-005~1", "EXT-003~1"),
        kills=("handshake/reject-unknown-even-key", "handshake/reject-unknown-odd-key"),
        node=skipping("HSK-005"),
        row=4,
    ),
    Mutant(
        slug="takes-unordered-capabilities",
        page="Takes capabilities in any order, twice or thrice.",
        breaks=("HSK-008~1",),
        kills=("handshake/reject-unordered-capabilities", "handshake/reject-repeated-capability"),
        node=skipping("HSK-008"),
    ),
    Mutant(
        slug="takes-hello-for-others",
        page="Takes a HELLO that was signed for another responder.",
        breaks=("HSK-011~1",),
        kills=("handshake/reject-hello-for-another-node",),
        node=skipping("HSK-011"),
    ),
    Mutant(
        slug="forgets-its-own-hello",
        page="Does not compare peer_hello with what it sent: an offer that was weakened on the way goes unseen.",
        breaks=("HSK-012~1",),
        kills=("handshake/reject-other-peer-hello",),
        node=skipping("HSK-012"),
        row=4,
    ),
    Mutant(
        slug="takes-any-version",
        page="Takes version 99.",
        breaks=("VER-002~1",),
        kills=("handshake/reject-newer-version", "handshake/reject-older-version"),
        node=skipping("VER-002"),
        row=12,
    ),
    Mutant(
        slug="waits-for-ever-for-hello",
        page="Keeps a connection open whose initiator says nothing.",
        breaks=("HSK-014~1",),
        kills=("handshake/reject-silence",),
        node=skipping("HSK-014"),
        row=19,
    ),
    Mutant(
        slug="greets-second",
        page="Sends its HELLO only once it has the initiator's.",
        breaks=("HSK-003~1",),
        kills=("handshake/accept-pinned",),
        connection=connection_with(greet=_waits_for_initiator, first_control_frame=_greets_late),
    ),
    Mutant(
        slug="binds-hello-to-nothing",
        page="Puts 32 zeros where the channel binding belongs.",
        breaks=("HSK-016~1",),
        kills=("handshake/accept-pinned",),
        connection=connection_with(greet=_other_binding),
    ),
    Mutant(
        slug="shows-a-secret-in-hello",
        page="Adds a key of its own to HELLO, as systems did that sent join secrets to everybody.",
        breaks=("HSK-018~1",),
        kills=("handshake/accept-pinned",),
        connection=connection_with(greet=_extra_key),
        row=5,
    ),
    Mutant(
        slug="greets-in-a-newer-layout",
        page="Offers version 2 as well, in a HELLO that only version 2 knows.",
        breaks=("VER-006~1",),
        kills=("handshake/accept-pinned",),
        connection=connection_with(greet=_newer_layout),
    ),
    Mutant(
        slug="lists-capabilities-anyhow",
        page="Offers its capabilities in descending order.",
        breaks=("HSK-017~1",),
        kills=("handshake/accept-pinned",),
        node=node_with(capabilities=(3, 1)),
    ),
    Mutant(
        slug="signs-hello-with-another-key",
        page="Names one key and signs with another.",
        breaks=("KEY-001~1",),
        kills=("handshake/accept-pinned",),
        connection=connection_with(say_hello=_stranger_signs),
    ),
    Mutant(
        slug="takes-requests-of-strangers",
        page="Keeps a connection on which a request begins before anybody has shown who it is.",
        breaks=("HSK-013~1",),
        kills=("handshake/reject-request-before-hello",),
        node=skipping("HSK-013"),
        row=1,
    ),
    Mutant(
        slug="answers-strangers",
        page="Answers the MODELS of an initiator that has not shown who it is with its own.",
        breaks=("HSK-019~1",),
        kills=("handshake/reject-models-before-hello",),
        connection=connection_with(first_control_frame=_answers_strangers),
        row=1,
    ),
    Mutant(
        slug="serves-the-unpinned",
        page="Answers a request on a connection whose initiator did not know whom it dialed.",
        breaks=("HSK-015~1",),
        kills=("handshake/refuse-unpinned-request",),
        node=skipping("HSK-015"),
        row=2,
    ),
    Mutant(
        slug="says-nothing-after-hello",
        page="Verifies the initiator, and sends no MODELS.",
        breaks=("CTL-006~1",),
        kills=("handshake/accept-pinned", "handshake/accept-unpinned"),
        connection=connection_with(advertise=_says_nothing),
    ),
    Mutant(
        slug="fails-on-unknown-capabilities",
        page="Closes the connection where a capability is offered that it does not know.",
        breaks=("VER-008~1",),
        kills=("handshake/accept-unknown-capabilities",),
        connection=connection_with(first_control_frame=_fails_on_unknown_capabilities),
    ),
)
