"""The target asks: requests, payments and agreements of a consumer."""

from __future__ import annotations

from conformance.judge.consumer import Agrees, Presents
from conformance.judge.expect import All
from conformance.script.responder import Responder
from conformance.script.serving import Serving
from conformance.script.session import Session
from conformance.script.target import Request, Target

from .registry import Family

FAMILY = Family("consumer")
_NEEDS = frozenset({"start", "dial", "ask", "answer"})
_TWIN = "pay-and-agree"


async def asked(session: Session, *, max_tokens: int = 8) -> tuple[Target, Request, Serving]:
    """A new node has dialed the suite and asked it something."""
    target = await Target.start(session)
    side = await Responder.connected(session, target)
    request = await target.ask(session.key.public, max_tokens=max_tokens)
    return target, request, await Serving.next(side)


@FAMILY.case(
    _TWIN,
    requirements=("INF-001~1", "RCP-018~1", "RCP-046~1"),
    expect=All((Agrees(), Presents("whole"))),
    role="initiator",
    needs=_NEEDS,
    tier="smoke",
)
async def pay_and_agree(session: Session) -> None:
    """An honest answer of eight tokens is paid while it flows, and agreed on at its end.

    Every refusal of this family has this case as its honest twin.
    """
    _, request, serving = await asked(session)
    await serving.finish()
    await request.answer()
