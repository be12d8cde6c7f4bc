"""Consumers that ask and pay wrongly."""

from __future__ import annotations

from functools import partial
from typing import Any

from conformance import framing, signing
from conformance.data import limit
from conformance.dcbor import Item
from conformance.honest.adapter import HonestAdapter
from conformance.honest.consumer import Consumer
from conformance.honest.initiator import Initiator
from conformance.honest.rules import RefuseError
from conformance.mutants.brief import does, skips
from conformance.mutants.mutant import Mutant, adapter_with, consumer_with, initiator_with


def _sends_a_credit_first(self: Consumer) -> None:
    self.send(framing.CREDIT, {0: 2 * limit("INITIAL_CREDIT")})
    Consumer.ask(self)


def _commits_to_nothing(self: Consumer, number: int, previous: bytes | None, salt: bytes) -> dict[int, Item]:
    return Consumer.open_body(self, number, previous, salt) | {6: bytes(32)}


def _names_another_provider(self: Consumer, number: int, previous: bytes | None, salt: bytes) -> dict[int, Item]:
    return Consumer.open_body(self, number, previous, salt) | {2: bytes(32)}


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


def _drops_top_p(self: HonestAdapter, given: dict[str, Any], **others: Any) -> dict[int, Item]:
    return HonestAdapter.content(self, {name: value for name, value in given.items() if name != "top_p"}, **others)


def _hangs_with_its_connection(self: Initiator) -> None:
    self.over = True
    self.timers.stop_all()


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


_skips = partial(skips, "consumer")


def _does(slug: str, page: str, breaks: str, *cases: str, row: int | None = None, **consumer: Any) -> Mutant:
    """A consumer with other attributes or methods."""
    return does("consumer", slug, page, breaks, *cases, row=row, adapter=consumer_with(**consumer))


MUTANTS = (
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
        "opens-with-somebody-else",
        "Names another provider in the open than the one that it asks: who answers gets nothing.",
        "RCP-059",
        "pay-and-agree",
        open_body=_names_another_provider,
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
        "STM-003~2",
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
    ),
    Mutant(
        slug="asks-on-a-closed-connection",
        page="Asks on a connection that the provider has closed, and waits for an answer.",
        breaks=("ERR-004~1", "ERR-009~1"),
        kills=("consumer/show-a-lost-connection",),
        adapter=initiator_with(lost=_hangs_with_its_connection),
        row=19,
    ),
)
