"""The target dials: handshake and control stream of an initiator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from conformance import dcbor, framing, shapes
from conformance.case import Script
from conformance.data import limit
from conformance.judge.consumer import Presents, asked
from conformance.judge.expect import All, Expectation, Fails, Shows, Stage, closed_by_target
from conformance.judge.finding import Finding, Verdict
from conformance.judge.observers.observer import broken
from conformance.judge.record import LinkRecord, Record
from conformance.script.faults import Fault
from conformance.script.greeting import GREETINGS, QUOTES
from conformance.script.responder import Responder
from conformance.script.session import Session
from conformance.script.target import Target
from conformance.wire.link import Manner

from .registry import Family

FAMILY = Family("initiator")
DIALS = frozenset({"start", "dial"})
ASKS = DIALS | {"ask", "answer"}
_TWIN = "show-itself-to-a-known-responder"


def _hello(link: LinkRecord) -> dict[int, Any] | None:
    """The target's HELLO on a connection that it dialed."""
    frame = next(link.of("target", 2), None)
    if frame is None or frame.kind != framing.HELLO or not shapes.is_signed(frame.value):
        return None
    try:
        value = dcbor.decode(frame.value[0])
    except dcbor.NotDeterministicError:
        return None
    return value if isinstance(value, dict) else None


def _greets(pinned: bool, *, stays: bool) -> Expectation:
    """The target shows itself, says whether it pins, and keeps the connection where that ``stays``."""

    def predicate(record: Record) -> Iterator[Finding]:
        hello = _hello(record.links[0]) if record.links else None
        if hello is None:
            yield Finding(verdict=Verdict.FAIL, message="the target sent no HELLO")
        elif hello.get(8) is not pinned:
            yield broken(f"pinned is {hello.get(8)}, and the node id was {'' if pinned else 'not '}known", "HSK-004~1")
        elif stays and closed_by_target(record.links[0]):
            yield Finding(verdict=Verdict.FAIL, message="the target closed the connection, and had to keep it")

    return Shows(f"the target sends HELLO with pinned {str(pinned).lower()}", predicate)


def asks_nothing(*requirements: str) -> Expectation:
    """No REQUEST, on any connection."""

    def predicate(record: Record) -> Iterator[Finding]:
        for exchange in asked(record):
            event = exchange.request.event if exchange.request is not None else -1
            for requirement in requirements:
                yield broken("a request was sent that must not be", requirement, event)

    return Shows("no request is sent", predicate)


def _case(slug: str, requirements: tuple[str, ...], script: Script, expect: Expectation, **fields: Any) -> None:
    FAMILY.add(
        slug, requirements=requirements, script=script, expect=expect, role="initiator", **{"needs": DIALS, **fields}
    )


def _dialed(slug: str, *requirements: str, expect: Expectation, **fields: Any) -> Callable[[Script], Script]:
    return FAMILY.case(slug, requirements=requirements, expect=expect, role="initiator", **{"needs": DIALS, **fields})


@_dialed(
    _TWIN, "HSK-002~1", "HSK-004~1", "HSK-016~1", "HSK-018~1", expect=_greets(pinned=True, stays=True), tier="smoke"
)
async def show_itself(session: Session) -> None:
    """The target knows whom it dials, and the responder proves that it is that node.

    Every refusal of this family has this case as its honest twin.
    """
    side = await Responder.connected(session, await Target.start(session))
    await side.probe()


@_dialed("accept-any-certificate", "TRN-008~1", expect=_greets(pinned=True, stays=True), twin=_TWIN)
async def accept_any_certificate(session: Session) -> None:
    """The certificate is of another name and issuer, and expired in 2001: it proves nothing, and need not."""
    side = await Responder.dialed(session, await Target.start(session), manner=Manner.ODD_CERTIFICATE)
    await side.welcome()
    await side.probe()


def _comes_again(record: Record) -> Iterator[Finding]:
    if sum(_hello(link) is not None for link in record.links) < 2:
        yield Finding(verdict=Verdict.FAIL, message="the target did not greet a second time")


@_dialed(
    "resume-nothing",
    "TRN-009~1",
    "TRN-010~1",
    expect=Shows("the second connection is as new as the first", _comes_again),
    fault=Fault.TICKETS_SENT,
    twin=_TWIN,
)
async def resume_nothing(session: Session) -> None:
    """The responder hands out session tickets, against the rules. The target dials again, and must not use one."""
    target = await Target.start(session)
    listening = await session.listen(Manner.TICKETS)
    await target.dial(listening.address, session.key.public)
    side = await Responder.accepted(session, listening)
    side.commits(Fault.TICKETS_SENT)
    await side.welcome()
    await side.probe()
    side.link.close()
    await target.dial(listening.address, session.key.public)
    side = await Responder.accepted(session, listening)
    await side.welcome()
    await side.probe()


@_dialed("speak-second", "HSK-002~1", expect=_greets(pinned=True, stays=True))
async def speak_second(session: Session) -> None:
    """The responder's HELLO comes a second late: until then the initiator shows nothing of itself."""
    side = await Responder.dialed(session, await Target.start(session))
    await asyncio.sleep(1)
    await side.welcome()
    await side.probe()


@_dialed("say-that-it-does-not-pin", "HSK-004~1", expect=_greets(pinned=False, stays=False))
async def say_that_it_does_not_pin(session: Session) -> None:
    """The target dials an address without knowing who is there: its HELLO has to say so."""
    side = await Responder.dialed(session, await Target.start(session), pinned=False)
    side.greet()
    await side.hear_hello()


@_dialed("accept-unknown-capabilities", "VER-008~1", expect=_greets(pinned=True, stays=True), twin=_TWIN)
async def accept_unknown_capabilities(session: Session) -> None:
    """The responder offers capabilities that nobody has heard of, odd and even."""
    side = await Responder.dialed(session, await Target.start(session))
    side.greet(capabilities=(1, 2, 1000, 65_535))
    await side.hear_hello()
    side.offer(side.quote())
    await side.probe()


@_dialed(
    "ask-nobody-unpinned",
    "HSK-020~1",
    expect=All((asks_nothing("HSK-020~1"), Presents("failed"))),
    needs=ASKS,
    twin="consumer/pay-and-agree",
)
async def ask_nobody_unpinned(session: Session) -> None:
    """A connection to somebody unknown is good for learning who is there: no prompt may go that way."""
    target = await Target.start(session)
    side = await Responder.dialed(session, target, pinned=False)
    side.greet()
    await side.hear_hello()
    side.offer(side.quote())
    await (await target.ask(session.key.public)).answer()


@_dialed(
    "ask-nobody-without-the-capability",
    "HSK-020~1",
    "VER-003~1",
    expect=All((asks_nothing("HSK-020~1"), Presents("failed"))),
    needs=ASKS,
    twin="consumer/pay-and-agree",
)
async def ask_nobody_without_the_capability(session: Session) -> None:
    """The responder offers a model, but not the capability CHAT: what was not agreed is not used."""
    target = await Target.start(session)
    side = await Responder.dialed(session, target)
    side.greet(capabilities=())
    await side.hear_hello()
    side.offer(side.quote())
    await (await target.ask(session.key.public)).answer()


@_dialed(
    "forget-what-is-no-longer-offered",
    "CTL-007~1",
    expect=All((asks_nothing("CTL-007~1"), Presents("failed"))),
    needs=ASKS,
    twin="consumer/pay-and-agree",
)
async def forget_what_is_no_longer_offered(session: Session) -> None:
    """MODELS is the whole list each time: after an empty one, nothing of an earlier one can be asked."""
    target = await Target.start(session)
    side = await Responder.connected(session, target)
    side.offer()
    await side.probe()
    await (await target.ask(session.key.public)).answer()


# HELLO of the responder


async def _greet_with_fault(session: Session) -> None:
    """Let the target dial, and greet it with the faulty HELLO."""
    side = await Responder.dialed(session, await Target.start(session))
    side.commits(session.fault)
    side.control(framing.HELLO, GREETINGS[session.fault](side))
    await side.rest(within=3)


def _reject(
    slug: str, fault: Fault, code: str, *requirements: str, page: str, script: Script = _greet_with_fault,
    stage: Stage = "handshake", **fields: Any,
) -> None:  # fmt: skip
    fields = {"twin": _TWIN, **fields}
    _case(
        slug, requirements, script, Fails(code, stage, late=fields.pop("late", False)), page=page, fault=fault, **fields
    )


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
    _reject(f"reject-{_slug}", _fault, _code, *_requirements, page=_page)


async def _answer_as_another(session: Session) -> None:
    """The target dials a node that it knows; somebody else is there."""
    target = await Target.start(session)
    listening = await session.listen()
    await target.dial(listening.address, bytes(reversed(session.key.public)))
    side = await Responder.accepted(session, listening)
    side.commits(session.fault)
    side.greet()
    await side.rest(within=3)


_reject(
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


_reject(
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


_reject(
    "reject-models-before-hello",
    Fault.MODELS_BEFORE_GREETING,
    "UNEXPECTED_FRAME",
    "STM-001~1",
    "HSK-019~1",
    page="MODELS comes before HELLO: nobody has proved who offers it.",
    script=_begin_otherwise,
)
_reject(
    "reject-unknown-type-before-hello",
    Fault.UNKNOWN_TYPE_BEFORE_GREETING,
    "UNKNOWN_FRAME",
    "EXT-009~1",
    page="A frame of a reserved type opens the control stream, where only HELLO may.",
    script=_begin_otherwise,
)
_reject(
    "reject-request-before-hello",
    Fault.REQUEST_BEFORE_GREETING,
    _FAILED,
    "HSK-013~1",
    page="The responder opens a request stream before it has shown who it is.",
    script=_begin_otherwise,
)


# Control streams


async def _offer_with_fault(session: Session) -> None:
    """Greet honestly, and offer the faulty quote."""
    side = await Responder.dialed(session, await Target.start(session))
    side.greet()
    await side.hear_hello()
    side.commits(session.fault)
    side.offer(QUOTES[session.fault](side))
    await side.rest(within=3)


for _slug, _fault, _requirements, _page in (
    ("quote-without-window", Fault.QUOTE_MISSING_KEY, ("RCP-001~1",), "A quote that does not say its window."),
    ("quote-with-unknown-key", Fault.QUOTE_UNKNOWN_KEY, ("RCP-001~1", "EXT-003~1"),
     "A quote with a key that this version does not have, odd, and signed."),
    ("quote-not-deterministic", Fault.QUOTE_NOT_DETERMINISTIC, ("ENC-013~1",),
     "A quote whose keys do not ascend, signed as it is."),
    ("quote-of-another-provider", Fault.QUOTE_OF_ANOTHER_PROVIDER, ("RCP-002~1",),
     "A quote that another node has signed for itself: nobody can announce models for anybody else."),
    ("quote-with-bad-signature", Fault.QUOTE_SIGNATURE_FLIPPED, ("RCP-002~1",),
     "A quote in which one bit of the signature is another."),
    ("quote-signed-as-open", Fault.QUOTE_SIGNED_IN_ANOTHER_CONTEXT, ("RCP-002~1",),
     "The provider's key signed the quote in the context of opens."),
):  # fmt: skip
    _reject(
        f"reject-{_slug}", _fault, "ENCODING", *_requirements, page=_page, script=_offer_with_fault, stage="control"
    )


async def _misuse_streams(session: Session) -> None:
    """After an honest handshake, misuse the control stream or open one that nobody opens."""
    side = await Responder.connected(session, await Target.start(session))
    await side.probe()
    side.commits(session.fault)
    if session.fault is Fault.RESPONDER_CONTROL_ENDED:
        side.link.write(3, b"", fin=True)
    elif session.fault is Fault.RESPONDER_CONTROL_RESET:
        side.link.reset(3)
    elif session.fault is Fault.RESPONDER_STREAM_OF_NOBODY:
        side.link.write(7, b"\0")
    elif session.fault is Fault.RESPONDER_CONTROL_FLOODED:
        for _ in range(limit("CONTROL_BURST") + 8):
            side.control(65, b"")
    elif session.fault is Fault.GREETING_TWICE:
        side.greet()
    else:
        side.control(1000, b"")
    await side.rest(within=3)


for _slug, _fault, _code, _requirements, _page in (
    ("ended-control-stream", Fault.RESPONDER_CONTROL_ENDED, "STREAM_MISUSE", ("CTL-001~1",),
     "The responder ends its control stream, which lives as long as the connection."),
    ("reset-control-stream", Fault.RESPONDER_CONTROL_RESET, "STREAM_MISUSE", ("CTL-001~1",),
     "The responder resets its control stream."),
    ("stream-of-nobody", Fault.RESPONDER_STREAM_OF_NOBODY, "STREAM_MISUSE", ("CTL-003~1",),
     "Data comes on a second unidirectional stream of the responder's."),
    ("flooded-control-stream", Fault.RESPONDER_CONTROL_FLOODED, "RATE_EXCEEDED", ("CTL-004~1",),
     "More frames at once than the control stream's allowance, all of a reserved type."),
    ("second-hello", Fault.GREETING_TWICE, "UNEXPECTED_FRAME", ("STM-001~1",),
     "The responder greets a second time."),
    ("unknown-even-control-frame", Fault.RESPONDER_UNKNOWN_EVEN_TYPE, "UNKNOWN_FRAME", ("EXT-002~1",),
     "A frame of an unknown even type: the receiver would have to understand it."),
):  # fmt: skip
    # A sign of life, on a stream of the responder's, came before: the connection had a request.
    _reject(f"reject-{_slug}", _fault, _code, *_requirements, page=_page, script=_misuse_streams, stage="request")


def _should_leave(record: Record) -> Iterator[Finding]:
    link = record.fault_link
    if link is None or not closed_by_target(link):
        yield broken("the target waits for MODELS for ever", "CTL-009~1")


@_dialed(
    "give-up-without-models",
    "CTL-009~1",
    expect=Shows("the connection is closed", _should_leave),
    fault=Fault.MODELS_NOT_SENT,
    twin=_TWIN,
    tier="full",
    seconds=12,
)
async def give_up_without_models(session: Session) -> None:
    """The responder takes the HELLO and never says what it offers: the initiator should not wait for ever."""
    side = await Responder.dialed(session, await Target.start(session))
    side.greet()
    await side.hear_hello()
    side.commits(Fault.MODELS_NOT_SENT)
    await side.rest(within=limit("HANDSHAKE_TIMEOUT") + 3)
