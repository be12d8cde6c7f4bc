"""Calls: answered whatever they ask for, bounded, rated, and told apart from requests: SPEC.md, "Calls"."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial

from conformance import dcbor, framing
from conformance.data import error_code, limit, registry
from conformance.dcbor import Item
from conformance.judge.expect import All, Refuses, Shows
from conformance.judge.finding import Finding, Verdict
from conformance.judge.record import Frame, LinkRecord, Record
from conformance.judge.series import LivesOn
from conformance.script.faults import Fault
from conformance.script.frames import head
from conformance.script.initiator import CHAT, Initiator
from conformance.script.session import Session

from .registry import Family

FAMILY = Family("calls")
CALLS = 2
FIND, BALANCE = 8, 7
_EACH = "answer-every-call"
_UNKNOWN = 0xFF00
"""Procedures from here on are registered by nobody."""
_ROUNDS = 10
"""Of fifteen calls each: more than the allowance lets through in ten seconds."""


def call(procedure: int, arguments: bytes = b"\xa0", more: Mapping[int, Item] | None = None) -> bytes:
    """The bytes of a CALL, with ``more`` keys."""
    return framing.frame(framing.CALL, {0: procedure, 1: arguments, **(more or {})})


async def connected(session: Session, *, pinned: bool = True) -> Initiator:
    """A connection on which calls are agreed. Raises `UntestableError` where the target takes none."""
    side = await Initiator.connected(session, pinned=pinned, capabilities=(CHAT, CALLS))
    if CALLS not in side.capabilities:
        raise session.not_applicable("the target does not declare the capability CALLS")
    return side


def _calls(link: LinkRecord) -> Iterator[Frame]:
    """Every whole CALL of the suite's that begins a stream."""
    return (each for each in link.of("suite") if each.kind == framing.CALL and each.number == 0)


def _answer(link: LinkRecord, frame: Frame) -> Frame | None:
    last = (framing.RESULT, framing.ERROR)
    return next((each for each in link.of("target", frame.stream) if each.kind in last), None)


def _answers_all(record: Record) -> Iterator[Finding]:
    """RESULT or ERROR for each CALL, in time."""
    for link in record.links:
        for frame in _calls(link):
            answer = _answer(link, frame)
            if answer is None or answer.at - frame.at > limit("CALL_TIMEOUT") + 1:
                message = f"a call of procedure {frame.get(0)} is not answered within {limit('CALL_TIMEOUT')} seconds"
                yield Finding(verdict=Verdict.FAIL, message=message, event=frame.event)


def _never(code: str) -> Callable[[Record], Iterator[Finding]]:
    """No ERROR with ``code`` for a CALL."""

    def judge(record: Record) -> Iterator[Finding]:
        for link in record.links:
            for frame in _calls(link):
                answer = _answer(link, frame)
                if answer is not None and answer.get(0) == error_code(code) and answer.kind == framing.ERROR:
                    message = f"a call that nothing is wrong with is refused with {code}"
                    yield Finding(verdict=Verdict.FAIL, message=message, event=answer.event)

    return judge


def _says(side: Initiator, data: bytes) -> int:
    stream = side.open_stream()
    side.link.write(stream, data)
    return stream


async def _ask(side: Initiator, data: bytes) -> None:
    """One call, to its answer; then its stream is ended as a caller ends it."""
    stream = _says(side, data)
    await side.frame(stream, "RESULT or ERROR", limit("CALL_TIMEOUT") + 2)
    side.link.write(stream, b"", fin=True)


# Answered


@FAMILY.case(
    _EACH,
    requirements=("CAL-006~1",),
    expect=All((LivesOn(), Shows("every call is answered in time", _answers_all))),
    tier="smoke",
)
async def answer_every_call(session: Session) -> None:
    """One call of each registered procedure, with arguments that say nothing: RESULT or ERROR, whatever it is."""
    side = await connected(session)
    more = {session.entropy.reserved(): None}
    streams = [_says(side, call(entry["value"], more=more)) for entry in registry("procedures")]
    for stream in streams:
        await side.frame(stream, "RESULT or ERROR", limit("CALL_TIMEOUT") + 2)
        side.link.write(stream, b"", fin=True)
    await side.probe()


async def _refused(session: Session, data: bytes) -> None:
    side = await connected(session)
    side.commits(session.fault)
    stream = _says(side, data)
    await side.frame(stream, "ERROR")
    await side.probe()


def _refuse(slug: str, page: str, fault: Fault, data: bytes, code: str, *requirements: str, twin: str = _EACH) -> None:
    FAMILY.add(
        f"refuse-{slug}",
        page=page,
        requirements=requirements,
        script=partial(_refused, data=data),
        expect=Refuses(code),
        fault=fault,
        twin=twin,
    )


_refuse(
    "unknown-procedure",
    "A call of a procedure that no version has. It is answered at once: nobody waits for what will never come.",
    Fault.CALL_UNKNOWN_PROCEDURE,
    call(_UNKNOWN + 7),
    "UNSUPPORTED",
    "CAL-008~1",
)
_refuse(
    "largest-unknown-call",
    "The same with 65,536 bytes of arguments, as many as there may be: it is not too large.",
    Fault.CALL_LARGEST,
    call(_UNKNOWN + 9, bytes(limit("MAX_ARGUMENTS"))),
    "UNSUPPORTED",
    "CAL-008~1",
    "FRM-005~1",
)

_BROKEN: tuple[tuple[str, Fault, bytes, str], ...] = (
    ("unreadable", Fault.CALL_BODY_NO_ITEM, b"\xa2\x00\x07\x01", "ENC-010~1"),
    ("empty", Fault.CALL_BODY_EMPTY, b"", "ENC-010~1"),
    ("without-arguments", Fault.CALL_WITHOUT_ARGUMENTS, dcbor.encode({0: BALANCE}), ""),
    ("of-map", Fault.CALL_ARGUMENTS_MAP, dcbor.encode({0: BALANCE, 1: {}}), ""),
    ("of-long-arguments", Fault.CALL_ARGUMENTS_TOO_LONG, dcbor.encode({0: BALANCE, 1: bytes(65_537)}), ""),
    ("of-text", Fault.CALL_PROCEDURE_TEXT, dcbor.encode({0: "balance", 1: b"\xa0"}), ""),
    ("with-even-key", Fault.CALL_UNKNOWN_EVEN_KEY, dcbor.encode({0: BALANCE, 1: b"\xa0", 2: None}), "EXT-001~1"),
)
for _slug, _fault, _body, _more in _BROKEN:
    _refuse(
        f"call-{_slug}",
        f"A stream begins with a CALL whose body breaks a rule ({_slug.replace('-', ' ')}). "
        "That is answered, and ends the call alone.",
        _fault,
        framing.write_frame(framing.CALL, _body),
        "MALFORMED",
        "CAL-009~1",
        *([_more] if _more else []),
    )


@FAMILY.case(
    "refuse-call-without-capability",
    requirements=("CAL-007~1",),
    expect=Refuses("UNSUPPORTED"),
    fault=Fault.CALL_WITHOUT_CAPABILITY,
    twin=_EACH,
)
async def refuse_call_without_capability(session: Session) -> None:
    """The suite does not offer CALLS, and calls all the same: FIND, which anybody may."""
    side = await Initiator.connected(session)
    side.commits(session.fault)
    stream = _says(side, call(FIND))
    await side.frame(stream, "ERROR")
    await side.probe()


# Strangers

_STRANGER = "answer-stranger"


@FAMILY.case(
    _STRANGER,
    requirements=("CAL-010~1",),
    expect=All((LivesOn(), Shows("a stranger may ask for records", _never("UNPINNED")))),
)
async def answer_stranger(session: Session) -> None:
    """FIND and ANNOUNCE on a connection that is not pinned: served or not, but not for want of a pin."""
    side = await connected(session, pinned=False)
    for procedure in (FIND, FIND + 1):
        await _ask(side, call(procedure))
    await side.probe()


@FAMILY.case(
    "refuse-unpinned-call",
    requirements=("CAL-010~1",),
    expect=Refuses("UNPINNED"),
    fault=Fault.CALL_UNPINNED,
    twin=_STRANGER,
)
async def refuse_unpinned_call(session: Session) -> None:
    """BALANCE on a connection whose initiator did not know whom it dialed."""
    side = await connected(session, pinned=False)
    side.commits(session.fault)
    stream = _says(side, call(BALANCE))
    await side.frame(stream, "ERROR")
    await side.probe()


# Bounds


async def _halves(session: Session, count: int) -> Initiator:
    """Calls that are open, since the heads of their CALL frames are there."""
    side = await connected(session)
    for number in range(count):
        _says(side, call(_UNKNOWN + number)[:-1])
    return side


_MOST = "answer-as-many-calls-as-may-be"


@FAMILY.case(
    _MOST,
    requirements=("CAL-011~1",),
    expect=All((LivesOn(), Shows("none of them is too many", _never("BUSY")))),
)
async def answer_as_many_calls_as_may_be(session: Session) -> None:
    """Fifteen calls are on their way, and a whole one comes: the sixteenth, which is not one too many."""
    side = await _halves(session, limit("MAX_CALLS") - 1)
    await _ask(side, call(_UNKNOWN + 99))
    await side.probe()


@FAMILY.case(
    "refuse-one-call-too-many",
    requirements=("CAL-011~1",),
    expect=Refuses("BUSY", retry=False),
    fault=Fault.CALL_BEYOND_MOST,
    twin=_MOST,
)
async def refuse_one_call_too_many(session: Session) -> None:
    """Sixteen calls are on their way, none of them whole, and one more comes."""
    side = await _halves(session, limit("MAX_CALLS"))
    side.commits(session.fault)
    stream = _says(side, call(_UNKNOWN + 99))
    await side.frame(stream, "ERROR")
    await side.probe()


_BURST = "answer-burst"


@FAMILY.case(
    _BURST,
    requirements=("CAL-012~1",),
    expect=All((LivesOn(), Shows("none of them is too soon", _never("BUSY")))),
)
async def answer_burst(session: Session) -> None:
    """As many calls as may come at once, one after the other."""
    side = await connected(session)
    for _ in range(limit("CALL_BURST")):
        await _ask(side, call(_UNKNOWN))
    await side.probe()


def _limits_the_rate(record: Record) -> Iterator[Finding]:
    """BUSY with a time, at some call beyond what the allowance can have let through."""
    frames = [(link, frame) for link in record.links for frame in _calls(link)]
    refused = [
        answer
        for link, frame in frames
        if (answer := _answer(link, frame)) is not None
        and answer.kind == framing.ERROR
        and answer.get(0) == error_code("BUSY")
    ]
    if not refused:
        passed = limit("CALL_BURST") + limit("CALL_RATE") * (frames[-1][1].at - frames[0][1].at + 1 if frames else 0)
        verdict = Verdict.FAIL if len(frames) > passed else Verdict.INCONCLUSIVE
        message = f"{len(frames)} calls were answered, where the allowance lets {passed:.0f} through"
        yield Finding(verdict=verdict, message=message)
    elif not isinstance(refused[0].get(1), int):
        yield Finding(verdict=Verdict.FAIL, message="BUSY has no retry_after_ms", event=refused[0].event)


@FAMILY.case(
    "refuse-calls-too-fast",
    requirements=("CAL-012~1",),
    expect=All((LivesOn(), Shows("the rate has an end", _limits_the_rate))),
    fault=Fault.CALLS_TOO_FAST,
    twin=_BURST,
    tier="full",
)
async def refuse_calls_too_fast(session: Session) -> None:
    """Calls faster than the allowance grows, until one is refused for it."""
    side = await connected(session)
    side.commits(session.fault)
    for _ in range(_ROUNDS):
        for stream in [_says(side, call(_UNKNOWN)) for _ in range(limit("MAX_CALLS") - 1)]:
            await side.frame(stream, "RESULT or ERROR")
            side.link.write(stream, b"", fin=True)
    await side.probe()


# Left


@FAMILY.case(
    "refuse-half-a-call",
    requirements=("CAL-013~1",),
    expect=Refuses("TIMEOUT"),
    fault=Fault.CALL_UNFINISHED,
    twin=_EACH,
    tier="full",
    seconds=35,
)
async def refuse_half_a_call(session: Session) -> None:
    """Half a CALL, and then nothing: after 30 seconds that is answered too."""
    side = await connected(session)
    side.commits(session.fault, side.next_stream)
    stream = _says(side, call(_UNKNOWN)[:-1])
    await side.frame(stream, "ERROR", limit("REQUEST_TIMEOUT") + 8)
    await side.probe()


Leaves = Callable[[Initiator, int], None]


def _fin(side: Initiator, stream: int) -> None:
    side.link.write(stream, b"", fin=True)


async def _left(session: Session, leaves: Leaves, data: bytes) -> None:
    side = await connected(session)
    stream = _says(side, data)
    leaves(side, stream)
    await side.probe()


def _forget(slug: str, page: str, leaves: Leaves, data: bytes) -> None:
    script: Callable[[Session], Awaitable[None]] = partial(_left, leaves=leaves, data=data)
    FAMILY.add(
        f"forget-caller-that-{slug}",
        page=f"{page} Nobody waits for an answer then; the connection lives on.",
        requirements=("CAL-014~1",),
        script=script,
        expect=LivesOn(),
    )


_forget("ends-its-side", "A call, and with it the end of the caller's side.", _fin, call(_UNKNOWN))
_forget("ends-inside-its-call", "Half a CALL, and then the end of the caller's side.", _fin, call(_UNKNOWN)[:-1])
_forget(
    "resets", "Half a CALL, and then a RESET_STREAM.", lambda side, stream: side.link.reset(stream), call(_UNKNOWN)[:-1]
)
_forget(
    "stops-reading",
    "Half a CALL, and then a STOP_SENDING.",
    lambda side, stream: side.link.stop(stream),
    call(_UNKNOWN)[:-1],
)


@FAMILY.case("discard-second-call", requirements=("STM-004~2",), expect=LivesOn())
async def discard_second_call(session: Session) -> None:
    """A call is refused, and behind it on its stream come another and a RESULT: what is over is read by nobody."""
    side = await connected(session)
    stream = _says(side, call(_UNKNOWN))
    await side.frame(stream, "ERROR")
    for late in (call(BALANCE), framing.frame(framing.RESULT, {0: b""}), head(framing.CALL, 2**62 - 1)):
        side.link.write(stream, late)
    side.link.write(stream, b"", fin=True)
    await side.probe()
