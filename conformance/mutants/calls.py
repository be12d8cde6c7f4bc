"""Nodes that answer calls otherwise, too many of them, or not at all."""

from __future__ import annotations

from typing import Any

from conformance import framing
from conformance.data import error_code, limit
from conformance.dcbor import Item
from conformance.honest.callee import Callee
from conformance.honest.provider import Provider
from conformance.honest.rules import FailError, RefuseError

from .brief import does, skips
from .mutant import Mutant, connection_with, provider_with, skipping


def _callee_with(**attributes: Any) -> Any:
    return connection_with(callee=type("MutantCallee", (Callee,), attributes))


def _drops(self: Callee, _: bytes) -> None:
    self.state = "CALLED"


def _answers_late(self: Callee, error: RefuseError) -> None:
    late = limit("CALL_TIMEOUT") + 1.5
    self.timers.start("late", late, lambda: Callee.refuse(self, error))


def _serves_everything(self: Callee, call: dict[int, Item]) -> None:
    self.answer({})


def _calls_it_unknown(self: Callee, error: RefuseError) -> None:
    """Has one answer for whatever it does not like."""
    Callee.refuse(self, RefuseError("UNKNOWN_REQUEST"))


def _says_when_to_nobody(self: Callee, kind: int, body: dict[int, Item]) -> None:
    busy = kind == framing.ERROR and body[0] == error_code("BUSY")
    Callee.send(self, kind, {0: body[0]} if busy else body)


def _minds_leaving(self: Provider) -> None:
    if self.connection.begins_a_call(self.stream, self):
        self.connection.fail(error_code("STREAM_MISUSE"))
    Provider.gone(self)


def _pins_everybody(self: Callee, call: dict[int, Item]) -> None:
    session = self.connection.session
    if session is not None and not session.pinned:
        raise RefuseError("UNPINNED")
    Callee.serve(self, call)


def _takes_few(self: Callee, body: bytes) -> None:
    if self.connection.open_calls() > limit("MAX_CALLS") // 2:
        raise RefuseError("BUSY")
    Callee.called(self, body)


def _is_soon_tired(self: Callee, body: bytes) -> None:
    if len(self.connection.streams) > limit("CALL_BURST") // 2:
        raise RefuseError("BUSY")
    Callee.called(self, body)


def _reads_small_calls(self: Callee, body: bytes) -> None:
    if len(body) > limit("MAX_CALL") // 2:
        raise FailError("FRAME_TOO_LARGE")
    Callee.called(self, body)


MUTANTS: tuple[Mutant, ...] = (
    does(
        "calls",
        "drops-calls",
        "Drops calls, and leaves their callers waiting.",
        "CAL-006",
        "answer-every-call",
        connection=_callee_with(called=_drops),
    ),
    does(
        "calls",
        "answers-late",
        "Answers calls once nobody has to wait for it any more.",
        "CAL-006",
        "answer-every-call",
        connection=_callee_with(refuse=_answers_late),
    ),
    does(
        "calls",
        "serves-everything",
        "Has a result for procedures that it has never heard of.",
        "CAL-008",
        "refuse-unknown-procedure",
        "refuse-largest-unknown-call",
        connection=_callee_with(serve=_serves_everything),
    ),
    does(
        "calls",
        "takes-calls-for-no-requests",
        "Answers every call as a first frame that it does not know.",
        "CAL-007 CAL-008 CAL-009 CAL-010 CAL-011",
        "refuse-unknown-procedure",
        "refuse-call-empty",
        "refuse-call-without-capability",
        "refuse-unpinned-call",
        "refuse-one-call-too-many",
        connection=_callee_with(refuse=_calls_it_unknown),
    ),
    does(
        "calls",
        "takes-calls-that-were-not-agreed",
        "Serves calls where they were not agreed.",
        "CAL-007",
        "refuse-call-without-capability",
        node=skipping("CAL-007"),
        connection=_callee_with(serve=_serves_everything),
    ),
    skips(
        "calls",
        "CAL-009",
        "fails-on-malformed-calls",
        "Closes the connection for a call that breaks a rule.",
        "refuse-call-unreadable",
        "refuse-call-empty",
        "refuse-call-without-arguments",
        "refuse-call-of-map",
        "refuse-call-of-long-arguments",
        "refuse-call-of-text",
        "refuse-call-with-even-key",
    ),
    skips(
        "calls", "CAL-010", "serves-callers-that-did-not-pin", "Takes every call of a stranger.", "refuse-unpinned-call"
    ),
    does(
        "calls",
        "asks-everybody-for-a-pin",
        "Refuses strangers who look for records.",
        "CAL-010",
        "answer-stranger",
        connection=_callee_with(serve=_pins_everybody),
    ),
    skips(
        "calls",
        "CAL-011",
        "takes-any-number-of-calls",
        "Lets as many calls be open as anybody begins.",
        "refuse-one-call-too-many",
    ),
    does(
        "calls",
        "takes-half-as-many-calls",
        "Has room for half as many calls as there may be.",
        "CAL-011",
        "answer-as-many-calls-as-may-be",
        connection=_callee_with(called=_takes_few),
    ),
    skips(
        "calls", "CAL-012", "takes-calls-at-any-rate", "Answers calls as fast as they come.", "refuse-calls-too-fast"
    ),
    does(
        "calls",
        "is-soon-tired-of-calls",
        "Is busy after half a burst.",
        "CAL-012",
        "answer-burst",
        connection=_callee_with(called=_is_soon_tired),
    ),
    does(
        "calls",
        "does-not-say-when",
        "Is busy, and says not until when.",
        "CAL-012",
        "refuse-calls-too-fast",
        connection=_callee_with(send=_says_when_to_nobody),
    ),
    does(
        "calls",
        "minds-callers-that-leave",
        "Closes the connection where a caller does not wait.",
        "CAL-014",
        "forget-caller-that-ends-inside-its-call",
        "forget-caller-that-resets",
        "forget-caller-that-stops-reading",
        connection=provider_with(gone=_minds_leaving),
    ),
    skips(
        "calls", "CAL-013", "waits-for-halves-of-calls", "Waits for the rest of a call for ever.", "refuse-half-a-call"
    ),
    does(
        "calls",
        "reads-small-calls-only",
        "Fails for a call of more than half of what it may have.",
        "FRM-005",
        "refuse-largest-unknown-call",
        connection=_callee_with(called=_reads_small_calls),
    ),
)
