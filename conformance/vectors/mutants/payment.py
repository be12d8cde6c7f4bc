"""Mutants of SPEC.md, "Inference exchange", and of "Receipts" up to the first chunk."""

from __future__ import annotations

import hashlib

import cbor2

from conformance import dcbor
from conformance.dcbor import Item
from conformance.vectors.implementation import Implementation
from conformance.vectors.outcome import Case, Json, Outcome, joined

from .mutant import Careless, Without, mutant


class _FirstItem(Implementation):
    """Reads the first item of content, and leaves what follows."""

    def content(self, case: Case) -> Outcome:
        """The content that stands at the beginning."""
        data = joined(case["hex"])
        return super().content({"hex": dcbor.encode(cbor2.loads(data)).hex()} if data else case)


class _AnyOffer(Implementation):
    """Takes an open for whatever was offered."""

    def quote_of(self, opened: Item, quotes: dict[bytes, Item]) -> Item:
        """Some quote that was offered."""
        return next(iter(quotes.values()))


class _NoSkew(Implementation):
    """Refuses an open in the second in which its quote expires."""

    def judge_terms(self, request: Item, opened: Item, offer: Item, now: float) -> str | None:
        """The terms, by a clock that allows for no difference."""
        return super().judge_terms(request, opened, offer, now + 120)


class _WrapsContent(Implementation):
    """Commits to content as a byte string, as to everything else."""

    def committed(self, context: str, items: list[Json]) -> list[bytes]:
        """The items, all of them encoded, whatever the context."""
        return super().committed("", items)


class _BareChain(Implementation):
    """Makes chains with the hash of the link alone."""

    def before(self, link: bytes) -> bytes:
        """The hash of the link."""
        return hashlib.sha256(link).digest()


_ORDER = {
    "INF-035": "reject-reasoning-of-a-completion reject-vector-beside-text",
    "INF-036": "reject-arguments-of-no-call reject-arguments-after-text",
    "INF-037": "reject-call-of-no-tool reject-two-calls-of-one reject-one-call-beyond-most",
    "INF-038": "reject-logprobs-unasked reject-more-logprobs-than-tokens",
    "INF-039": "reject-text-of-an-embedding reject-more-vectors-than-inputs",
    "INF-040": "reject-calls-that-are-not-there reject-vectors-of-two-lengths",
}

MUTANTS = (
    mutant("reads-the-first-item-of-content", "INF-003~1", "content: reject-not-deterministic", _FirstItem()),
    mutant(
        "takes-any-parameter",
        "INF-004~2",
        "content: reject-max-tokens-0 reject-deadline-beyond-an-hour reject-temperature-above-2 reject-top-p-0"
        " reject-stop-of-5 reject-seed-negative",
        Careless("chat-request", 3),
    ),
    mutant(
        "calls-unknown-operations-malformed",
        "INF-005~1",
        "content: reject-operation-0 reject-operation-4",
        Without("INF-005"),
    ),
    mutant(
        "takes-contents-that-contradict-themselves",
        "INF-034~1",
        "content: reject-tool-twice reject-tool-choice-of-no-tool reject-logit-bias-token-twice"
        " reject-result-of-no-call reject-call-of-a-user",
        Without("INF-034"),
    ),
    *(
        mutant(f"reads-answers-without-{each.lower()}", f"{each}~1", f"answer: {cases}", Without(each))
        for each, cases in _ORDER.items()
    ),
    mutant(
        "takes-any-price",
        "RCP-001~1",
        "quote: reject-price-out-negative reject-tick-value-0 reject-window-0 reject-expires-null",
        Careless("quote-body", 4),
    ),
    mutant(
        "verifies-no-quote",
        "RCP-002~1",
        "quote: reject-flipped-signature reject-wrong-context reject-signed-by-another reject-of-another-node"
        " reject-body-changed",
        Without("RCP-002"),
    ),
    mutant("admits-opens-for-any-quote", "RCP-004~1", "open: reject-quote-unknown", _AnyOffer()),
    mutant("forgets-that-quotes-expire", "RCP-005~1", "open: reject-quote-expired", Without("RCP-005")),
    mutant("allows-for-no-skew", "RCP-005~1", "open: accept-within-the-clock-skew", _NoSkew()),
    mutant("wraps-content", "RCP-006~1", "commitments: request request-other-salt", _WrapsContent()),
    mutant(
        "takes-any-number-in-an-open",
        "RCP-008~1",
        "open: reject-sequence-0 reject-sequence-negative reject-sequence-of-2-53 reject-previous-of-31-bytes",
        Careless("open-body", 3),
    ),
    mutant(
        "takes-opens-of-others",
        "RCP-009~1",
        "open: reject-open-of-another-consumer reject-sent-by-another-consumer reject-open-to-another-provider",
        Without("RCP-009"),
    ),
    mutant(
        "verifies-no-open",
        "RCP-010~1",
        "open: reject-flipped-signature reject-zero-signature reject-wrong-context reject-signed-by-another",
        Without("RCP-010"),
    ),
    mutant(
        "takes-opens-of-other-quotes",
        "RCP-011~1",
        "open: reject-other-network reject-content-of-another-model",
        Without("RCP-011"),
    ),
    mutant(
        "serves-networks-that-nobody-proved",
        "NET-036~1",
        "open: reject-network-that-was-not-proved",
        Without("NET-036"),
    ),
    mutant(
        "checks-no-commitment",
        "RCP-012~1",
        "open: reject-content-changed reject-content-with-key-added reject-other-salt",
        Without("RCP-012"),
    ),
    mutant("takes-any-ceiling", "RCP-036~1", "open: reject-ceiling-beyond-all-ticks", Without("RCP-036")),
    mutant(
        "takes-any-link",
        "RCP-020~1",
        "ticks: reject-link-of-another-chain reject-anchor-as-link reject-one-link-ahead reject-bit-flipped"
        " open: reject-prepaid-is-the-anchor reject-prepaid-one-too-far",
        Without("RCP-020"),
    ),
    mutant(
        "takes-any-number-of-ticks",
        "RCP-021~1",
        "ticks: reject-going-back reject-beyond-the-ceiling open: reject-ceiling-below-the-prepaid-ticks",
        Without("RCP-021"),
    ),
    mutant("makes-chains-of-bare-hashes", "RCP-057~1", "ticks: chain-of-125 chain-of-65536", _BareChain()),
)
