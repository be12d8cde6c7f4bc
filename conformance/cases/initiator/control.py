"""Control streams of a responder: quotes that are none, streams that are misused, MODELS that never come."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.data import limit
from conformance.judge.ending import closed_by_target
from conformance.judge.expect import Shows
from conformance.judge.finding import Finding
from conformance.judge.observers.observer import broken
from conformance.judge.record import Record
from conformance.script.faults import Fault
from conformance.script.greeting import QUOTES
from conformance.script.responder import Responder
from conformance.script.session import Session
from conformance.script.target import Target

from .common import TWIN, dialed, reject

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
    reject(f"reject-{_slug}", _fault, "ENCODING", *_requirements, page=_page, script=_offer_with_fault, stage="control")


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
    reject(f"reject-{_slug}", _fault, _code, *_requirements, page=_page, script=_misuse_streams, stage="request")


def _should_leave(record: Record) -> Iterator[Finding]:
    link = record.fault_link
    if link is None or not closed_by_target(link):
        yield broken("the target waits for MODELS for ever", "CTL-009~1")


@dialed(
    "give-up-without-models",
    "CTL-009~1",
    expect=Shows("the connection is closed", _should_leave),
    fault=Fault.MODELS_NOT_SENT,
    twin=TWIN,
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
