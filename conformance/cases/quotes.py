"""Quotes, against a responder: those of the suite's node that it reads, and its own in time. SPEC.md, "Receipts"."""

from __future__ import annotations

from conformance import framing, signing
from conformance.data import limit
from conformance.judge.expect import Completes, Fails
from conformance.script.faults import Fault
from conformance.script.initiator import Initiator
from conformance.script.opens import QUOTES, models, own_quote
from conformance.script.payment import completes
from conformance.script.session import Session

from .registry import Family

FAMILY = Family("quotes")
_TWIN = "accept-models-of-initiator"
_SKEW = limit("CLOCK_SKEW")
_LIFE = 3600
"""Seconds for which quotes are commonly good: as long as a case may wait in virtual time."""


@FAMILY.case(_TWIN, requirements=("RCP-001~1", "RCP-002~1"), expect=Completes())
async def accept_models_of_initiator(session: Session) -> None:
    """An initiator offers a model too: a quote of its own, rightly signed, is taken, and the connection lives on."""
    side = await Initiator.connected(session)
    side.control(framing.MODELS, models(side, side.session.key.signed(signing.QUOTE, own_quote(side))))
    await completes(side)


async def _offer_with_fault(session: Session) -> None:
    """Send MODELS with a faulty quote."""
    side = await Initiator.connected(session)
    side.commits(session.fault)
    side.control(framing.MODELS, models(side, QUOTES[session.fault](side)))
    await side.rest(within=3)


def _reject(slug: str, fault: Fault, *requirements: str, page: str) -> None:
    FAMILY.add(
        f"reject-{slug}",
        page=page,
        requirements=requirements,
        script=_offer_with_fault,
        expect=Fails("ENCODING", "control"),
        fault=fault,
        twin=_TWIN,
    )


_reject(
    "trailing-byte",
    Fault.QUOTE_NOT_AN_ITEM,
    "ENC-011~1",
    page="A byte follows the quote's body, and the signature covers it: what is signed is no item.",
)
_reject(
    "missing-key",
    Fault.QUOTE_MISSING_KEY,
    "RCP-001~1",
    page="A quote that never expires, because it does not say when.",
)
_reject(
    "unknown-odd-key",
    Fault.QUOTE_UNKNOWN_ODD_KEY,
    "RCP-001~1",
    "EXT-003~1",
    page="A quote with a key that this version does not have. It is odd, but the map is signed.",
)
_reject(
    "window-zero",
    Fault.QUOTE_WINDOW_ZERO,
    "RCP-001~1",
    page="A window of no ticks, in which no answer could begin.",
)
_reject(
    "tick-value-zero",
    Fault.QUOTE_TICK_VALUE_ZERO,
    "RCP-001~1",
    page="A tick that is worth nothing: whoever divides by it stops.",
)
_reject(
    "price-too-high",
    Fault.QUOTE_PRICE_TOO_HIGH,
    "RCP-001~1",
    page="A price above MAX_PRICE, with which sums would not stay exact.",
)
_reject(
    "quote-of-another-provider",
    Fault.QUOTE_OF_ANOTHER_PROVIDER,
    "RCP-002~1",
    page="A third node's quote, which that node rightly signed: nobody announces models for anybody else.",
)
_reject(
    "signature-of-another-key",
    Fault.QUOTE_SIGNED_BY_ANOTHER_KEY,
    "RCP-002~1",
    page="The quote names the peer, and another key signed it.",
)
_reject(
    "bad-signature",
    Fault.QUOTE_SIGNATURE_FLIPPED,
    "RCP-002~1",
    page="One bit of the signature is another.",
)
_reject(
    "signature-of-another-context",
    Fault.QUOTE_SIGNED_IN_ANOTHER_CONTEXT,
    "RCP-002~1",
    page="The peer signed these bytes as an open, and never as a quote.",
)
