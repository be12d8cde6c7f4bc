"""Whom the target dials, what it shows of itself, and what it then asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from conformance.judge.consumer import Presents
from conformance.judge.expect import All, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.record import Record
from conformance.script.faults import Fault
from conformance.script.responder import Responder
from conformance.script.session import Session
from conformance.script.target import Target
from conformance.wire.link import Manner

from .common import ASKS, TWIN, asks_nothing, dialed, greets, hello_of


@dialed(
    TWIN,
    "HSK-002~1",
    "HSK-004~1",
    "HSK-016~1",
    "TRN-011~1",
    "HSK-018~1",
    expect=greets(pinned=True, stays=True),
    tier="smoke",
)
async def show_itself(session: Session) -> None:
    """The target knows whom it dials, and the responder proves that it is that node.

    Every refusal of this family has this case as its honest twin.
    """
    side = await Responder.connected(session, await Target.start(session))
    await side.probe()


@dialed("accept-any-certificate", "TRN-008~1", expect=greets(pinned=True, stays=True), twin=TWIN)
async def accept_any_certificate(session: Session) -> None:
    """The certificate is of another name and issuer, and expired in 2001: it proves nothing, and need not."""
    side = await Responder.dialed(session, await Target.start(session), manner=Manner.ODD_CERTIFICATE)
    await side.welcome()
    await side.probe()


def _comes_again(record: Record) -> Iterator[Finding]:
    if sum(hello_of(link) is not None for link in record.links) < 2:
        yield Finding(verdict=Verdict.FAIL, message="the target did not greet a second time")


@dialed(
    "resume-nothing",
    "TRN-009~1",
    "TRN-010~1",
    expect=Shows("the second connection is as new as the first", _comes_again),
    fault=Fault.TICKETS_SENT,
    twin=TWIN,
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


@dialed("speak-second", "HSK-002~1", expect=greets(pinned=True, stays=True))
async def speak_second(session: Session) -> None:
    """The responder's HELLO comes a second late: until then the initiator shows nothing of itself."""
    side = await Responder.dialed(session, await Target.start(session))
    await asyncio.sleep(1)
    await side.welcome()
    await side.probe()


@dialed("say-that-it-does-not-pin", "HSK-004~1", expect=greets(pinned=False, stays=False))
async def say_that_it_does_not_pin(session: Session) -> None:
    """The target dials an address without knowing who is there: its HELLO has to say so."""
    side = await Responder.dialed(session, await Target.start(session), pinned=False)
    side.greet()
    await side.hear_hello()


@dialed("accept-unknown-capabilities", "VER-008~1", expect=greets(pinned=True, stays=True), twin=TWIN)
async def accept_unknown_capabilities(session: Session) -> None:
    """The responder offers capabilities that nobody has heard of, odd and even."""
    side = await Responder.dialed(session, await Target.start(session))
    side.greet(capabilities=(1, 2, 1000, 65_535))
    await side.hear_hello()
    side.offer(side.quote())
    await side.probe()


@dialed(
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


@dialed(
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


@dialed(
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
