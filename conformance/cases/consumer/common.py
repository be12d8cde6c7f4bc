"""What the cases of this family begin with: a node that has dialed the suite and asked it for an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.case import Script
from conformance.cases.initiator.common import ASKS
from conformance.cases.registry import Family
from conformance.judge.expect import Expectation
from conformance.script.asking import PROMPT
from conformance.script.faults import Fault
from conformance.script.responder import Responder
from conformance.script.serving import Serving
from conformance.script.session import Session
from conformance.script.target import Request, Target

FAMILY = Family("consumer")
TWIN = "pay-and-agree"
SETTLE = 0.3
"""Seconds in which what was sent has arrived, where nothing answers it."""


async def begin(
    session: Session,
    *,
    max_tokens: int = 8,
    deadline_ms: int = 60_000,
    prompt: str = PROMPT,
    quote: dict[str, Any] | None = None,
    **options: Any,
) -> tuple[Request, Serving]:
    """A new node has dialed the suite, was offered a model, and has asked for an answer."""
    target = await Target.start(session, **options)
    side = await Responder.connected(session, target, **(quote or {}))
    request = await target.ask(session.key.public, max_tokens=max_tokens, deadline_ms=deadline_ms, prompt=prompt)
    return request, await Serving.next(side)


def case(slug: str, *requirements: str, expect: Expectation, **fields: Any) -> Callable[[Script], Script]:
    """A case of the target as consumer, whose script's docstring is the page."""
    return FAMILY.case(slug, requirements=requirements, expect=expect, role="initiator", **{"needs": ASKS, **fields})


def add(
    slug: str, *requirements: str, expect: Expectation, fault: Fault, page: str, script: Script, **fields: Any
) -> None:
    """A case with a fault; the honest answer is its twin where ``fields`` name none."""
    FAMILY.add(
        slug,
        requirements=requirements,
        expect=expect,
        fault=fault,
        page=page,
        script=script,
        role="initiator",
        **{"needs": ASKS, "twin": TWIN, **fields},
    )
