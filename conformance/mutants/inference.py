"""Providers that do not answer, or misreport what they answer."""

from __future__ import annotations

from typing import Any

from conformance.data import error_code
from conformance.finish import CEILING, LENGTH, STOP
from conformance.honest.connection import Connection
from conformance.honest.model import Model
from conformance.honest.provider import REQUESTED, Provider
from conformance.honest.rules import RefuseError
from conformance.honest.stops import Stops

from . import readers, wishes
from .mutant import Mutant, connection_with, provider_with, skipping


def _cases(*slugs: str) -> tuple[str, ...]:
    return tuple(f"inference/{slug}" for slug in slugs)


def _drops(self: Provider) -> None:
    """A request comes, and nothing is done about it."""


def _reads_packets(self: Connection, stream: int, data: bytes, limits: dict[int, int] | None) -> Any:
    self._buffers[stream] = b""
    return Connection._frames(self, stream, data, limits)


# How prompts are counted


def _remembers(self: Provider) -> int:
    """Everything that anybody said is a part of the conversation."""
    said = self.node.__dict__.setdefault("said", [])
    said.extend(self.content[2])
    return self.node.model.input_tokens(said)


def _counts_nothing(_: Provider) -> int:
    return 100


def _says_it_in_words(self: Provider) -> None:
    """An error is an answer like any other."""
    try:
        Provider.decide(self)
    except RefuseError as error:
        if error.code != error_code("CONTEXT_TOO_LONG"):
            raise
        self.said = self.node.model.words - 1
        self.node.record(self.opened, self.open_name)
        self.accept(10)


def _without_numbers(self: Provider) -> None:
    try:
        Provider.decide(self)
    except RefuseError as error:
        error.limit = error.actual = None
        raise


# Stop sequences


class _NoStops(Stops):
    """Hears of no stop sequences."""

    def push(self, text: str) -> tuple[str, bool]:
        return text, False


class _HoldsNothing(Stops):
    """Finds a stop sequence in all text so far, of which the beginning has gone out."""

    def __init__(self, sequences: Any) -> None:
        super().__init__(sequences)
        self.sent = ""

    def push(self, text: str) -> tuple[str, bool]:
        before, self.sent = len(self.sent), self.sent + text
        places = [self.sent.index(each) for each in self.sequences if each in self.sent]
        return (self.sent[before : max(before, min(places))], True) if places else (text, False)


class _ComparesTokens(Stops):
    """Compares stop sequences with each token alone."""

    def push(self, text: str) -> tuple[str, bool]:
        places = [text.index(each) for each in self.sequences if each in text]
        return (text[: min(places)], True) if places else (text, False)


class _SaysTheStop(Stops):
    """Ends at a stop sequence, and says it."""

    def push(self, text: str) -> tuple[str, bool]:
        whole = self.held + text
        out, stopped = super().push(text)
        found = next((each for each in self.sequences if each in whole), "")
        return (out + found, True) if stopped else (out, stopped)


class _Swallows(Stops):
    """What was held back never comes."""

    def flush(self) -> str:
        self.held = ""
        return ""


# Tokens and reasons


def _free(self: Provider, text: str, _: int) -> None:
    Provider.chunk(self, text, 0)


def _always(reason: int) -> Any:
    def end(self: Provider, finish: int) -> None:
        Provider.end(self, reason if finish in (STOP, LENGTH) else finish)

    return end


# Time


def _has_no_deadline(self: Provider) -> None:
    """Nothing happens."""


def _thinks(self: Provider, tokens: int) -> None:
    self.timers.start("thought", 10, lambda: self.accept(tokens) if self.state == REQUESTED else None)


MUTANTS = (
    *readers.MUTANTS,
    *wishes.MUTANTS,
    Mutant(
        slug="loses-stop-sequences",
        page="Drops the stop sequences on the way to its model.",
        breaks=("INF-010~1",),
        kills=_cases(
            "stop-at-sequence", "stop-at-beginning-of-chunk", "stop-across-chunks", "stop-at-first-of-several"
        ),
        connection=provider_with(watches=_NoStops),
        row=15,
    ),
    Mutant(
        slug="leaks-beginnings-of-stop-sequences",
        page="Holds no text back: the beginning of a stop sequence is out before its end is there.",
        breaks=("INF-010~1",),
        kills=_cases("stop-at-beginning-of-chunk", "stop-across-chunks"),
        connection=provider_with(watches=_HoldsNothing),
    ),
    Mutant(
        slug="looks-for-stop-sequences-in-tokens",
        page="Finds a stop sequence only where one token holds all of it.",
        breaks=("INF-010~1",),
        kills=_cases("stop-at-beginning-of-chunk", "stop-across-chunks", "stop-at-first-of-several"),
        connection=provider_with(watches=_ComparesTokens),
    ),
    Mutant(
        slug="says-stop-sequences",
        page="Ends the answer at a stop sequence, behind it.",
        breaks=("INF-010~1",),
        kills=_cases("stop-at-sequence", "stop-across-chunks"),
        connection=provider_with(watches=_SaysTheStop),
    ),
    Mutant(
        slug="swallows-text-that-could-have-been-a-stop",
        page="Holds text back that could become a stop sequence, and forgets it when the answer ends.",
        breaks=("INF-006~1",),
        kills=_cases("release-unfinished-stop"),
        connection=provider_with(watches=_Swallows),
    ),
    Mutant(
        slug="drops-requests",
        page="Takes a REQUEST and says nothing at all.",
        breaks=("INF-027~2",),
        kills=_cases("accept-chat"),
        connection=provider_with(decide=_drops),
        row=11,
    ),
    Mutant(
        slug="reads-packets-for-frames",
        page="Expects each frame whole in what the transport hands over at once.",
        breaks=("INF-027~2",),
        kills=_cases("accept-request-in-pieces"),
        connection=connection_with(_frames=_reads_packets),
    ),
    Mutant(
        slug="carries-conversations-over",
        page="Keeps one conversation for all consumers, as a shared cache or a constant session does.",
        breaks=("INF-033~1",),
        kills=_cases("count-same-prompt-alike"),
        connection=provider_with(count_input=_remembers),
        row=20,
    ),
    Mutant(
        slug="counts-every-prompt-alike",
        page="States the same input tokens for every prompt.",
        breaks=("INF-007~1",),
        kills=_cases("count-longer-prompt-higher"),
        connection=provider_with(count_input=_counts_nothing),
    ),
    Mutant(
        slug="says-errors-in-words",
        page="Accepts a prompt that is too long, and answers with a text that says so.",
        breaks=("INF-008~1",),
        kills=_cases("refuse-prompt-beyond-context"),
        connection=provider_with(decide=_says_it_in_words),
        row=14,
    ),
    Mutant(
        slug="refuses-long-prompts-without-numbers",
        page="Refuses a prompt that is too long, and does not say by how much.",
        breaks=("INF-008~1",),
        kills=_cases("refuse-prompt-beyond-context"),
        connection=provider_with(decide=_without_numbers),
    ),
    Mutant(
        slug="ignores-max-tokens",
        page="Talks on behind the budget of tokens, until the ceiling.",
        breaks=("INF-012~1",),
        kills=_cases("accept-chat", "accept-one-token", "answer-within-max-tokens"),
        node=skipping("INF-012"),
        row=13,
    ),
    Mutant(
        slug="counts-no-tokens",
        page="Delivers text and reports no tokens.",
        breaks=("INF-009~1",),
        kills=_cases("accept-chat"),
        node=skipping(model=Model(words=8)),
        connection=provider_with(chunk=_free),
    ),
    Mutant(
        slug="always-says-length",
        page="Calls every end of an answer LENGTH, as if more had been there to say.",
        breaks=("INF-011~1",),
        kills=_cases("accept-chat", "answer-within-max-tokens"),
        node=skipping(model=Model(words=3)),
        connection=provider_with(end=_always(LENGTH)),
    ),
    Mutant(
        slug="always-says-ceiling",
        page="Calls every end of an answer CEILING, as if more money would have bought more.",
        breaks=("INF-011~1",),
        kills=_cases("accept-chat", "answer-within-max-tokens", "accept-one-token"),
        connection=provider_with(end=_always(CEILING)),
    ),
    Mutant(
        slug="has-no-deadline",
        page="Answers as long as it takes.",
        breaks=("INF-013~1",),
        kills=_cases("end-at-deadline", "end-unpaid-answer-at-deadline", "give-up-unpaid-prompt-at-deadline"),
        node=skipping(model=Model(delay=0.05)),
        connection=provider_with(deadline=_has_no_deadline),
    ),
    Mutant(
        slug="accepts-after-the-deadline",
        page="Thinks for ten seconds, and accepts a request that nobody waits for any more.",
        breaks=("INF-022~1",),
        kills=_cases("decide-before-deadline"),
        connection=provider_with(deadline=_has_no_deadline, accept_after_thinking=_thinks),
    ),
    Mutant(
        slug="waits-for-ever-for-requests",
        page="Keeps a stream whose REQUEST never becomes whole.",
        breaks=("INF-024~1",),
        kills=_cases("refuse-unfinished-request"),
        node=skipping("INF-024"),
        row=19,
    ),
)
