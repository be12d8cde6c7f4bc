"""Consumers that agree wrongly, or take more than they authorised."""

from __future__ import annotations

from functools import partial
from typing import Any

import cbor2

from conformance import dcbor, framing
from conformance.dcbor import Item
from conformance.honest.consumer import Consumer
from conformance.honest.rules import RefuseError
from conformance.mutants.brief import does, skips
from conformance.mutants.mutant import Mutant, consumer_with, skipping


def _never_agrees(self: Consumer) -> None:
    assert self.close is not None  # judged
    self.keep(self.claim())
    self.finish = self.close[7]
    self.over_now("CANCELLED")


def _agrees_with_zeros(self: Consumer, _: bytes) -> None:
    Consumer.countersign(self, bytes(64))


def _closes_on_a_bad_close(self: Consumer, error: RefuseError) -> None:
    self.connection.fail(error.code)


def _encodes_anyhow(self: Consumer, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
    encoded = dcbor.encode(body)
    if kind == framing.COUNTERSIGN:  # a length in more bytes than it needs
        encoded = b"\xa1\x00\x59\x00\x40" + body[0]
    self.connection.port.write(self.stream, framing.write_frame(kind, encoded), fin)


_CLOSES = (
    "of-another-open", "of-another-request", "of-another-answer", "of-another-model", "with-more-input",
    "with-more-output", "one-too-dear", "one-too-cheap", "with-another-salt", "of-a-million",
)  # fmt: skip


def _compares_only(self: Consumer, body: bytes, signature: bytes, salt: bytes) -> dict[int, Item]:
    close: dict[int, Item] = cbor2.loads(body)
    if close[6] > self.ceiling or close[6] < 0:
        raise RefuseError("BAD_CLOSE")
    return close


def _text_alone(self: Consumer, billed: list[dict[int, Item]], finish: Item) -> dict[int, Item]:
    return {key: value for key, value in Consumer.answer(self, billed, finish).items() if key < 3}


_skips = partial(skips, "consumer")


def _does(slug: str, page: str, breaks: str, *cases: str, row: int | None = None, **consumer: Any) -> Mutant:
    """A consumer with other attributes or methods."""
    return does("consumer", slug, page, breaks, *cases, row=row, adapter=consumer_with(**consumer))


MUTANTS = (
    Mutant(
        slug="countersigns-any-total",
        page="Countersigns whatever the provider bills: a million credits for four tokens.",
        breaks=("RCP-028~1", "RCP-045~1"),
        kills=tuple(f"consumer/reject-close-{each}" for each in _CLOSES),
        node=skipping("RCP-028"),
        row=6,
    ),
    Mutant(
        slug="agrees-to-more-than-it-cancelled",
        page="Does not compare a cancelled bill with the chunks that its CANCEL named.",
        breaks=("RCP-028~1", "RCP-045~1"),
        kills=("consumer/reject-close-of-more-than-cancel-names",),
        node=skipping("RCP-028"),
        row=13,
    ),
    _skips(
        "RCP-026",
        "agrees-to-unsigned-closes",
        "Countersigns closes that the provider has not signed.",
        "reject-close-with-empty-signature",
        "reject-close-of-another-key",
        "reject-close-of-another-context",
        row=7,
    ),
    _skips(
        "RCP-033",
        "pays-beyond-the-window",
        "Agrees to what was delivered after its CANCEL, however much it is.",
        "reject-close-beyond-window-after-cancel",
    ),
    Mutant(
        slug="agrees-to-closes-of-any-shape",
        page="Countersigns a close with a key that nobody knows, as long as the rest is right.",
        breaks=("RCP-024~1", "RCP-045~1"),
        kills=("consumer/reject-close-with-unknown-key",),
        node=skipping("RCP-024", "RCP-028"),
    ),
    Mutant(
        slug="lets-others-cancel",
        page="Agrees to a close that says CANCELLED though nobody has cancelled.",
        breaks=("RCP-027~1", "RCP-045~1"),
        kills=("consumer/reject-close-cancelled-by-nobody",),
        node=skipping("RCP-027"),
    ),
    _skips(
        "INF-035",
        "takes-vectors-for-answers",
        "Takes vectors where it has asked for words.",
        "give-up-vector-of-a-chat",
    ),
    _skips(
        "INF-036",
        "takes-arguments-of-no-call",
        "Takes arguments that belong to no call.",
        "give-up-arguments-of-no-call",
    ),
    _skips(
        "INF-037", "takes-calls-of-any-tool", "Lets a model call what nobody has offered.", "give-up-call-of-no-tool"
    ),
    _skips(
        "INF-038",
        "takes-logprobs-unasked",
        "Pays for log-probabilities that it has not asked for.",
        "give-up-unasked-logprobs",
    ),
    _skips(
        "INF-040",
        "believes-in-calls-unmade",
        "Agrees to an END that says that tools were called, where none was.",
        "give-up-calls-unmade",
    ),
    _does(
        "commits-to-text-alone",
        "Compares the close with the text of an answer alone, and refuses every answer that calls tools.",
        "RCP-028 RCP-046",
        "take-calls",
        "take-reasoning",
        answer=_text_alone,
    ),
    _does(
        "fails-the-connection-on-a-bad-close",
        "Closes the whole connection, with all its other requests, because of one bad close.",
        "RCP-028 RCP-045",
        "reject-close-one-too-dear",
        give_up=_closes_on_a_bad_close,
    ),
    _does(
        "takes-floats",
        "Reads a close with a library's own decoder, and guards its purse with two comparisons.",
        "RCP-024 RCP-045",
        "reject-close-of-no-number",
        row=8,
        judge_close=_compares_only,
    ),
    _does(
        "never-countersigns",
        "Receipts were designed with two signatures, and this peer never sends the second.",
        "RCP-046",
        "pay-and-agree",
        "agree-to-an-early-end",
        "agree-to-nothing-said",
        row=17,
        agree=_never_agrees,
    ),
    _does(
        "countersigns-with-zeros",
        "Sends 64 zeros as its countersignature.",
        "SIG-002",
        "pay-and-agree",
        row=7,
        countersign=_agrees_with_zeros,
    ),
    _does(
        "encodes-countersign-anyhow",
        "Writes the length of the countersignature in more bytes than it needs.",
        "ENC-001",
        "pay-and-agree",
        send=_encodes_anyhow,
    ),
    _skips(
        "RCP-014~2",
        "pays-for-any-prompt",
        "Pays for as many input tokens as ACCEPT says.",
        "give-up-input-beyond-context",
        "give-up-input-beyond-ceiling",
        row=13,
    ),
    _skips(
        "RCP-015",
        "takes-more-than-it-asked-for",
        "Takes sixty tokens where five were asked for.",
        "give-up-output-beyond-max-tokens",
        "give-up-output-beyond-ceiling",
        row=13,
    ),
    _skips("RCP-038", "believes-any-count", "Believes any count of input tokens.", "doubt-an-input-that-cannot-be"),
    _skips("FLW-003", "takes-chunks-beyond-credit", "Takes chunks beyond its credit.", "reject-chunks-beyond-credit"),
)
