"""Providers that serve what was not authorised, or refuse what was."""

from __future__ import annotations

from collections.abc import Mapping

from conformance import dcbor, signing
from conformance.data import limit
from conformance.dcbor import Item
from conformance.finish import CEILING
from conformance.honest.node import Node
from conformance.honest.provider import Provider
from conformance.honest.rules import FailError, RefuseError
from conformance.offer import Quote

from .mutant import Mutant, node_with, provider_with, skipping

_NAN = bytes.fromhex("07f97e00")
_STRANGER = signing.Key(bytes(32))


def _signed_by_another(self: Node, _: bytes) -> list[list[bytes]]:
    return [_STRANGER.signed(signing.QUOTE, self.quote())]


def _of_another(self: Node, _: bytes) -> list[list[bytes]]:
    return [_STRANGER.signed(signing.QUOTE, self.quote() | {0: _STRANGER.public})]


def _of_another_network(self: Node, _: bytes) -> list[list[bytes]]:
    return [self.key.signed(signing.QUOTE, self.quote() | {1: bytes(32)})]


def _with_another_key(self: Node, _: bytes) -> list[list[bytes]]:
    return [self.key.signed(signing.QUOTE, self.quote() | {65: None})]


def _forgets_its_quotes(self: Provider, request: Mapping[int, Item]) -> None:
    self.connection.offered.clear()
    Provider.judge_terms(self, request)


def _takes_not_a_number(self: Provider, request: Mapping[int, Item], peer: bytes) -> None:
    """Reads NaN as a float, and finds no comparison that it fails: any number will do."""
    body, _ = request[2]
    if _NAN not in body:
        Provider.judge_open(self, request, peer)
        return
    self.opened = dcbor.decode(body.replace(_NAN, dcbor.encode(7) + dcbor.encode(10_000)))
    self.open_name = signing.name(signing.OPEN, body)


def _fills_the_hole(self: Provider, request: Mapping[int, Item], peer: bytes) -> None:
    """Takes the prepaid link where the open has no anchor."""
    body, _ = request[2]
    opened = dcbor.decode(body)
    if 8 in opened:
        Provider.judge_open(self, request, peer)
        return
    self.opened, self.open_name = opened | {8: request[3]}, signing.name(signing.OPEN, body)


def _breaks_at_huge_amounts(self: Provider, request: Mapping[int, Item], peer: bytes) -> None:
    body, _ = request[2]
    try:
        opened = dcbor.decode(body)
    except dcbor.NotDeterministicError:
        opened = {}
    if opened.get(7, 0) >= limit("MAX_AMOUNT"):
        raise FailError("INTERNAL")
    Provider.judge_open(self, request, peer)


def _takes_zero_for_no_limit(self: Provider, request: Mapping[int, Item]) -> None:
    if self.opened[7]:
        Provider.judge_terms(self, request)
        return
    self.quote = Quote.read(self.connection.offered[self.opened[5]][0])
    self.opened[7], self.link = 10_000, self.opened[8]


def _without_numbers(self: Provider, error: RefuseError) -> None:
    error.limit = error.actual = None
    Provider.refuse(self, error)


def _names_the_prompt_alone(self: Provider, error: RefuseError) -> None:
    if error.actual is not None:
        error.actual -= self._terms().price_out
    Provider.refuse(self, error)


def _stops_a_token_early(self: Provider, text: str) -> int | None:
    quote = self._terms()
    if quote.owed(self.input_tokens or 0, self.tokens + 2) > self.opened[7]:
        return CEILING
    return Provider.bound(self, text)


def _refuses_the_highest(self: Provider, request: Mapping[int, Item]) -> None:
    Provider.judge_terms(self, request)
    if self.opened[7] >= limit("MAX_TICKS") * self._terms().tick_value:
        raise RefuseError("BAD_OPEN")


MUTANTS = (
    Mutant(
        slug="signs-quotes-with-another-key",
        page="Offers quotes that another key signed: nobody is bound by them.",
        breaks=("RCP-054~1",),
        kills=("opens/accept-open",),
        node=node_with(quotes=_signed_by_another),
    ),
    Mutant(
        slug="offers-quotes-of-others",
        page="Offers what a third node quotes, as if it could promise for it.",
        breaks=("RCP-054~1",),
        kills=("opens/accept-open",),
        node=node_with(quotes=_of_another),
        row=1,
    ),
    Mutant(
        slug="adds-a-key-to-quotes",
        page="Signs a quote with a key that this version does not have.",
        breaks=("RCP-054~1",),
        kills=("opens/accept-open",),
        node=node_with(quotes=_with_another_key),
    ),
    Mutant(
        slug="quotes-a-window-of-nothing",
        page="Quotes a window that does not cover one token: neither side could ever move.",
        breaks=("RCP-058~1",),
        kills=("opens/accept-open",),
        node=node_with(window=1, tick_value=1),
    ),
    Mutant(
        slug="quotes-in-a-network-of-its-own",
        page="Quotes in a network that is not the direct one, and that nobody knows.",
        breaks=("NET-001~1",),
        kills=("opens/accept-open",),
        node=node_with(quotes=_of_another_network),
    ),
    Mutant(
        slug="forgets-its-quotes",
        page="Refuses an open for a quote that it has just made.",
        breaks=("RCP-053~1",),
        kills=("opens/accept-open",),
        connection=provider_with(judge_terms=_forgets_its_quotes),
    ),
    Mutant(
        slug="takes-nan-for-a-ceiling",
        page="Reads floats, and serves on a ceiling of NaN, which nothing exceeds.",
        breaks=("ERR-006~1", "ENC-015~1"),
        kills=("opens/refuse-ceiling-not-a-number",),
        connection=provider_with(judge_open=_takes_not_a_number),
        row=8,
    ),
    Mutant(
        slug="takes-opens-of-any-shape",
        page="Takes an open with unknown keys, negative amounts and anchors of any length.",
        breaks=("RCP-008~1", "EXT-003~1"),
        kills=(
            "opens/refuse-unknown-even-key",
            "opens/refuse-unknown-odd-key",
            "opens/refuse-negative-ceiling",
            "opens/refuse-sequence-zero",
            "opens/refuse-short-anchor",
        ),
        node=skipping("RCP-008"),
    ),
    Mutant(
        slug="takes-opens-without-an-anchor",
        page="Makes do with the prepaid link where an open has no anchor.",
        breaks=("RCP-008~1",),
        kills=("opens/refuse-missing-key",),
        connection=provider_with(judge_open=_fills_the_hole),
    ),
    Mutant(
        slug="breaks-at-huge-amounts",
        page="Closes the connection at an amount that its own numbers do not hold.",
        breaks=("RCP-008~1", "RCP-036~1"),
        kills=("opens/refuse-ceiling-of-two-to-the-53", "opens/refuse-highest-amount-as-ceiling"),
        connection=provider_with(judge_open=_breaks_at_huge_amounts),
    ),
    Mutant(
        slug="takes-zero-for-no-limit",
        page="Takes a ceiling of zero as a request without a ceiling.",
        breaks=("RCP-013~2", "RCP-021~1"),
        kills=("opens/refuse-ceiling-zero",),
        connection=provider_with(judge_terms=_takes_zero_for_no_limit),
        row=13,
    ),
    Mutant(
        slug="serves-on-opens-of-others",
        page="Serves a peer on an open of another consumer, or for another provider.",
        breaks=("RCP-009~1",),
        kills=("opens/refuse-open-of-another-consumer", "opens/refuse-open-for-another-provider"),
        node=skipping("RCP-009"),
    ),
    Mutant(
        slug="serves-on-unsigned-opens",
        page="Does not look at an open's signature: what it serves is owed by nobody.",
        breaks=("RCP-010~1", "KEY-002~1"),
        kills=(
            "opens/refuse-bad-signature",
            "opens/refuse-signature-plus-order",
            "opens/refuse-signature-of-another-key",
            "opens/refuse-signature-of-another-context",
            "opens/refuse-open-changed-after-signing",
        ),
        node=skipping("RCP-010"),
        row=7,
    ),
    Mutant(
        slug="serves-on-any-quote",
        page="Serves on an open whose quote it never made.",
        breaks=("RCP-004~1",),
        kills=("opens/refuse-unknown-quote",),
        node=skipping("RCP-004"),
    ),
    Mutant(
        slug="serves-any-model-at-any-price",
        page="Does not compare network and model with the quote.",
        breaks=("RCP-011~1",),
        kills=("opens/refuse-another-network", "opens/refuse-another-model"),
        node=skipping("RCP-011"),
    ),
    Mutant(
        slug="takes-any-ceiling",
        page="Takes a ceiling that no chain of ticks can pay.",
        breaks=("RCP-036~1",),
        kills=("opens/refuse-ceiling-above-ticks",),
        node=skipping("RCP-036"),
    ),
    Mutant(
        slug="refuses-the-highest-ceiling",
        page="Refuses a ceiling of exactly MAX_TICKS ticks.",
        breaks=("RCP-036~1",),
        kills=("opens/accept-highest-ceiling",),
        connection=provider_with(judge_terms=_refuses_the_highest),
    ),
    Mutant(
        slug="does-not-compare-the-commitment",
        page="Answers another request than the one that was signed: parameters can change on the way.",
        breaks=("RCP-012~1",),
        kills=("opens/refuse-commitment-of-another-salt", "opens/refuse-commitment-to-other-content"),
        node=skipping("RCP-012"),
        row=15,
    ),
    Mutant(
        slug="takes-any-link",
        page="Counts ticks, and does not hash their links.",
        breaks=("RCP-020~1",),
        kills=(
            "opens/refuse-prepaid-link-random",
            "opens/refuse-prepaid-link-too-far",
            "opens/refuse-prepaid-link-is-anchor",
            "payment/refuse-random-link",
            "payment/refuse-link-of-tick-before",
            "payment/refuse-link-too-far",
            "payment/refuse-cancel-with-random-link",
        ),
        node=skipping("RCP-020"),
    ),
    Mutant(
        slug="takes-ticks-above-the-ceiling",
        page="Does not ask whether the ceiling has room for a tick.",
        breaks=("RCP-021~1",),
        kills=("opens/refuse-ceiling-below-prepaid", "payment/refuse-tick-above-ceiling"),
        node=skipping("RCP-021"),
    ),
    Mutant(
        slug="accepts-what-the-ceiling-does-not-pay",
        page="Accepts a prompt that costs the whole ceiling.",
        breaks=("RCP-013~2",),
        kills=("opens/refuse-ceiling-one-short",),
        node=skipping("RCP-013"),
        row=13,
    ),
    Mutant(
        slug="refuses-low-ceilings-without-numbers",
        page="Says CEILING_TOO_LOW, and not what would do.",
        breaks=("RCP-013~2",),
        kills=("opens/refuse-ceiling-one-short",),
        connection=provider_with(refuse=_without_numbers),
    ),
    Mutant(
        slug="names-the-price-of-the-prompt-alone",
        page="Says CEILING_TOO_LOW, with an amount that would not do either.",
        breaks=("RCP-013~2",),
        kills=("opens/refuse-ceiling-one-short",),
        connection=provider_with(refuse=_names_the_prompt_alone),
    ),
    Mutant(
        slug="delivers-past-the-ceiling",
        page="Delivers all tokens that were asked for, whatever the consumer authorised.",
        breaks=("RCP-016~1",),
        kills=("opens/accept-ceiling-for-one-token", "opens/accept-ceiling-for-three-tokens"),
        node=skipping("RCP-016"),
        row=13,
    ),
    Mutant(
        slug="stops-before-the-ceiling",
        page="Ends an answer with CEILING though another token is paid for.",
        breaks=("INF-011~1",),
        kills=("opens/accept-ceiling-for-one-token", "opens/accept-ceiling-for-three-tokens"),
        connection=provider_with(bound=_stops_a_token_early),
    ),
)
