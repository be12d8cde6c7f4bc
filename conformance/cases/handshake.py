"""The handshake, against a responder: SPEC.md, "Handshake"."""

from __future__ import annotations

from conformance import dcbor, framing
from conformance.data import limit
from conformance.judge.ending import Stage
from conformance.judge.expect import Completes, Fails, Greets, Refuses
from conformance.script.asking import Asking
from conformance.script.faults import Fault
from conformance.script.handshake import hello_with
from conformance.script.initiator import Initiator
from conformance.script.places import complete, fail, invented_quote
from conformance.script.session import Session

from .registry import Family

FAMILY = Family("handshake")
_TWIN = "accept-pinned"


async def _greet_with_fault(session: Session) -> None:
    """Dial, read the responder's HELLO, and answer it with the faulty one."""
    side = await Initiator.dial(session)
    await side.hear_hello()
    side.commits(session.fault)
    side.control(framing.HELLO, hello_with(session.fault, side))
    await side.rest(within=3)


def _reject(slug: str, fault: Fault, code: str, *requirements: str, page: str, stage: Stage = "handshake") -> None:
    FAMILY.add(
        f"reject-{slug}",
        page=page,
        requirements=requirements,
        script=_greet_with_fault,
        expect=Fails(code, stage),
        fault=fault,
        twin=_TWIN,
    )


@FAMILY.case(
    _TWIN,
    requirements=("HSK-003~1", "HSK-016~1", "HSK-017~1", "HSK-018~1", "CTL-006~1", "VER-006~1"),
    expect=Greets(),
    tier="smoke",
)
async def accept_pinned(session: Session) -> None:
    """An initiator that knows whom it dials answers the responder's HELLO with its own, and gets MODELS.

    Every refusal of this family has this case as its honest twin.
    """
    await Initiator.connected(session)


@FAMILY.case("accept-unpinned", requirements=("CTL-006~1",), expect=Greets())
async def accept_unpinned(session: Session) -> None:
    """An initiator that does not know whom it dials says so, and is told what the node offers all the same."""
    await Initiator.connected(session, pinned=False)


@FAMILY.case("accept-unknown-capabilities", requirements=("VER-008~1",), expect=Completes(), twin=_TWIN)
async def accept_unknown_capabilities(session: Session) -> None:
    """Capabilities that nobody has heard of, odd and even, are ignored, and what both know still works."""
    side = await Initiator.connected(session, capabilities=(1, 2, 1000, 65_535))
    await complete(side)


@FAMILY.case(
    "reject-silence",
    requirements=("HSK-014~1",),
    expect=Fails("TIMEOUT", "handshake"),
    fault=Fault.HELLO_NOT_SENT,
    twin=_TWIN,
    tier="full",
    seconds=12,
)
async def reject_silence(session: Session) -> None:
    """A peer that completes TLS and then says nothing must not hold a connection for ever.

    The responder's HELLO has to come by itself; ten seconds after the channel binding the connection is closed.
    """
    side = await Initiator.dial(session)
    await side.hear_hello()
    side.commits(Fault.HELLO_NOT_SENT)
    await side.rest(within=limit("HANDSHAKE_TIMEOUT") + 3)


@FAMILY.case(
    "reject-request-before-hello",
    requirements=("HSK-013~1",),
    expect=Fails("HANDSHAKE_FAILED", "handshake"),
    fault=Fault.REQUEST_BEFORE_HELLO,
    twin=_TWIN,
)
async def reject_request_before_hello(session: Session) -> None:
    """A request stream begins before the initiator has shown who it is: nobody is served who never proved a key."""
    side = await Initiator.dial(session)
    await side.hear_hello()
    asking = Asking(side, invented_quote(side))
    asking.send(asking.compose(), fault=session.fault)
    await side.rest(within=3)


@FAMILY.case(
    "reject-models-before-hello",
    requirements=("HSK-019~1", "STM-001~1"),
    expect=Fails("UNEXPECTED_FRAME", "handshake"),
    fault=Fault.FRAME_BEFORE_HELLO,
    twin=_TWIN,
)
async def reject_models_before_hello(session: Session) -> None:
    """The initiator offers its models before it has shown who it is. Nobody may take them, or answer with its own."""
    side = await Initiator.dial(session)
    await side.hear_hello()
    await fail(side, session.fault, framing.MODELS, dcbor.encode({0: []}))


@FAMILY.case(
    "refuse-unpinned-request",
    requirements=("HSK-015~1",),
    expect=Refuses("UNPINNED"),
    fault=Fault.REQUEST_UNPINNED,
    twin="accept-unknown-capabilities",
)
async def refuse_unpinned_request(session: Session) -> None:
    """An initiator that did not know whom it dials asks a question: its prompt would be anybody's who answers there."""
    side = await Initiator.connected(session, pinned=False)
    asking = Asking(side, side.quotes[0] if side.quotes else invented_quote(side))
    asking.send(asking.compose(), fault=session.fault)
    await side.frame(asking.stream, "ERROR")
    await side.probe()


_reject(
    "bad-signature",
    Fault.HELLO_SIGNATURE_FLIPPED,
    "HANDSHAKE_FAILED",
    "HSK-006~1",
    page="One bit of the signature is another. A node that does not look serves anybody who names a key.",
)
_reject(
    "signature-of-another-key",
    Fault.HELLO_SIGNED_BY_ANOTHER_KEY,
    "HANDSHAKE_FAILED",
    "HSK-006~1",
    page="The signature is valid, but under a key that is not the HELLO's node_key.",
)
_reject(
    "signature-of-another-context",
    Fault.HELLO_SIGNED_IN_ANOTHER_CONTEXT,
    "HANDSHAKE_FAILED",
    "HSK-006~1",
    page="The key signed these bytes as a quote and never as a HELLO: contexts keep its uses apart.",
)
_reject(
    "body-changed-after-signing",
    Fault.HELLO_CHANGED_AFTER_SIGNING,
    "HANDSHAKE_FAILED",
    "HSK-006~1",
    page="A capability is added to the HELLO after it was signed, as somebody on the way would.",
)
_reject(
    "small-order-key",
    Fault.HELLO_SMALL_ORDER_KEY,
    "HANDSHAKE_FAILED",
    "HSK-006~1",
    page="The key is a point of small order, under which lax libraries take one signature for every message.",
)
_reject(
    "other-binding",
    Fault.HELLO_OTHER_BINDING,
    "HANDSHAKE_FAILED",
    "HSK-007~1",
    page="The HELLO is bound to another TLS connection: a recorded one, or one that is passed on in the middle.",
)
_reject(
    "role-of-responder",
    Fault.HELLO_ROLE_OF_RESPONDER,
    "HANDSHAKE_FAILED",
    "HSK-007~1",
    page="The initiator's shape with the responder's role: what one side signs is never good for the other.",
)
_reject(
    "reflected-hello",
    Fault.HELLO_REFLECTED,
    "HANDSHAKE_FAILED",
    "HSK-005~1",
    page="The responder's own HELLO comes back to it.",
)
_reject(
    "responder-shape",
    Fault.HELLO_RESPONDER_SHAPE,
    "HANDSHAKE_FAILED",
    "HSK-005~1",
    page="A HELLO of the initiator's without peer_key, peer_hello and pinned.",
)
_reject(
    "missing-key",
    Fault.HELLO_MISSING_KEY,
    "HANDSHAKE_FAILED",
    "HSK-005~1",
    page="A HELLO without capabilities.",
)
_reject(
    "unknown-even-key",
    Fault.HELLO_UNKNOWN_EVEN_KEY,
    "HANDSHAKE_FAILED",
    "HSK-005~1",
    "EXT-003~1",
    page="A signed map holds a key that this version does not have.",
)
_reject(
    "unknown-odd-key",
    Fault.HELLO_UNKNOWN_ODD_KEY,
    "HANDSHAKE_FAILED",
    "HSK-005~1",
    "EXT-003~1",
    page="In a signed map an unknown key is fatal even where it is odd: two readers may not differ on what was signed.",
)
_reject(
    "body-not-deterministic",
    Fault.HELLO_BODY_NOT_DETERMINISTIC,
    "ENCODING",
    "ENC-013~1",
    page="The keys of the signed body do not ascend, and the signature is right: an item of other bytes is no item.",
)
_reject(
    "no-signed-object",
    Fault.HELLO_NOT_SIGNED_OBJECT,
    "ENCODING",
    "SIG-001~1",
    page="The body of HELLO is the map itself, without a signature.",
)
_reject(
    "oversized-hello",
    Fault.HELLO_OVERSIZED,
    "FRAME_TOO_LARGE",
    "FRM-005~1",
    page="A HELLO of more than 1024 bytes: nothing of that size is kept for a stranger.",
)
_reject(
    "unordered-capabilities",
    Fault.HELLO_CAPABILITIES_UNORDERED,
    "HANDSHAKE_FAILED",
    "HSK-008~1",
    page="Capabilities that descend.",
)
_reject(
    "repeated-capability",
    Fault.HELLO_CAPABILITY_TWICE,
    "HANDSHAKE_FAILED",
    "HSK-008~1",
    page="One capability twice.",
)
_reject(
    "hello-for-another-node",
    Fault.HELLO_FOR_ANOTHER_PEER,
    "WRONG_PEER",
    "HSK-011~1",
    page="The initiator signed a HELLO for another responder.",
)
_reject(
    "other-peer-hello",
    Fault.HELLO_NAMES_ANOTHER_HELLO,
    "HANDSHAKE_FAILED",
    "HSK-012~1",
    page="peer_hello is not the name of the HELLO that the responder sent: an offer was weakened on the way.",
)
_reject(
    "newer-version",
    Fault.HELLO_VERSION_TOO_NEW,
    "VERSION_UNSUPPORTED",
    "VER-002~1",
    page="The initiator supports version 99 alone.",
)
_reject(
    "older-version",
    Fault.HELLO_VERSION_TOO_OLD,
    "VERSION_UNSUPPORTED",
    "VER-002~1",
    page="The initiator supports version 0 alone.",
)
