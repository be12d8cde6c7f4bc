"""Control streams: SPEC.md, "Control streams"."""

from __future__ import annotations

from conformance import dcbor, framing, signing
from conformance.judge.expect import Completes
from conformance.script import places
from conformance.script.initiator import Initiator
from conformance.script.session import Session

from .registry import Family

FAMILY = Family("control")
_TWIN = "accept-models-of-initiator"


@FAMILY.case(_TWIN, requirements=("RCP-001~1", "RCP-002~1"), expect=Completes())
async def accept_models_of_initiator(session: Session) -> None:
    """The initiator offers a model of its own, later another list and then none, and asks a question meanwhile."""
    side = await Initiator.connected(session)
    quote = session.key.signed(signing.QUOTE, places.own_quote(side))
    for quotes in ([quote], [quote, quote], []):
        side.control(framing.MODELS, dcbor.encode({0: quotes, session.entropy.reserved(): None}))
    await places.complete(side)
