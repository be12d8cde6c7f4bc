"""Initiators that break the handshake or the control stream."""

from __future__ import annotations

from typing import Any

from conformance import dcbor, framing, signing
from conformance.dcbor import Item
from conformance.honest import hello
from conformance.honest.initiator import Initiator
from conformance.honest.node import CHAT, Node
from conformance.honest.rules import FailError

from .mutant import Mutant, initiator_with, node_with, skipping


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
    if any(each != CHAT and each % 2 == 0 for each in dcbor.decode(dcbor.decode(body)[0])[5]):
        raise FailError("HANDSHAKE_FAILED")
    Initiator.first_control_frame(self, kind, body)


def _needs_no_capability(self: Initiator, *arguments: Any) -> None:
    Initiator.first_control_frame(self, *arguments)
    if self.session is not None:
        object.__setattr__(self.session, "capabilities", frozenset({CHAT}))


def _takes_models_from_anybody(self: Initiator, kind: int, body: bytes) -> None:
    if kind != framing.MODELS:
        Initiator.first_control_frame(self, kind, body)


def _skipping(requirement: str, page: str, *cases: str, slug: str, row: int | None = None) -> Mutant:
    return Mutant(
        slug=slug,
        page=page,
        breaks=(f"{requirement}~1",),
        kills=tuple(f"initiator/{each}" for each in cases),
        node=skipping(requirement),
        row=row,
    )


def _uses_its_ticket(self: Node, *, resumes: bool) -> dict[str, Any]:
    return Node.client_hello(self, resumes=False) | {"pre_shared_key": resumes}


def _sends_early_data(self: Node, *, resumes: bool) -> dict[str, Any]:
    return Node.client_hello(self, resumes=False) | {"pre_shared_key": resumes, "early_data": resumes}


def _names_whom_it_dials(self: Node, *, resumes: bool) -> dict[str, Any]:
    return Node.client_hello(self, resumes=resumes) | {"server_name": True}


MUTANTS = (
    Mutant(
        slug="looks-at-certificates",
        page="Refuses a certificate of another name, or one that has expired.",
        breaks=("TRN-008~1",),
        kills=("initiator/accept-any-certificate",),
        node=node_with(distrusts_certificates=True),
    ),
    Mutant(
        slug="resumes-a-session",
        page="Offers the ticket of an earlier connection as a pre-shared key.",
        breaks=("TRN-010~1",),
        kills=("initiator/resume-nothing",),
        node=node_with(client_hello=_uses_its_ticket),
    ),
    Mutant(
        slug="sends-early-data",
        page="Sends its first bytes as 0-RTT data.",
        breaks=("TRN-009~1",),
        kills=("initiator/resume-nothing",),
        node=node_with(client_hello=_sends_early_data),
    ),
    Mutant(
        slug="names-whom-it-dials",
        page="Sends the server_name extension, for everybody on the path to read.",
        breaks=("TRN-011~1",),
        kills=("initiator/show-itself-to-a-known-responder",),
        node=node_with(client_hello=_names_whom_it_dials),
    ),
    _skipping(
        "HSK-006",
        "Takes any signature of the node that it dials: a rogue at the right address gets its prompts.",
        "reject-bad-signature",
        "reject-signature-of-another-key",
        "reject-signature-of-another-context",
        "reject-small-order-key",
        slug="dials-and-takes-any-signature",
        row=2,
    ),
    _skipping(
        "HSK-007",
        "Takes a responder's HELLO of any other connection.",
        "reject-other-binding",
        "reject-role-of-initiator",
        slug="dials-and-takes-any-binding",
        row=3,
    ),
    _skipping(
        "HSK-008",
        "Takes a responder's capabilities in any order.",
        "reject-unordered-capabilities",
        slug="dials-and-takes-unordered-capabilities",
    ),
    _skipping(
        "HSK-009",
        "Goes on with whoever answers at the address that it dialed.",
        "reject-another-node",
        slug="dials-and-takes-anybody",
        row=2,
    ),
    _skipping(
        "VER-002",
        "Goes on with a responder of version 99.",
        "reject-newer-version",
        "reject-older-version",
        slug="dials-and-takes-any-version",
        row=12,
    ),
    _skipping(
        "HSK-013",
        "Answers requests of a responder that has not shown who it is.",
        "reject-request-before-hello",
        slug="serves-a-responder-that-is-unproved",
        row=1,
    ),
    _skipping(
        "HSK-014",
        "Waits for ever for a responder that says nothing.",
        "reject-silence",
        slug="dials-and-waits-for-ever",
        row=19,
    ),
    _skipping(
        "EXT-009",
        "Overlooks a frame of an unknown type where only HELLO may be.",
        "reject-unknown-type-before-hello",
        slug="dials-and-overlooks-a-first-frame",
    ),
    _skipping(
        "RCP-001",
        "Takes quotes of any shape.",
        "reject-quote-with-unknown-key",
        slug="takes-quotes-of-any-shape",
    ),
    _skipping(
        "RCP-002",
        "Takes quotes that the peer has not signed: anybody announces models for anybody.",
        "reject-quote-of-another-provider",
        "reject-quote-with-bad-signature",
        "reject-quote-signed-as-open",
        slug="takes-quotes-of-others",
        row=1,
    ),
    _skipping(
        "CTL-001",
        "Does not mind that the responder's control stream has ended.",
        "reject-ended-control-stream",
        "reject-reset-control-stream",
        slug="dials-and-misses-the-end-of-control",
    ),
    _skipping(
        "CTL-003",
        "Reads whatever stream the responder opens.",
        "reject-stream-of-nobody",
        slug="dials-and-reads-any-stream",
    ),
    _skipping(
        "CTL-004",
        "Takes any number of frames on the responder's control stream.",
        "reject-flooded-control-stream",
        slug="dials-and-takes-a-flood",
    ),
    _skipping(
        "EXT-002",
        "Overlooks an unknown even type on the responder's control stream.",
        "reject-unknown-even-control-frame",
        slug="dials-and-overlooks-even-types",
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
