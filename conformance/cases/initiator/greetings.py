"""HELLOs of a responder that an initiator must not take."""

from __future__ import annotations

from conformance import dcbor, framing
from conformance.data import limit
from conformance.script.faults import Fault
from conformance.script.greeting import GREETINGS
from conformance.script.responder import Responder
from conformance.script.session import Session
from conformance.script.target import Target

from .common import reject

# HELLO of the responder


async def _greet_with_fault(session: Session) -> None:
    """Let the target dial, and greet it with the faulty HELLO."""
    side = await Responder.dialed(session, await Target.start(session))
    side.commits(session.fault)
    side.control(framing.HELLO, GREETINGS[session.fault](side))
    await side.rest(within=3)


_FAILED = "HANDSHAKE_FAILED"
for _slug, _fault, _code, _requirements, _page in (
    ("bad-signature", Fault.GREETING_SIGNATURE_FLIPPED, _FAILED, ("HSK-006~1",),
     "One bit of the signature is another. An initiator that does not look sends its prompts to anybody."),
    ("signature-of-another-key", Fault.GREETING_SIGNED_BY_ANOTHER_KEY, _FAILED, ("HSK-006~1",),
     "The HELLO names the node that was dialed, and another key signed it: a rogue at the right address."),
    ("signature-of-another-context", Fault.GREETING_SIGNED_IN_ANOTHER_CONTEXT, _FAILED, ("HSK-006~1",),
     "The key signed these bytes as a quote and never as a HELLO."),
    ("small-order-key", Fault.GREETING_SMALL_ORDER_KEY, _FAILED, ("HSK-006~1",),
     "The key is a point of small order, under which lax libraries take one signature for every message."),
    ("other-binding", Fault.GREETING_OTHER_BINDING, _FAILED, ("HSK-007~1",),
     "The HELLO is bound to another TLS connection: a recorded one, or one that is passed on in the middle."),
    ("role-of-initiator", Fault.GREETING_ROLE_OF_INITIATOR, _FAILED, ("HSK-007~1",),
     "The responder's shape with the initiator's role."),
    ("initiator-shape", Fault.GREETING_INITIATOR_SHAPE, _FAILED, ("HSK-005~1",),
     "The responder sends peer_key, peer_hello and pinned, which are the initiator's to say."),
    ("missing-key", Fault.GREETING_MISSING_KEY, _FAILED, ("HSK-005~1",),
     "A HELLO without capabilities."),
    ("unknown-even-key", Fault.GREETING_UNKNOWN_EVEN_KEY, _FAILED, ("HSK-005~1", "EXT-003~1"),
     "A signed map holds a key that this version does not have."),
    ("unknown-odd-key", Fault.GREETING_UNKNOWN_ODD_KEY, _FAILED, ("HSK-005~1", "EXT-003~1"),
     "In a signed map an unknown key is fatal even where it is odd."),
    ("unordered-capabilities", Fault.GREETING_CAPABILITIES_UNORDERED, _FAILED, ("HSK-008~1",),
     "Capabilities that descend."),
    ("body-not-deterministic", Fault.GREETING_BODY_NOT_DETERMINISTIC, "ENCODING", ("ENC-013~1",),
     "The keys of the signed body do not ascend, and the signature is right."),
    ("no-signed-object", Fault.GREETING_NOT_SIGNED_OBJECT, "ENCODING", ("SIG-001~1",),
     "The body of HELLO is the map itself, without a signature."),
    ("oversized-hello", Fault.GREETING_OVERSIZED, "FRAME_TOO_LARGE", ("FRM-005~1",),
     "A HELLO of more than 1024 bytes."),
    ("newer-version", Fault.GREETING_VERSION_TOO_NEW, "VERSION_UNSUPPORTED", ("VER-002~1",),
     "The responder supports version 99 alone."),
    ("older-version", Fault.GREETING_VERSION_TOO_OLD, "VERSION_UNSUPPORTED", ("VER-002~1",),
     "The responder supports version 0 alone."),
):  # fmt: skip
    reject(f"reject-{_slug}", _fault, _code, *_requirements, page=_page, script=_greet_with_fault)


async def _answer_as_another(session: Session) -> None:
    """The target dials a node that it knows; somebody else is there."""
    target = await Target.start(session)
    listening = await session.listen()
    await target.dial(listening.address, bytes(reversed(session.key.public)))
    side = await Responder.accepted(session, listening)
    side.commits(session.fault)
    side.greet()
    await side.rest(within=3)


reject(
    "reject-another-node",
    Fault.GREETING_OF_ANOTHER_NODE,
    "WRONG_PEER",
    "HSK-009~1",
    page="At the address that was dialed another node answers, with a flawless HELLO of its own.",
    script=_answer_as_another,
)


async def _say_nothing(session: Session) -> None:
    """Complete TLS, and send nothing."""
    side = await Responder.dialed(session, await Target.start(session))
    side.commits(session.fault)
    await side.rest(within=limit("HANDSHAKE_TIMEOUT") + 3)


reject(
    "reject-silence",
    Fault.GREETING_NOT_SENT,
    "TIMEOUT",
    "HSK-014~1",
    page="The responder completes TLS, and then says nothing: ten seconds later the initiator is gone.",
    script=_say_nothing,
    tier="full",
    seconds=12,
)


async def _begin_otherwise(session: Session) -> None:
    """The first bytes of the responder are no HELLO."""
    side = await Responder.dialed(session, await Target.start(session))
    side.commits(session.fault)
    models = dcbor.encode({0: []})
    if session.fault is Fault.REQUEST_BEFORE_GREETING:
        side.link.write(1, framing.write_frame(framing.CREDIT, dcbor.encode({0: 1})))
    elif session.fault is Fault.MODELS_BEFORE_GREETING:
        side.control(framing.MODELS, models)
    else:
        side.control(side.session.entropy.reserved(), b"")
    await side.rest(within=3)


reject(
    "reject-models-before-hello",
    Fault.MODELS_BEFORE_GREETING,
    "UNEXPECTED_FRAME",
    "STM-001~1",
    "HSK-019~1",
    page="MODELS comes before HELLO: nobody has proved who offers it.",
    script=_begin_otherwise,
)
reject(
    "reject-unknown-type-before-hello",
    Fault.UNKNOWN_TYPE_BEFORE_GREETING,
    "UNKNOWN_FRAME",
    "EXT-009~1",
    page="A frame of a reserved type opens the control stream, where only HELLO may.",
    script=_begin_otherwise,
)
reject(
    "reject-request-before-hello",
    Fault.REQUEST_BEFORE_GREETING,
    _FAILED,
    "HSK-013~1",
    page="The responder opens a request stream before it has shown who it is.",
    script=_begin_otherwise,
)
