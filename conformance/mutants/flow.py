"""Providers without flow control, bounds or patience, or with too much of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.data import limit
from conformance.dcbor import Item
from conformance.honest.connection import Connection
from conformance.honest.model import Model
from conformance.honest.provider import Provider
from conformance.honest.rules import FailError, RefuseError

from .mutant import Mutant, connection_with, provider_with, skipping

_LONG = Model(words=40)
"""Says enough for the first credit, and then ends."""
_UNPAID = ("give-up-unpaid-answer", "give-up-unpaid-answer-despite-credit")


def _cases(*slugs: str) -> tuple[str, ...]:
    return tuple(f"flow/{slug}" for slug in slugs)


def _begins_with(credit: int) -> Any:
    def made(self: Provider, connection: Connection, stream: int) -> None:
        Provider.__init__(self, connection, stream)
        self.credit = credit

    return made


def _waits_anew_with_credit(self: Provider, value: Mapping[int, Item]) -> None:
    self.timers.stop("payment")
    Provider.credited(self, value)


def _waits_anew_with_heartbeat(self: Provider) -> None:
    self.timers.stop("payment")
    Provider.heartbeat(self)
    self.pump()


def _has_no_patience(self: Provider) -> bool:
    more = Provider.step(self)
    if self.timers.running("payment"):
        self.timers.start("payment", 2, lambda: self.refuse(RefuseError("TICK_OVERDUE")))
    return more


def _takes_ascending(self: Connection, stream: int) -> None:
    if stream < self._newest:
        raise FailError("STREAM_MISUSE")
    Connection._seen(self, stream)


def _wants_larger_steps(self: Provider, value: Mapping[int, Item]) -> None:
    if value[0] - self.credit == limit("MIN_CREDIT_STEP"):
        raise FailError("FLOW_CONTROL")
    Provider.credited(self, value)


def _wants_less_room(self: Provider, value: Mapping[int, Item]) -> None:
    if value[0] - self.sent == limit("MAX_CREDIT"):
        raise FailError("FLOW_CONTROL")
    Provider.credited(self, value)


def _skips_few(self: Connection, stream: int) -> None:
    if stream > self._newest + 4 * 65:
        raise FailError("STREAM_MISUSE")
    Connection._seen(self, stream)


def _discards_little(self: Connection, size: int) -> None:
    Connection.discard(self, size)
    if self._discarded > limit("MAX_DISCARDED") // 4:
        raise FailError("RATE_EXCEEDED")


MUTANTS = (
    Mutant(
        slug="takes-the-least-step-for-too-small",
        page="Fails for a CREDIT of just the least step.",
        breaks=("FLW-004~1",),
        kills=_cases("accept-credit"),
        connection=provider_with(credited=_wants_larger_steps),
    ),
    Mutant(
        slug="takes-the-most-credit-for-too-much",
        page="Fails for a CREDIT of just MAX_CREDIT beyond what it has sent.",
        breaks=("FLW-005~1",),
        kills=_cases("accept-credit-at-its-bound"),
        connection=provider_with(credited=_wants_less_room),
    ),
    Mutant(
        slug="knows-no-lost-packets",
        page="Fails where more than 64 streams below the newest are not there yet.",
        breaks=("FLW-008~1",),
        kills=_cases("answer-stream-behind-skipped"),
        connection=connection_with(_seen=_skips_few),
    ),
    Mutant(
        slug="discards-too-little",
        page="Takes a MiB that was on its way to a stream that is over for a flood.",
        breaks=("FLW-007~1",),
        kills=_cases("discard-bytes-of-stream-that-is-over"),
        connection=connection_with(discard=_discards_little),
    ),
    Mutant(
        slug="knows-no-credit",
        page="Sends as fast as it is paid, whatever its reader has room for.",
        breaks=("FLW-002~1",),
        kills=_cases("hold-at-initial-credit", "give-up-answer-without-credit"),
        node=skipping("FLW-002", model=_LONG),
    ),
    Mutant(
        slug="begins-with-more-credit",
        page="Takes MAX_CREDIT for the first limit.",
        breaks=("FLW-001~1",),
        kills=_cases("hold-at-initial-credit"),
        node=skipping(model=_LONG),
        connection=provider_with(__init__=_begins_with(limit("MAX_CREDIT"))),
    ),
    Mutant(
        slug="begins-without-credit",
        page="Waits for the first CREDIT after the first few chunks.",
        breaks=("FLW-001~1",),
        kills=_cases("hold-at-initial-credit"),
        connection=provider_with(__init__=_begins_with(limit("MIN_CREDIT_STEP"))),
    ),
    Mutant(
        slug="takes-credit-in-any-steps",
        page="Takes a CREDIT that moves the limit by a byte, by nothing, or back.",
        breaks=("FLW-004~1",),
        kills=_cases("reject-credit-of-small-step", "reject-repeated-credit", "reject-lowered-credit"),
        node=skipping("FLW-004"),
    ),
    Mutant(
        slug="takes-credit-without-bound",
        page="Takes any promise of room.",
        breaks=("FLW-005~1",),
        kills=_cases("reject-credit-too-far", "reject-credit-without-bound", "reject-credit-one-byte-too-far"),
        node=skipping("FLW-005"),
    ),
    Mutant(
        slug="serves-any-number-of-streams",
        page="Answers the 65th stream of one consumer as well.",
        breaks=("FLW-006~3",),
        kills=_cases("refuse-stream-beyond-most"),
        node=skipping("FLW-006"),
    ),
    Mutant(
        slug="remembers-every-stream",
        page="Keeps a note of each stream that was left out, however many.",
        breaks=("FLW-008~1",),
        kills=_cases("reject-stream-behind-too-many"),
        node=skipping("FLW-008"),
    ),
    Mutant(
        slug="takes-streams-in-order-alone",
        page="Takes a stream below the newest one for an error.",
        breaks=("FLW-010~1",),
        kills=_cases("answer-streams-in-any-order"),
        connection=connection_with(_seen=_takes_ascending),
    ),
    Mutant(
        slug="discards-without-end",
        page="Reads and drops whatever comes on a stream that is over.",
        breaks=("FLW-007~1",),
        kills=_cases("reject-flood-of-stream-that-is-over"),
        node=skipping("FLW-007"),
    ),
    Mutant(
        slug="waits-for-ever-for-payment",
        page="Keeps an answer ready for a consumer that neither pays nor gives credit.",
        breaks=("FLW-013~1",),
        kills=_cases(*_UNPAID, "give-up-answer-without-credit"),
        node=skipping("FLW-013"),
        row=19,
    ),
    Mutant(
        slug="waits-anew-with-each-heartbeat",
        page="Counts its own heartbeat as progress.",
        breaks=("FLW-013~1",),
        kills=_cases("give-up-unpaid-answer"),
        connection=provider_with(heartbeat=_waits_anew_with_heartbeat),
        row=19,
    ),
    Mutant(
        slug="waits-anew-with-each-credit",
        page="Counts a CREDIT that does not help as progress.",
        breaks=("FLW-013~1",),
        kills=_cases("give-up-unpaid-answer-despite-credit"),
        connection=provider_with(credited=_waits_anew_with_credit),
    ),
    Mutant(
        slug="has-no-patience",
        page="Gives up on a tick that is two seconds on its way.",
        breaks=("FLW-013~1",),
        kills=_cases(*_UNPAID),
        connection=provider_with(step=_has_no_patience),
    ),
    Mutant(
        slug="says-nothing-while-it-waits",
        page="Sends no heartbeat, so that its consumer cannot tell it from a node that is gone.",
        breaks=("INF-014~1",),
        kills=_cases("send-heartbeat"),
        node=skipping("INF-014"),
    ),
    Mutant(
        slug="answers-without-end",
        page="Knows no bound for the bytes of one answer.",
        breaks=("FLW-014~1",),
        kills=_cases("bound-an-answer"),
        node=skipping("FLW-014", model=Model(words=2200)),
    ),
)
