"""What the cases of this family begin with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from conformance.case import Script
from conformance.cases.registry import Family
from conformance.judge.consumer import results
from conformance.judge.expect import Expectation, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.record import Record
from conformance.script.asking import Asking
from conformance.script.faults import Fault
from conformance.script.initiator import Initiator
from conformance.script.session import Session
from conformance.script.target import Target

FAMILY = Family("ledger")
SERVES = frozenset({"start", "start.model"})
_SETTLE = 0.5
"""Seconds that a node has to store how an exchange ended; what has to be stored before something is sent has none."""


def case(slug: str, *requirements: str, expect: Expectation, **fields: Any) -> Callable[[Script], Script]:
    """A case whose script's docstring is the page."""
    return FAMILY.case(slug, requirements=requirements, expect=expect, **fields)


def add(
    slug: str, *requirements: str, expect: Expectation, fault: Fault, page: str, script: Script, **fields: Any
) -> None:
    """A case with a fault."""
    FAMILY.add(slug, requirements=requirements, expect=expect, fault=fault, page=page, script=script, **fields)


def _told(record: Record) -> Iterator[Finding]:
    if not results(record, "receipts"):
        yield Finding(verdict=Verdict.INCONCLUSIVE, message="the case did not come to look at what is stored")


TELLS = Shows("what is stored agrees with what was exchanged", _told)
"""The observers compare what is stored with what crossed the wire."""


async def settled(target: Target) -> None:
    """Look at what is stored, once the node has had time for it."""
    await asyncio.sleep(_SETTLE)
    await target.receipts()


async def serving(session: Session, **options: Any) -> tuple[Target, Initiator]:
    """A new node with a model, dialed by the suite. Raises `UntestableError` where it offers nothing."""
    target = await Target.start(session, model=True, **options)
    return target, await offered(session)


async def offered(session: Session) -> Initiator:
    """A new connection, on which a model is offered. Raises `UntestableError`."""
    side = await Initiator.connected(session)
    if not side.quotes:
        raise session.untestable("the started node offers no model", "let `start` with `model` give it one")
    return side


def asking(side: Initiator) -> Asking:
    """A request for what is offered."""
    return Asking(side, side.quotes[0])
