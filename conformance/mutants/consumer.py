"""Consumers that pay wrongly, agree wrongly, or tell their users what is not so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance import dcbor, framing, signing
from conformance.data import error_code, limit
from conformance.dcbor import Item
from conformance.honest.adapter import Asked, HonestAdapter
from conformance.honest.consumer import DONE, Consumer
from conformance.honest.initiator import Initiator
from conformance.honest.ledger import Kept
from conformance.honest.provider import STOP
from conformance.honest.rules import RefuseError

from .mutant import Mutant, adapter_with, consumer_with, initiator_with, skipping

_TWIN = "consumer/pay-and-agree"


def _sends_a_credit_first(self: Consumer) -> None:
    self.send(framing.CREDIT, {0: 2 * limit("INITIAL_CREDIT")})
    Consumer.ask(self)


def _commits_to_nothing(self: Consumer, number: int, previous: bytes | None, salt: bytes) -> dict[int, Item]:
    return Consumer.open_body(self, number, previous, salt) | {6: bytes(32)}


def _signs_with_another_key(self: Consumer) -> None:
    self.node.key, mine = signing.Key(bytes(32)), self.node.key
    Consumer.ask(self)
    self.node.key = mine


def _pays_nothing(self: Consumer) -> None:
    """Release nothing beyond what is prepaid."""


def _pays_ahead(self: Consumer) -> int:
    return min(Consumer.due(self) + 1, len(self.links) - 1)


def _pays_with_other_links(self: Consumer) -> None:
    k = min(self.due(), len(self.links) - 1)
    if k > self.k:
        self.k = k
        self.send(framing.TICK, {0: k, 1: bytes(32)})


def _gives_no_credit(self: Consumer) -> None:
    """Never raise the limit."""


def _gives_small_credits(self: Consumer) -> None:
    if self.received_bytes > limit("INITIAL_CREDIT") // 2:
        self.credit = max(self.credit, limit("INITIAL_CREDIT")) + 1024
        self.send(framing.CREDIT, {0: self.credit})


def _never_agrees(self: Consumer) -> None:
    assert self.close is not None  # judged
    self.keep(self.claim())
    self.finish = self.close[7]
    self.over_now("CANCELLED")


def _agrees_with_zeros(self: Consumer, _: bytes) -> None:
    Consumer.countersign(self, bytes(64))


def _drops_top_p(self: HonestAdapter, given: dict[str, Any], **others: Any) -> dict[int, Item]:
    return HonestAdapter.content(self, {name: value for name, value in given.items() if name != "top_p"}, **others)


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
    if request is not None and not request.over:
        request.finish = STOP  # the code said NO_ERROR
        request.gone()


def _hangs_with_its_connection(self: Initiator) -> None:
    self.over = True
    self.timers.stop_all()


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


def _ends_its_side_at_once(self: Consumer, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
    Consumer.send(self, kind, body, fin=fin or kind == framing.REQUEST)


def _ticks_after_cancel(self: Consumer, text: str, tokens: int, size: int) -> None:
    Consumer.chunk(self, text, tokens, size)
    self.pay()


def _fails_on_heartbeats(self: Consumer, text: str, tokens: int, size: int) -> None:
    if not tokens:
        raise RefuseError("INTERNAL")
    Consumer.chunk(self, text, tokens, size)


def _ceiling_as_it_comes(self: Consumer) -> int:
    return self.quote.owed(self.most_input(), self.content[3])


def _closes_on_a_bad_close(self: Consumer, error: RefuseError) -> None:
    self.connection.fail(error.code)


def _keeps_all(self: Consumer, kept: Kept) -> None:
    self.node.keep("consumer", self.opened, kept)


def _encodes_anyhow(self: Consumer, kind: int, body: dict[int, Item], *, fin: bool = False) -> None:
    encoded = dcbor.encode(body)
    if kind == framing.COUNTERSIGN:  # a length in more bytes than it needs
        encoded = b"\xa1\x00\x59\x00\x40" + body[0]
    self.connection.port.write(self.stream, framing.write_frame(kind, encoded), fin)


def _skips(requirement: str, slug: str, page: str, *cases: str, row: int | None = None) -> Mutant:
    return Mutant(
        slug=slug,
        page=page,
        breaks=(f"{requirement}~1",),
        kills=tuple(f"consumer/{each}" for each in cases),
        node=skipping(requirement),
        row=row,
    )


def _does(slug: str, page: str, breaks: str, *cases: str, row: int | None = None, **consumer: Any) -> Mutant:
    return Mutant(
        slug=slug,
        page=page,
        breaks=tuple(f"{each}~1" for each in breaks.split()),
        kills=tuple(f"consumer/{each}" for each in cases),
        adapter=consumer_with(**consumer),
        row=row,
    )


_CLOSES = (
    "of-another-open", "of-another-request", "of-another-answer", "of-another-model", "with-more-input",
    "with-more-output", "one-too-dear", "one-too-cheap", "with-another-salt", "of-a-million",
)  # fmt: skip

MUTANTS = (
    # Closes
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
    _does(
        "fails-the-connection-on-a-bad-close",
        "Closes the whole connection, with all its other requests, because of one bad close.",
        "RCP-028 RCP-045",
        "reject-close-one-too-dear",
        give_up=_closes_on_a_bad_close,
    ),
    _does(
        "never-countersigns",
        "Receipts were designed with two signatures, and this peer never sends the second.",
        "RCP-046",
        "pay-and-agree",
        "agree-to-an-early-end",
        "agree-to-nothing-said",
        row=16,
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
        "ENC-003",
        "pay-and-agree",
        send=_encodes_anyhow,
    ),
    # Paying
    _does(
        "pays-nothing-while-it-flows",
        "Releases nothing beyond the prepaid ticks.",
        "RCP-018",
        "pay-and-agree",
        "pay-without-prepayment",
        pay=_pays_nothing,
    ),
    _does("pays-ahead", "Releases one tick more than is due.", "RCP-056", "pay-and-agree", due=_pays_ahead),
    _does(
        "pays-with-other-links",
        "Sends ticks that are not of the open's chain.",
        "RCP-057",
        "pay-and-agree",
        pay=_pays_with_other_links,
    ),
    _does(
        "gives-up-at-heartbeats",
        "Takes a CHUNK without tokens for a fault.",
        "RCP-018",
        "take-several-tokens-in-a-chunk",
        chunk=_fails_on_heartbeats,
    ),
    _does(
        "pays-after-cancelling",
        "Releases ticks for what comes after its CANCEL.",
        "STM-002",
        "agree-to-an-end-that-crosses-cancel",
        chunk=_ticks_after_cancel,
    ),
    _does("gives-no-credit", "Never gives credit.", "FLW-011 FLW-012", "give-credit", give_credit=_gives_no_credit),
    _does(
        "gives-crumbs-of-credit",
        "Raises the limit by a kilobyte at a time.",
        "FLW-012",
        "give-credit",
        give_credit=_gives_small_credits,
    ),
    # Asking
    _does(
        "asks-with-credit-first",
        "Sends CREDIT before REQUEST.",
        "INF-001",
        "pay-and-agree",
        ask=_sends_a_credit_first,
    ),
    _does(
        "commits-to-nothing",
        "Puts 32 zeros where the commitment to the content belongs.",
        "RCP-006",
        "pay-and-agree",
        open_body=_commits_to_nothing,
    ),
    _does(
        "opens-for-somebody-else",
        "Signs opens with another key.",
        "KEY-001",
        "pay-and-agree",
        ask=_signs_with_another_key,
    ),
    _does(
        "ends-its-side-at-once",
        "Ends its side of the stream with REQUEST.",
        "STM-003",
        "pay-and-agree",
        send=_ends_its_side_at_once,
    ),
    _does(
        "authorises-any-amount",
        "Signs ceilings that no chain of ticks can pay, and below what is prepaid.",
        "RCP-035",
        "sign-no-ceiling-above-all-ticks",
        affordable=_ceiling_as_it_comes,
    ),
    Mutant(
        slug="loses-top-p",
        page="Sends a request without the top_p that its user has set.",
        breaks=("INF-002~1",),
        kills=("consumer/carry-every-parameter",),
        adapter=adapter_with(content=_drops_top_p),
        row=15,
    ),
    _skips(
        "RCP-037",
        "signs-less-than-is-prepaid",
        "Signs an open whose ceiling does not cover the prepaid ticks.",
        "sign-no-ceiling-below-the-prepaid-ticks",
    ),
    _skips(
        "NET-002",
        "signs-in-any-network",
        "Signs opens in a network that it does not know.",
        "sign-nothing-in-an-unknown-network",
    ),
    _skips("RCP-052", "takes-expired-quotes", "Names quotes that have expired.", "take-no-expired-quote"),
    _skips("FLW-009", "asks-without-bound", "Opens as many requests as its users want.", "keep-to-the-streams"),
    _skips(
        "FLW-015",
        "sends-prompts-without-bound",
        "Sends any amount of requests to a provider that answers none.",
        "keep-to-the-unanswered-bytes",
        row=17,
    ),
    Mutant(
        slug="asks-on-a-closed-connection",
        page="Asks on a connection that the provider has closed, and waits for an answer.",
        breaks=("ERR-004~1", "ERR-009~1"),
        kills=("consumer/show-a-lost-connection",),
        adapter=initiator_with(lost=_hangs_with_its_connection),
        row=19,
    ),
    # More than was authorised
    _skips(
        "RCP-014",
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
    # Cancelling and waiting
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
    # What the user is shown
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
        row=15,
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
    # Frames
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
