"""Answers of more than text, and those that break their order."""

from __future__ import annotations

from conformance.cases.initiator.common import ASKS
from conformance.dcbor import Item
from conformance.finish import STOP, TOOL_CALLS
from conformance.judge.consumer import Agrees, GivesUp, Presents
from conformance.judge.expect import All
from conformance.script.faults import Fault
from conformance.script.responder import Responder
from conformance.script.serving import Serving
from conformance.script.session import Session
from conformance.script.target import Target

from .common import add, begin, case

_GOOD = All((Agrees(), Presents("whole")))


@case("take-reasoning", "RCP-028~1", "RCP-046~1", expect=_GOOD)
async def take_reasoning(session: Session) -> None:
    """The model thinks before it answers: its thoughts are paid and agreed to, and are no text of the answer."""
    request, serving = await begin(session)
    serving.accept()
    for body in ({0: "The user ", 1: 1, 2: 1}, {0: "greets.", 1: 1, 2: 1}, {0: "Hello", 1: 1}):
        await serving.paid()
        serving.piece(body)
    serving.end(STOP)
    await serving.until_over()
    await request.answer()


@case("take-calls", "RCP-028~1", "RCP-046~1", expect=_GOOD, needs=ASKS | {"ask.tools"})
async def take_calls(session: Session) -> None:
    """The model calls two tools, and the arguments come in pieces: the commitment is over all of it."""
    target = await Target.start(session)
    side = await Responder.connected(session, target)
    tools = [{"name": "add", "parameters": "{}"}, {"name": "clock"}]
    request = await target.ask(session.key.public, parameters={"tools": tools})
    serving = await Serving.next(side)
    serving.accept()
    bodies: list[dict[int, Item]] = [
        {0: "Let me see.", 1: 1},
        {0: "add", 1: 1, 2: 2},
        {0: '{"a":', 1: 1, 2: 3},
        {0: "", 1: 0},
        {0: "1}", 1: 1, 2: 3},
        {0: "clock", 1: 1, 2: 2},
    ]
    for body in bodies:
        await serving.paid()
        serving.piece(body)
    serving.end(TOOL_CALLS)
    await serving.until_over()
    await request.answer()


_BODIES: dict[Fault, dict[int, Item]] = {
    Fault.ANSWER_VECTOR_OF_A_CHAT: {0: "", 1: 0, 2: 4, 6: bytes(8)},
    Fault.ANSWER_ARGUMENTS_OF_NO_CALL: {0: "{}", 1: 1, 2: 3},
    Fault.ANSWER_CALL_OF_NO_TOOL: {0: "add", 1: 1, 2: 2},
    Fault.ANSWER_LOGPROBS_UNASKED: {0: "x", 1: 1, 4: [[b"x", 5, []]]},
}


async def _break_the_order(session: Session) -> None:
    """An honest beginning, and a CHUNK or an END that the request does not allow."""
    request, serving = await begin(session)
    await serving.begin(2)
    await serving.paid()
    serving.commits(session.fault)
    if session.fault is Fault.ANSWER_ENDS_WITH_CALLS_UNMADE:
        serving.end(TOOL_CALLS)
    else:
        serving.piece(_BODIES[session.fault])
    await serving.until_over()
    await serving.side.probe()
    await request.answer()


for _slug, _fault, _requirement, _page in (
    ("vector-of-a-chat", Fault.ANSWER_VECTOR_OF_A_CHAT, "INF-035~1", "A vector comes where words were asked for."),
    ("arguments-of-no-call", Fault.ANSWER_ARGUMENTS_OF_NO_CALL, "INF-036~1", "Arguments come, and nothing was called."),
    ("call-of-no-tool", Fault.ANSWER_CALL_OF_NO_TOOL, "INF-037~1", "A tool is called that nobody has offered."),
    ("unasked-logprobs", Fault.ANSWER_LOGPROBS_UNASKED, "INF-038~1", "Log-probabilities come unasked."),
    (
        "calls-unmade",
        Fault.ANSWER_ENDS_WITH_CALLS_UNMADE,
        "INF-040~1",
        "END says that tools were called, and none was: whoever waits for calls waits for ever.",
    ),
):
    add(
        f"give-up-{_slug}",
        _requirement,
        expect=All((GivesUp("BAD_ANSWER"), Presents("failed"))),
        fault=_fault,
        page=_page,
        script=_break_the_order,
    )
