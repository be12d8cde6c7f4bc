"""Consumers that cancel wrongly, wait for ever, or tell their users what is not so."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from conformance import framing
from conformance.data import error_code
from conformance.dcbor import Item
from conformance.finish import STOP
from conformance.honest.adapter import Asked, HonestAdapter
from conformance.honest.consumer import DONE, Consumer
from conformance.honest.initiator import Initiator
from conformance.mutants.brief import does, skips
from conformance.mutants.mutant import Mutant, adapter_with, consumer_with, initiator_with, skipping


def _shows_errors_as_text(self: HonestAdapter, asked: Asked) -> dict[str, Any]:
    shown = HonestAdapter.shown(self, asked)
    if shown["state"] == "failed":
        return {"state": "whole", "text": f"{shown['text']}Sorry: {shown['error']}", "finish": "STOP", "error": None}
    return shown


def _cut_is_whole(self: Consumer) -> None:
    self.finish = STOP
    self.over_now("PEER_GONE")


def _does_not_notice(self: Consumer) -> None:
    """A side that ends is of no interest."""


def _reads_reset_codes(self: Initiator, stream: int) -> None:
    request = self.asked.get(stream)
    if isinstance(request, Consumer) and not request.over:
        request.finish = STOP  # the code said NO_ERROR
        request.gone()


def _keeps_the_code(self: Consumer, value: Mapping[int, Item]) -> None:
    Consumer.failed(self, value)
    if value[0] > error_code("OVERRUN"):
        self.error = "NO_ERROR"


def _cancels_nothing(self: Consumer) -> None:
    if self.cancelled_after is None:
        self.cancelled_after = 0
        self.send(framing.CANCEL, {0: 0, 1: self.k, 2: self.links[self.k]})
        self.state = "CANCELLED"


def _resets_on_cancel(self: Consumer) -> None:
    self.connection.port.reset(self.stream)
    self.state = DONE


_skips = partial(skips, "consumer")


def _does(slug: str, page: str, breaks: str, *cases: str, row: int | None = None, **consumer: Any) -> Mutant:
    """A consumer with other attributes or methods."""
    return does("consumer", slug, page, breaks, *cases, row=row, adapter=consumer_with(**consumer))


MUTANTS = (
    _skips(
        "INF-015",
        "forgets-that-the-user-left",
        "Lets the provider go on, and pays, after its user has left.",
        "cancel-when-the-user-leaves",
        "withdraw-before-accept",
        row=19,
    ),
    _skips(
        "INF-019",
        "waits-for-ever-for-an-answer",
        "Waits for ever for a provider that says nothing.",
        "cancel-a-silent-provider",
        "cancel-beyond-the-deadline",
        row=19,
    ),
    _skips(
        "INF-020",
        "waits-for-ever-for-an-end",
        "Waits for ever for the END of what it has cancelled.",
        "give-up-without-an-end",
        row=19,
    ),
    _does(
        "cancels-at-nothing",
        "Names no chunk in CANCEL, whatever it has received.",
        "INF-018",
        "cancel-when-the-user-leaves",
        cancel=_cancels_nothing,
    ),
    _does(
        "resets-in-place-of-cancel",
        "Resets its stream where CANCEL belongs.",
        "INF-015 INF-018",
        "cancel-when-the-user-leaves",
        cancel=_resets_on_cancel,
    ),
    Mutant(
        slug="shows-errors-as-text",
        page="Tells its user of an error in the words of an answer.",
        breaks=("ERR-010~1", "INF-021~1"),
        kills=("consumer/show-a-refusal", "consumer/show-an-error-in-the-middle"),
        adapter=adapter_with(shown=_shows_errors_as_text),
        row=14,
    ),
    _does(
        "shows-a-cut-answer-as-whole",
        "Shows an answer as whole whose stream has only ended.",
        "INF-021 INF-031",
        "show-a-cut-answer-as-cut",
        "show-a-lost-connection",
        row=16,
        present_cut=_cut_is_whole,
    ),
    _does(
        "overlooks-the-end-of-a-stream",
        "Waits on, though the provider's side has ended.",
        "INF-031",
        "show-a-cut-answer-as-cut",
        row=19,
        ended=_does_not_notice,
    ),
    Mutant(
        slug="reads-reset-codes",
        page="Takes the code of a RESET_STREAM for the provider's word that all is well.",
        breaks=("ERR-008~1", "INF-031~1"),
        kills=("consumer/take-a-reset-as-the-end", "consumer/take-a-stop-as-the-end"),
        adapter=initiator_with(was_reset=_reads_reset_codes),
    ),
    _does(
        "trusts-unknown-codes",
        "Takes an error code that it does not know for none.",
        "ERR-005",
        "take-an-unknown-code-as-internal",
        failed=_keeps_the_code,
    ),
    Mutant(
        slug="takes-frames-in-any-state",
        page="Overlooks frames that its state does not list.",
        breaks=("STM-001~1",),
        kills=("consumer/reject-chunk-before-accept", "consumer/reject-second-accept"),
        node=skipping("STM-001"),
    ),
    Mutant(
        slug="overlooks-even-types-of-an-answer",
        page="Overlooks an unknown even type among the frames of an answer.",
        breaks=("EXT-002~1",),
        kills=("consumer/reject-unknown-even-type",),
        node=skipping("EXT-002"),
    ),
    Mutant(
        slug="takes-answers-of-any-shape",
        page="Takes frames of an answer whose body has not the shape of its rule.",
        breaks=("EXT-001~1", "FRM-008~1"),
        kills=("consumer/reject-chunk-with-unknown-even-key",),
        node=skipping("FRM-008"),
    ),
)
