"""Sequence numbers: taken once, through restarts and crashes."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.cases.initiator.common import ASKS
from conformance.judge.consumer import Agrees, asked, results
from conformance.judge.expect import All, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.observers.observer import broken
from conformance.judge.record import Record
from conformance.script.responder import Responder
from conformance.script.serving import Serving
from conformance.script.session import Session
from conformance.script.target import Target

from .common import case


def _several(record: Record) -> Iterator[Finding]:
    opens = [each for each in asked(record) if each.opened]
    if len(opens) < 2:
        yield Finding(verdict=Verdict.FAIL, message=f"{len(opens)} opens came, and there had to be more")


_NUMBERED = Shows("every open has a number of its own, and names the one before it", _several)


@case("number-opens", "RCP-003~1", "RCP-042~1", expect=All((Agrees(), _NUMBERED)), role="initiator", needs=ASKS)
async def number_opens(session: Session) -> None:
    """Three requests, one after the other: three numbers, and each open names the one before; the first names none."""
    target = await Target.start(session)
    side = await Responder.connected(session, target)
    for _ in range(3):
        request = await target.ask(session.key.public)
        await (await Serving.next(side)).finish(tokens=2)
        await request.answer()


@case(
    "number-opens-through-a-restart",
    "RCP-003~1",
    "RCP-042~1",
    expect=All((Agrees(), _NUMBERED)),
    role="initiator",
    needs=ASKS | {"restart"},
    twin="number-opens",
)
async def number_opens_through_a_restart(session: Session) -> None:
    """The node stops and starts again between two requests: the second open still names the first."""
    target = await Target.start(session)
    listening = await session.listen()
    await target.dial(listening.address, session.key.public)
    for again in (False, True):
        side = await Responder.accepted(session, listening)
        await side.welcome()
        request = await target.ask(session.key.public)
        await (await Serving.next(side)).finish(tokens=2)
        await request.answer()
        if not again:
            await target.restart()


@case(
    "take-no-number-twice-after-a-crash",
    "RCP-003~1",
    expect=All((Agrees(), _NUMBERED)),
    role="initiator",
    needs=ASKS | {"restart", "restart.kill"},
    twin="number-opens",
)
async def take_no_number_twice(session: Session) -> None:
    """The node is killed as soon as its REQUEST has come: a number that is used twice would be proof of fraud."""
    target = await Target.start(session)
    listening = await session.listen()
    await target.dial(listening.address, session.key.public)
    side = await Responder.accepted(session, listening)
    await side.welcome()
    await target.ask(session.key.public)
    await Serving.next(side)
    await target.restart(kill=True)
    side = await Responder.accepted(session, listening)
    await side.welcome()
    request = await target.ask(session.key.public)
    await (await Serving.next(side)).finish(tokens=2)
    await request.answer()


def _another_key(record: Record) -> Iterator[Finding]:
    before, after = results(record, "start"), results(record, "lose-store")
    if after and before and after[-1][1]["node"] == before[-1][1]["node"]:
        yield broken("the node has lost its numbers and keeps its key", "KEY-008~1", after[-1][0])


@case(
    "change-the-key-with-the-store",
    "KEY-008~1",
    expect=Shows("the node has another key afterwards", _another_key),
    role="initiator",
    needs=ASKS | {"lose-store"},
    twin="number-opens",
)
async def change_the_key(session: Session) -> None:
    """The node has asked, and then loses its store: it cannot know which numbers it has used, so it becomes another."""
    target = await Target.start(session)
    side = await Responder.connected(session, target)
    request = await target.ask(session.key.public)
    await (await Serving.next(side)).finish(tokens=2)
    await request.answer()
    await target.lose_store()
