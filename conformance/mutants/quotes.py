"""Peers that break what the cases of ``quotes`` show."""

from __future__ import annotations

from collections.abc import Mapping

from conformance import dcbor
from conformance.dcbor import Item
from conformance.honest.connection import Connection
from conformance.honest.provider import Provider
from conformance.honest.rules import RefuseError
from conformance.offer import Quote

from .mutant import Mutant, connection_with, provider_with, skipping


def _reads_as_far_as_it_goes(self: Connection, body: bytes, signature: bytes, peer: bytes) -> dict[int, Item]:
    try:
        dcbor.decode(body)
    except dcbor.NotDeterministicError:
        return {}
    return Connection.judge_quote(self, body, signature, peer)


def _drops_at_expiry(self: Provider, request: Mapping[int, Item]) -> None:
    signed = self.connection.offered.get(self.opened[5])
    if signed is not None and self.node.clock() >= Quote.read(signed[0]).expires:
        raise RefuseError("QUOTE_EXPIRED")
    Provider.judge_terms(self, request)


MUTANTS = (
    Mutant(
        slug="takes-quotes-of-any-shape",
        page="Takes a quote with keys too many or too few, and numbers outside of their ranges.",
        breaks=("RCP-001~1", "EXT-003~1"),
        kills=(
            "quotes/reject-missing-key",
            "quotes/reject-unknown-odd-key",
            "quotes/reject-window-zero",
            "quotes/reject-tick-value-zero",
            "quotes/reject-price-too-high",
            "encoding/reject-unknown-odd-key-in-quote",
            "encoding/reject-unknown-even-key-in-quote",
        ),
        node=skipping("RCP-001"),
    ),
    Mutant(
        slug="takes-quotes-of-anybody",
        page="Takes a quote without asking who signed it, or whose it is: a forged one replaces a node's offer.",
        breaks=("RCP-002~1",),
        kills=(
            "quotes/reject-quote-of-another-provider",
            "quotes/reject-signature-of-another-key",
            "quotes/reject-bad-signature",
            "quotes/reject-signature-of-another-context",
        ),
        node=skipping("RCP-002"),
        row=1,
    ),
    Mutant(
        slug="passes-over-unreadable-quotes",
        page="Passes over a quote that is no item, as if it were not there.",
        breaks=("ENC-011~1",),
        kills=("quotes/reject-trailing-byte",),
        connection=connection_with(judge_quote=_reads_as_far_as_it_goes),
    ),
    Mutant(
        slug="takes-expired-quotes",
        page="Serves at yesterday's price.",
        breaks=("RCP-005~1",),
        kills=("quotes/refuse-expired-quote",),
        node=skipping("RCP-005"),
    ),
    Mutant(
        slug="drops-quotes-at-expiry",
        page="Refuses a quote in the very second of its expiry, whatever the consumer's clock says.",
        breaks=("RCP-053~1",),
        kills=("quotes/accept-quote-within-skew",),
        connection=provider_with(judge_terms=_drops_at_expiry),
    ),
)
