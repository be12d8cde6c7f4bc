"""Providers that go on, or end otherwise, where the consumer wants no more."""

from __future__ import annotations

from collections.abc import Mapping

from conformance import framing
from conformance.dcbor import Item
from conformance.finish import CANCELLED, STOP
from conformance.honest.connection import Connection
from conformance.honest.provider import ENDED, REQUESTED, STREAMING, Provider
from conformance.honest.rules import FailError

from .mutant import Mutant, connection_with, provider_with, skipping

_LEAVING = ("ended-stream", "stream-ended-inside-frame", "reset-stream", "stopped-stream")


def _cases(*slugs: str) -> tuple[str, ...]:
    return tuple(f"cancellation/{slug}" for slug in slugs)


def _gone(*slugs: str) -> tuple[str, ...]:
    return _cases(*(f"take-{slug}-as-gone" for slug in slugs))


def _does_not_hear(self: Provider, _: Mapping[int, Item]) -> None:
    """CANCEL changes nothing."""


def _does_not_hear_early(self: Provider, value: Mapping[int, Item]) -> None:
    if self.state != REQUESTED:
        Provider.cancel(self, value)


def _thinks(self: Provider, tokens: int) -> None:
    self.timers.start("thought", 2, lambda: self.accept(tokens))


def _says_stop(self: Provider) -> None:
    self.end(STOP)


def _bills_all(self: Provider, finish: int, salt: bytes) -> dict[int, Item]:
    self.cancelled_after = None
    return Provider.bill(self, finish, salt)


def _refuses_crossings(self: Provider, kind: int, body: bytes) -> None:
    if self.state == ENDED and kind == framing.CANCEL:
        raise FailError("UNEXPECTED_FRAME")
    Provider.received(self, kind, body)


def _sends_end(self: Provider) -> None:
    if self.state == STREAMING:
        self.cancelled_after = len(self.chunks)
        self.end(CANCELLED)
    else:
        Provider.gone(self)


def _ignores_ends(self: Connection, stream: int, data: bytes, fin: bool) -> None:
    Connection.request_data(self, stream, data, fin and not data and stream not in self.streams)


def _ignores_resets(self: Connection, stream: int) -> None:
    """RESET_STREAM and STOP_SENDING change nothing."""


def _fails_on_resets(self: Connection, stream: int) -> None:
    self.enforce("INF-017", broken=True, code="STREAM_MISUSE")


MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        slug="does-not-hear-cancel",
        page="Reads CANCEL, and goes on.",
        breaks=("INF-023~1",),
        kills=_cases(
            "end-cancelled-answer",
            "end-answer-of-no-chunks",
            "end-paid-answer",
            "end-longest-request",
            "take-cancel-in-pieces",
            "end-answer-that-waits",
        ),
        connection=provider_with(cancel=_does_not_hear),
    ),
    Mutant(
        slug="does-not-hear-cancel-before-accept",
        page="Reads a CANCEL that comes before ACCEPT, and accepts the request all the same.",
        breaks=("INF-023~1",),
        kills=_cases("answer-cancel-before-accept"),
        connection=provider_with(cancel=_does_not_hear_early, accept_after_thinking=_thinks),
    ),
    Mutant(
        slug="calls-a-cancelled-answer-complete",
        page="Ends a cancelled answer with STOP, and bills all of it.",
        breaks=("INF-023~1",),
        kills=_cases("end-answer-that-waits"),
        connection=provider_with(cancelled=_says_stop),
    ),
    Mutant(
        slug="bills-more-chunks-than-cancel-names",
        page="Says CANCELLED, and bills every token that it sent.",
        breaks=("RCP-007~1",),
        kills=_cases("end-answer-cancelled-at-first-chunk", "end-answer-of-no-chunks"),
        connection=provider_with(bill=_bills_all),
    ),
    Mutant(
        slug="takes-cancel-of-chunks-not-sent",
        page="Takes a CANCEL that names chunks which were never sent.",
        breaks=("INF-016~1",),
        kills=_cases("reject-cancel-of-chunks-not-sent", "reject-cancel-of-one-chunk-more"),
        node=skipping("INF-016"),
    ),
    Mutant(
        slug="fails-on-cancel-behind-end",
        page="Closes the connection for a CANCEL that crossed its END.",
        breaks=("RCP-022~2",),
        kills=_cases("ignore-frames-behind-end"),
        connection=provider_with(received=_refuses_crossings),
    ),
    Mutant(
        slug="sends-end-to-who-left",
        page="Bills a consumer that ended or reset its stream, as if it had sent CANCEL.",
        breaks=("INF-017~1",),
        kills=_gone(*_LEAVING),
        connection=provider_with(gone=_sends_end),
    ),
    Mutant(
        slug="ignores-ends-of-streams",
        page="Goes on for a consumer that has ended its side.",
        breaks=("INF-017~1", "STM-003~2"),
        kills=(
            *_gone("ended-request", "ended-stream", "stream-ended-inside-frame"),
            "inference/ignore-request-without-end",
        ),
        connection=connection_with(request_data=_ignores_ends),
    ),
    Mutant(
        slug="ignores-resets",
        page="Goes on for a consumer that has reset its stream, or stopped the other.",
        breaks=("INF-017~1",),
        kills=_gone("reset-stream", "stopped-stream"),
        connection=connection_with(was_reset=_ignores_resets),
    ),
    Mutant(
        slug="fails-on-resets",
        page="Closes the connection, with all that runs on it, for one stream that is reset.",
        breaks=("INF-017~1",),
        kills=_gone("reset-stream", "stopped-stream"),
        connection=connection_with(was_reset=_fails_on_resets),
    ),
)
