"""Mutants of SPEC.md, "Receipts", from the close on."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.dcbor import Item
from conformance.vectors.implementation import Implementation

from .mutant import Careless, VectorMutant, Without, mutant


class _OtherNetwork(Implementation):
    """Knows another network than the one of two nodes, and asks last in which one a receipt is."""

    network = "public"

    def receipt_checks(self, receipt: Item, offer: Item, opened: Item, bill: Item) -> dict[str, bool]:
        """The checks, of which the network comes last."""
        checks = super().receipt_checks(receipt, offer, opened, bill)
        return {**{name: checks[name] for name in checks if name != "network"}, "network": checks["network"]}


class _BillsAll(Implementation):
    """Bills a cancelled answer as any other."""

    def billed(self, offer: Item, input_tokens: int, output_tokens: int, ticks: int | None) -> int:
        """What is owed, whatever was paid."""
        return super().billed(offer, input_tokens, output_tokens, None)


class _BillsTokensAlike(Implementation):
    """Has one price for all tokens."""

    def owed(self, offer: Item, input_tokens: int, output_tokens: int) -> int:
        """The price of so many tokens, all generated."""
        return super().owed(offer, 0, input_tokens + output_tokens)


class _CommitsToStop(Implementation):
    """Commits to an answer that always stopped by itself."""

    def response(self, salt: bytes, text: str, finish: int, tokens: int) -> bytes:
        """The commitment to another end."""
        return super().response(salt, text, 1, tokens)


class _OverlooksKey(Implementation):
    """Compares all keys of a close but one."""

    def __init__(self, key: int) -> None:
        self._key = key

    def is_what_follows(self, close: Item, expected: Item) -> bool:
        """Whether the rest follows from the exchange."""
        return super().is_what_follows(close, {**expected, self._key: close[self._key]})


class _AnyCountersignature(Implementation):
    """Takes 64 bytes for an agreement."""

    def is_countersigned(self, body: bytes, signature: bytes, consumer: bytes) -> bool:
        """Whether there is something."""
        return len(signature) == 64


class _OverlooksCheck(Implementation):
    """Makes all checks of a receipt, or of a proof of fraud, but one."""

    def __init__(self, check: str) -> None:
        self._check = check

    def receipt_checks(self, receipt: Item, offer: Item, opened: Item, bill: Item) -> dict[str, bool]:
        """The other checks."""
        return {**super().receipt_checks(receipt, offer, opened, bill), self._check: True}

    def fraud_checks(self, signed: Sequence[Item], opens: Sequence[Item]) -> dict[str, bool]:
        """The other checks."""
        return {**super().fraud_checks(signed, opens), self._check: True}


def _of_closes() -> tuple[VectorMutant, ...]:
    keys = (
        (0, "open", "reject-open-of-another-request"),
        (1, "request", "reject-other-request"),
        (2, "response", "reject-other-response reject-other-salt"),
        (3, "model", "reject-other-model"),
        (4, "input", "reject-other-input"),
        (6, "total", "reject-total-one-more reject-total-one-less"),
    )
    return tuple(
        mutant(f"overlooks-the-{name}-of-a-close", "RCP-028~1", f"close: {cases}", _OverlooksKey(key))
        for key, name, cases in keys
    )


def _of_receipts() -> tuple[VectorMutant, ...]:
    checks = {
        "quote": "reject-quote-flipped reject-quote-of-another-provider reject-open-of-another-quote",
        "open": "reject-open-flipped",
        "network": "reject-unknown-network reject-open-in-another-network-than-the-quote",
        "close": "reject-close-flipped reject-close-of-another-open reject-close-of-another-provider",
        "request": "reject-close-of-another-request",
        "model": "reject-close-of-another-model",
        "countersignature": "reject-countersignature-flipped reject-countersigned-by-the-provider",
        "total": "reject-total-one-more reject-one-million-for-nothing reject-cancelled-for-part-of-a-tick",
    }
    return tuple(
        mutant(f"overlooks-the-{check}-of-a-receipt", "RCP-048~1", f"receipts: {cases}", _OverlooksCheck(check))
        for check, cases in checks.items()
    )


def _of_fraud() -> tuple[VectorMutant, ...]:
    checks = {
        "signatures": "reject-second-signed-by-another reject-first-signed-by-another reject-second-flipped",
        "identity": "reject-next-sequence reject-other-provider reject-other-network reject-other-consumer",
        "difference": "reject-the-same-open-twice",
    }
    return tuple(
        mutant(f"accuses-without-{check}", "RCP-049~1", f"fraud: {cases}", _OverlooksCheck(check))
        for check, cases in checks.items()
    )


class _TextAlone(Implementation):
    """Commits to the text of an answer, and to nothing else of it."""

    def answer_of(self, chunks: list[Item], finish: int) -> Item:
        """The three keys that every answer has."""
        return {key: value for key, value in super().answer_of(chunks, finish).items() if key < 3}


MUTANTS = (
    mutant("commits-to-text-alone", "RCP-007~1", "answer: accept-call accept-reasoning accept-vectors", _TextAlone()),
    mutant("knows-another-network", "NET-001~1", "receipts: accept-honest accept-cancelled", _OtherNetwork()),
    mutant(
        "commits-to-another-end",
        "RCP-007~1",
        "billing: length cancelled-and-paid-in-part cancelled-before-any-chunk",
        _CommitsToStop(),
    ),
    mutant(
        "bills-cancelled-answers-in-full",
        "RCP-025~1",
        "billing: cancelled-and-paid-in-part cancelled-before-any-chunk cancelled-without-a-tick",
        _BillsAll(),
    ),
    mutant("bills-all-tokens-alike", "RCP-025~1", "billing: stop length ceiling", _BillsTokensAlike()),
    mutant(
        "takes-any-end",
        "RCP-024~1",
        "close: reject-finish-unknown reject-finish-0",
        Careless("close-body", 7),
    ),
    mutant(
        "verifies-no-close",
        "RCP-026~1",
        "close: reject-flipped-signature reject-zero-signature reject-wrong-context reject-signed-by-another"
        " reject-signed-by-the-consumer",
        Without("RCP-026"),
    ),
    mutant("cancels-what-it-did-not", "RCP-027~1", "close: reject-cancelled-by-nobody", Without("RCP-027")),
    *_of_closes(),
    mutant(
        "takes-any-agreement",
        "RCP-029~1",
        "countersign: reject-flipped reject-zero reject-close-context reject-of-the-provider"
        " receipts: reject-countersigned-by-nobody",
        _AnyCountersignature(),
    ),
    mutant("pays-beyond-the-window", "RCP-033~1", "close: reject-whole-bill-beyond-the-window", Without("RCP-033")),
    *_of_receipts(),
    *_of_fraud(),
)
