"""How the target calls: where it may, within bounds, and what it makes of answers that are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance import framing
from conformance.data import error_code, limit
from conformance.judge.called import SHOW as SHOWS
from conformance.judge.called import calls
from conformance.judge.expect import All, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.observers.observer import broken
from conformance.judge.record import Record
from conformance.judge.series import LivesOn
from conformance.script.faults import Fault
from conformance.script.networks import Network, dialed
from conformance.script.responder import Responder
from conformance.script.session import Session
from conformance.script.target import Target
from conformance.wire.link import OverdueError

from .common import ASKED, CONSUMES, FAMILY, case, met

_QUIET = 1.5


def _calls_nothing(record: Record) -> Iterator[Finding]:
    for link in record.links:
        for each in calls(link, "target"):
            yield broken("the target makes a call that it may not", "CAL-001~1", each.frame.event)


_NONE = Shows("nothing is called", _calls_nothing)


async def _dialed(session: Session, *, pinned: bool = True, calls: bool = True) -> None:
    target = await Target.start(session)
    await Network(session).admit(target)
    side = await dialed(session, target, pinned=pinned, calls=calls)
    await side.rest(within=_QUIET)
    if pinned:
        await side.probe()


@case("call-nobody-who-takes-no-calls", "CAL-001~1", expect=All((_NONE, LivesOn())), twin=ASKED, role="initiator",
      needs=CONSUMES)  # fmt: skip
async def call_nobody_without_capability(session: Session) -> None:
    """The target is in a network, and the peer does not offer CALLS: nothing is asked of it."""
    await _dialed(session, calls=False)


@case("call-nobody-who-was-not-known", "CAL-001~1", expect=_NONE, twin=ASKED, role="initiator", needs=CONSUMES)
async def call_nobody_without_pin(session: Session) -> None:
    """The target did not know whom it dialed: a stranger in between would hear the blind, and could answer for it."""
    await _dialed(session, pinned=False)


def _bounded(record: Record) -> Iterator[Finding]:
    if not any(True for link in record.links for _ in calls(link, "target")):
        yield Finding(verdict=Verdict.INCONCLUSIVE, message="the target asked for no network")


@case("keep-to-the-calls", "CAL-002~2", expect=All((Shows("calls are made, within their bounds", _bounded), LivesOn())),
      role="initiator", needs=CONSUMES)  # fmt: skip
async def keep_to_the_calls(session: Session) -> None:
    """The target is in twenty networks, and the peer answers nothing: sixteen calls may be open."""
    target = await Target.start(session)
    for _ in range(limit("MAX_CALLS") + 4):
        await Network(session).admit(target)
    side = await dialed(session, target)
    await side.rest(within=_QUIET)
    await side.probe()


def _acts_on_nothing(requirement: str) -> Shows:
    def predicate(record: Record) -> Iterator[Finding]:
        made = [each for link in record.links for each in calls(link, "target")]
        if not made:
            yield Finding(verdict=Verdict.INCONCLUSIVE, message="the target asked for no network")
        for each in made:
            if each.procedure == SHOWS:
                yield broken("the target goes on as if it had been answered", requirement, each.frame.event)

    return Shows("the target takes the call as failed", predicate)


Answers = Callable[[Responder, int], None]


def _fail(slug: str, page: str, requirement: str, answers: Answers, fault: Fault | None = None) -> None:
    """The suite answers PROVE with what is no answer."""

    async def script(session: Session) -> None:
        _, _, side, _ = await met(session)
        stream = side.next_request
        await side.expect(stream, framing.CALL)
        if fault is not None:
            side.commits(fault)
        answers(side, stream)
        await side.rest(within=_QUIET)
        await side.probe()

    FAMILY.add(
        slug,
        page=page,
        requirements=(requirement,),
        expect=All((_acts_on_nothing(requirement), LivesOn())),
        script=script,
        fault=fault,
        role="initiator",
        needs=CONSUMES,
        twin=ASKED,
    )


def _result(result: bytes) -> Answers:
    return lambda side, stream: side.link.write(stream, framing.frame(framing.RESULT, {0: result}), fin=True)


_fail(
    "take-the-end-of-the-callee-for-no-answer",
    "The callee ends its side of PROVE with nothing on it: it is gone, and nothing was proved.",
    "CAL-004~1",
    lambda side, stream: side.link.write(stream, b"", fin=True),
)
_fail(
    "take-a-reset-for-no-answer",
    "The callee resets its side of PROVE.",
    "CAL-004~1",
    lambda side, stream: side.link.reset(stream),
)
_fail(
    "act-on-no-empty-result",
    "The result of PROVE is an empty map: nothing follows from it, and the connection lives on.",
    "CAL-005~1",
    _result(b"\xa0"),
    Fault.RESULT_EMPTY,
)
_fail(
    "act-on-no-unreadable-result",
    "The result of PROVE is no item.",
    "CAL-005~1",
    _result(b"\xa1\x00"),
    Fault.RESULT_UNREADABLE,
)


def _gives_up(record: Record) -> Iterator[Finding]:
    """ERROR TIMEOUT behind the first CALL, in time."""
    made = [each for link in record.links for each in calls(link, "target")]
    if not made:
        yield Finding(verdict=Verdict.INCONCLUSIVE, message="the target asked for no network")
        return
    call = made[0]
    error = next((each for each in call.link.of("target", call.frame.stream) if each.kind == framing.ERROR), None)
    due = call.frame.at + limit("CALL_TIMEOUT") + limit("DEADLINE_GRACE")
    if error is None or error.at > due + 2 or error.get(0) != error_code("TIMEOUT"):
        yield broken("a call that nobody answers is not given up with TIMEOUT", "CAL-003~1", call.frame.event)
    elif error.at < due - 1:
        yield broken("a call is given up before its time", "CAL-003~1", error.event)


@case("give-up-a-call-that-nobody-answers", "CAL-003~1", expect=All((Shows("the call is given up with TIMEOUT",
      _gives_up), LivesOn())), twin=ASKED, role="initiator", needs=CONSUMES, tier="full", seconds=20)  # fmt: skip
async def give_up_unanswered(session: Session) -> None:
    """PROVE is never answered: after fifteen seconds the target gives the call up, and the connection lives on."""
    _, _, side, _ = await met(session)
    stream = side.next_request
    await side.expect(stream, framing.CALL)
    try:
        await side.frame(stream, "ERROR TIMEOUT", limit("CALL_TIMEOUT") + limit("DEADLINE_GRACE") + 3)
    except OverdueError:
        return
    await side.probe()
