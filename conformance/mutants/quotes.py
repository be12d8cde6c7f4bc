"""Peers that break what the cases of ``quotes`` show."""

from __future__ import annotations

from conformance import dcbor
from conformance.dcbor import Item
from conformance.honest.connection import Connection

from .mutant import Mutant, connection_with, skipping


def _reads_as_far_as_it_goes(self: Connection, body: bytes, signature: bytes, peer: bytes) -> dict[int, Item]:
    try:
        dcbor.decode(body)
    except dcbor.NotDeterministicError:
        return {}
    return Connection.judge_quote(self, body, signature, peer)


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
)
