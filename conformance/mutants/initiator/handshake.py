"""Initiators that break the handshake or the control stream."""

from __future__ import annotations

from functools import partial
from typing import Any

from conformance import dcbor, framing, signing
from conformance.answers import CAPABILITIES, CHAT
from conformance.dcbor import Item
from conformance.honest import hello
from conformance.honest.initiator import Initiator
from conformance.honest.rules import FailError
from conformance.mutants.brief import skips
from conformance.mutants.mutant import Mutant, initiator_with, skipping


def _greets_first(self: Initiator) -> None:
    self.say_hello(hello.initiator_hello(self.node, self.binding, bytes(32), bytes(32), self.expected is not None))


def _answers_nothing(self: Initiator, _: bytes) -> None:
    """HELLO went out before."""


def _always_pins(self: Initiator, peer_hello: bytes) -> None:
    assert self.session is not None  # only after the handshake
    self.say_hello(hello.initiator_hello(self.node, self.binding, self.session.peer, peer_hello, pinned=True))


def _adds_a_key(self: Initiator, body: dict[int, Item]) -> None:
    Initiator.say_hello(self, body | {65: b"join secret"})


def _binds_to_nothing(self: Initiator, body: dict[int, Item]) -> None:
    Initiator.say_hello(self, body | {2: bytes(32)})


def _signs_with_another_key(self: Initiator, body: dict[int, Item]) -> None:
    self.node.key, mine = signing.Key(bytes(32)), self.node.key
    Initiator.say_hello(self, body)
    self.node.key = mine


def _adds_to_its_list(self: Initiator, models: dict[int, Item]) -> None:
    before = self.quotes
    Initiator.took_models(self, models)
    self.quotes = self.quotes + before


def _fails_on_unknown_capabilities(self: Initiator, kind: int, body: bytes) -> None:
    if any(each not in CAPABILITIES.values() and each % 2 == 0 for each in dcbor.decode(dcbor.decode(body)[0])[5]):
        raise FailError("HANDSHAKE_FAILED")
    Initiator.first_control_frame(self, kind, body)


def _needs_no_capability(self: Initiator, *arguments: Any) -> None:
    Initiator.first_control_frame(self, *arguments)
    if self.session is not None:
        object.__setattr__(self.session, "capabilities", frozenset({CHAT}))


def _takes_models_from_anybody(self: Initiator, kind: int, body: bytes) -> None:
    if kind != framing.MODELS:
        Initiator.first_control_frame(self, kind, body)


_skips = partial(skips, "initiator")

MUTANTS = (
    _skips(
        "HSK-006",
        "dials-and-takes-any-signature",
        "Takes any signature of the node that it dials: a rogue at the right address gets its prompts.",
        "reject-bad-signature",
        "reject-signature-of-another-key",
        "reject-signature-of-another-context",
        "reject-small-order-key",
        row=2,
    ),
    _skips(
        "HSK-007",
        "dials-and-takes-any-binding",
        "Takes a responder's HELLO of any other connection.",
        "reject-other-binding",
        "reject-role-of-initiator",
        row=3,
    ),
    _skips(
        "HSK-008",
        "dials-and-takes-unordered-capabilities",
        "Takes a responder's capabilities in any order.",
        "reject-unordered-capabilities",
    ),
    _skips(
        "HSK-009",
        "dials-and-takes-anybody",
        "Goes on with whoever answers at the address that it dialed.",
        "reject-another-node",
        row=2,
    ),
    _skips(
        "VER-002",
        "dials-and-takes-any-version",
        "Goes on with a responder of version 99.",
        "reject-newer-version",
        "reject-older-version",
        row=12,
    ),
    _skips(
        "HSK-013",
        "serves-a-responder-that-is-unproved",
        "Answers requests of a responder that has not shown who it is.",
        "reject-request-before-hello",
        row=1,
    ),
    _skips(
        "HSK-014",
        "dials-and-waits-for-ever",
        "Waits for ever for a responder that says nothing.",
        "reject-silence",
        row=19,
    ),
    _skips(
        "CTL-009",
        "waits-for-ever-for-models",
        "Waits for ever to be told what a responder offers.",
        "give-up-without-models",
        row=19,
    ),
    _skips(
        "EXT-009",
        "dials-and-overlooks-a-first-frame",
        "Overlooks a frame of an unknown type where only HELLO may be.",
        "reject-unknown-type-before-hello",
    ),
    _skips(
        "RCP-001",
        "takes-quotes-of-any-shape",
        "Takes quotes of any shape.",
        "reject-quote-with-unknown-key",
    ),
    _skips(
        "RCP-002",
        "takes-quotes-of-others",
        "Takes quotes that the peer has not signed: anybody announces models for anybody.",
        "reject-quote-of-another-provider",
        "reject-quote-with-bad-signature",
        "reject-quote-signed-as-open",
        row=1,
    ),
    _skips(
        "CTL-001",
        "dials-and-misses-the-end-of-control",
        "Does not mind that the responder's control stream has ended.",
        "reject-ended-control-stream",
        "reject-reset-control-stream",
    ),
    _skips(
        "CTL-003",
        "dials-and-reads-any-stream",
        "Reads whatever stream the responder opens.",
        "reject-stream-of-nobody",
    ),
    _skips(
        "CTL-004",
        "dials-and-takes-a-flood",
        "Takes any number of frames on the responder's control stream.",
        "reject-flooded-control-stream",
    ),
    _skips(
        "EXT-002",
        "dials-and-overlooks-even-types",
        "Overlooks an unknown even type on the responder's control stream.",
        "reject-unknown-even-control-frame",
    ),
    Mutant(
        slug="dials-and-takes-any-shape",
        page="Takes a responder's HELLO with keys that nobody agreed on.",
        breaks=("HSK-005~1", "EXT-003~1"),
        kills=(
            "initiator/reject-unknown-even-key",
            "initiator/reject-unknown-odd-key",
            "initiator/reject-initiator-shape",
        ),
        node=skipping("HSK-005"),
        row=4,
    ),
    Mutant(
        slug="takes-models-before-hello",
        page="Takes MODELS from a responder that has not proved who it is.",
        breaks=("STM-001~1", "HSK-019~1"),
        kills=("initiator/reject-models-before-hello",),
        adapter=initiator_with(first_control_frame=_takes_models_from_anybody),
        row=1,
    ),
    Mutant(
        slug="asks-on-any-connection",
        page="Sends its prompts over connections that are not pinned, and without the capability.",
        breaks=("HSK-020~1",),
        kills=("initiator/ask-nobody-unpinned", "initiator/ask-nobody-without-the-capability"),
        node=skipping("HSK-020"),
        row=2,
    ),
    Mutant(
        slug="uses-what-was-not-agreed",
        page="Takes a capability for agreed that only its own side offered.",
        breaks=("HSK-020~1", "VER-003~1"),
        kills=("initiator/ask-nobody-without-the-capability",),
        adapter=initiator_with(first_control_frame=_needs_no_capability),
    ),
    Mutant(
        slug="remembers-old-quotes",
        page="Adds each MODELS to what it knows, instead of replacing it.",
        breaks=("CTL-007~1",),
        kills=("initiator/forget-what-is-no-longer-offered",),
        adapter=initiator_with(took_models=_adds_to_its_list),
    ),
    Mutant(
        slug="shows-itself-to-strangers",
        page="Sends its HELLO before the responder has proved anything.",
        breaks=("HSK-002~1",),
        kills=("initiator/speak-second",),
        adapter=initiator_with(greet=_greets_first, answer_hello=_answers_nothing),
    ),
    Mutant(
        slug="says-that-it-pins",
        page="Says that it knew whom it dialed, whether or not it did.",
        breaks=("HSK-004~1",),
        kills=("initiator/say-that-it-does-not-pin",),
        adapter=initiator_with(answer_hello=_always_pins),
    ),
    Mutant(
        slug="dials-and-shows-a-secret",
        page="Adds a join secret to the HELLO that it sends to everybody it dials.",
        breaks=("HSK-018~1",),
        kills=("initiator/show-itself-to-a-known-responder",),
        adapter=initiator_with(say_hello=_adds_a_key),
        row=5,
    ),
    Mutant(
        slug="dials-and-binds-to-nothing",
        page="Puts 32 zeros where the channel binding of the dialed connection belongs.",
        breaks=("HSK-016~1",),
        kills=("initiator/show-itself-to-a-known-responder",),
        adapter=initiator_with(say_hello=_binds_to_nothing),
        row=3,
    ),
    Mutant(
        slug="dials-and-signs-with-another-key",
        page="Names one key in the initiator's HELLO and signs with another.",
        breaks=("KEY-001~1",),
        kills=("initiator/show-itself-to-a-known-responder",),
        adapter=initiator_with(say_hello=_signs_with_another_key),
    ),
    Mutant(
        slug="dials-and-fails-on-unknown-capabilities",
        page="Leaves a responder that offers what it does not know.",
        breaks=("VER-008~1",),
        kills=("initiator/accept-unknown-capabilities",),
        adapter=initiator_with(first_control_frame=_fails_on_unknown_capabilities),
    ),
)
