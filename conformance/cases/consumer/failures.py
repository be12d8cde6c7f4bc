"""Errors and cuts: what is no whole answer must not look like one."""

from __future__ import annotations

import asyncio

from conformance.cases.initiator.common import asks_nothing
from conformance.data import error_code
from conformance.judge.consumer import Presents
from conformance.judge.expect import All
from conformance.script.responder import Responder
from conformance.script.session import Session
from conformance.script.target import Target

from .common import SETTLE, TWIN, begin, case


@case("show-a-refusal", "ERR-010~1", "INF-021~1", expect=Presents("failed", ("BUSY",)), twin=TWIN)
async def show_a_refusal(session: Session) -> None:
    """The provider is busy: its user is told so, and no text of an answer says it."""
    request, serving = await begin(session)
    serving.error("BUSY")
    await request.answer()


@case("take-an-unknown-code-as-internal", "ERR-005~1", expect=Presents("failed", ("INTERNAL",)), twin=TWIN)
async def take_an_unknown_code(session: Session) -> None:
    """The provider refuses with a code that no version has given yet."""
    request, serving = await begin(session)
    serving.error(60_001)
    await request.answer()


@case("show-an-error-in-the-middle", "ERR-010~1", "INF-021~1", expect=Presents("failed"), twin=TWIN)
async def show_an_error_in_the_middle(session: Session) -> None:
    """The provider gives up after four tokens: that is no answer, however good its beginning reads."""
    request, serving = await begin(session)
    await serving.begin()
    serving.error("INTERNAL")
    await request.answer()


@case("show-a-cut-answer-as-cut", "INF-021~1", "INF-031~1", expect=Presents("failed"), twin=TWIN)
async def show_a_cut_answer(session: Session) -> None:
    """The provider's side ends between two chunks, without END: an answer that was cut must not look whole."""
    request, serving = await begin(session)
    await serving.begin()
    serving.side.link.write(serving.stream, b"", fin=True)
    await request.answer(within=5)


@case("take-a-reset-as-the-end", "INF-031~1", "ERR-008~1", expect=Presents("failed"), twin=TWIN)
async def take_a_reset(session: Session) -> None:
    """The provider resets its side with a code that looks like success: its number means nothing."""
    request, serving = await begin(session)
    await serving.begin()
    serving.side.link.reset(serving.stream, error_code("NO_ERROR"))
    await request.answer(within=5)


@case("take-a-stop-as-the-end", "INF-031~1", "ERR-008~1", expect=Presents("failed"), twin=TWIN)
async def take_a_stop(session: Session) -> None:
    """The provider no longer reads what the consumer sends: neither ticks nor COUNTERSIGN would reach it."""
    request, serving = await begin(session)
    await serving.begin()
    serving.side.link.stop(serving.stream, error_code("NO_ERROR"))
    await request.answer(within=5)


@case("show-a-lost-connection", "ERR-009~1", "ERR-008~1", "INF-021~1", expect=Presents("failed"), twin=TWIN)
async def show_a_lost_connection(session: Session) -> None:
    """The provider closes the connection in the middle, with NO_ERROR and a friendly word: every exchange is over."""
    request, serving = await begin(session)
    await serving.begin()
    serving.side.link.close(error_code("NO_ERROR"), "the answer is whole")
    await request.answer(within=5)


@case(
    "ask-nobody-on-a-closed-connection",
    "ERR-004~1",
    expect=All((asks_nothing("ERR-004~1"), Presents("failed"))),
    twin=TWIN,
)
async def ask_nobody_on_a_closed_connection(session: Session) -> None:
    """The provider has closed the connection and greets nobody any more: a request has to fail, and not to hang."""
    target = await Target.start(session)
    listening = await session.listen()
    await target.dial(listening.address, session.key.public)
    side = await Responder.accepted(session, listening)
    await side.welcome()
    await side.probe()
    side.link.close(error_code("SHUTTING_DOWN"))
    await asyncio.sleep(SETTLE)
    await (await target.ask(session.key.public)).answer(within=5)
