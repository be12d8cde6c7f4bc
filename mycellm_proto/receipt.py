"""Portable receipts, and what anyone can check of one: SPEC.md section "Receipts".

A receipt is the array of quote, open, close and countersignature: four signatures by two parties, and no content.
Checking needs neither a node nor a network: it is a function of those bytes. What a party holds of an exchange that
was not countersigned (`Evidence`) is checked as far as it goes, the released ticks included.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from . import codec
from .content import FinishReason
from .economy import (
    DIRECT_NETWORK,
    Close,
    Evidence,
    Open,
    Quote,
    check_countersignature,
    close_body,
    open_body,
    quote_body,
    read_close,
    read_open,
    read_quote,
)
from .errors import ErrorCode, LocalProtocolError, ProtocolError, RemoteProtocolError
from .keys import SIGNATURE_SIZE
from .limits import MAX_TICKS
from .signed import Context, Signed
from .ticks import step

MAX_RECEIPT = 4096
"""Bytes of a receipt: a quote of under 512 bytes, an open and a close of under 320 each, and room for signatures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A settled exchange: what the provider billed and the consumer agreed to."""

    quote: Signed
    open: Signed
    close: Signed
    countersignature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check that failed: what was checked, the requirement that is broken, and how."""

    check: str
    requirement: str
    problem: str

    def __str__(self) -> str:
        return f"{self.check}: {self.problem} [{self.requirement}]"


def receipt_of(evidence: Evidence) -> Receipt:
    """The portable part of ``evidence``. Raises `LocalProtocolError` unless both parties agreed (RCP-030)."""
    if evidence.close is None or evidence.countersignature is None:
        raise LocalProtocolError("not countersigned", code=ErrorCode.BAD_CLOSE, requirement="RCP-030")
    return Receipt(
        quote=evidence.quote,
        open=evidence.open,
        close=evidence.close,
        countersignature=evidence.countersignature,
    )


def encode_receipt(receipt: Receipt) -> bytes:
    """The bytes that a third party can verify."""
    objects = (receipt.quote, receipt.open, receipt.close)
    return codec.encode([*(signed.to_value() for signed in objects), receipt.countersignature])


def decode_receipt(data: bytes) -> Receipt:
    """The receipt in ``data``, its signatures not checked yet. Raises `RemoteProtocolError`."""
    if len(data) > MAX_RECEIPT:
        raise _not_a_receipt(f"{len(data)} bytes; a receipt has at most {MAX_RECEIPT}")
    match codec.decode(data):
        case [quote, opened, close, bytes(countersignature)] if len(countersignature) == SIGNATURE_SIZE:
            return Receipt(
                quote=Signed.from_value(quote),
                open=Signed.from_value(opened),
                close=Signed.from_value(close),
                countersignature=countersignature,
            )
    raise _not_a_receipt("not the array of a receipt")


def _not_a_receipt(message: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, code=ErrorCode.ENCODING, requirement="RCP-048")


def verify_receipt(receipt: Receipt, *, networks: Collection[bytes] = (DIRECT_NETWORK,)) -> list[Finding]:
    """Everything that does not hold in ``receipt``; nothing when it is good. ``networks`` are the known ones' ids.

    Since a receipt has no ticks, the total of a cancelled answer is checked to be whole ticks within what is owed.
    """
    try:
        quote, opened = quote_body(receipt.quote), open_body(receipt.open)
        close = close_body(receipt.close)
    except ProtocolError as error:
        return [_finding("encoding", error)]
    return [
        *_authorised(receipt.quote, quote, receipt.open, opened, networks),
        *_closed(receipt.open, opened, receipt.close, close, quote),
        *_agreed(receipt.close, receipt.countersignature, opened),
        *_billed(quote, close, None),
    ]


def verify_evidence(evidence: Evidence, *, networks: Collection[bytes] = (DIRECT_NETWORK,)) -> list[Finding]:
    """Everything that does not hold in what a party kept, as far as the exchange went; at most `MAX_TICKS` hashes."""
    try:
        quote, opened = quote_body(evidence.quote), open_body(evidence.open)
        close = None if evidence.close is None else close_body(evidence.close)
    except ProtocolError as error:
        return [_finding("encoding", error)]
    findings = list(_authorised(evidence.quote, quote, evidence.open, opened, networks))
    findings += _paid(evidence, quote, opened)
    if evidence.close is not None and close is not None:
        findings += _closed(evidence.open, opened, evidence.close, close, quote)
        findings += _billed(quote, close, evidence.ticks)
        if evidence.countersignature is not None:
            findings += _agreed(evidence.close, evidence.countersignature, opened)
    elif evidence.countersignature is not None:
        findings.append(Finding(check="countersignature", requirement="RCP-029", problem="there is no close"))
    return findings


def verify_double_open(first: Signed, second: Signed) -> list[Finding]:
    """What is missing for a proof of fraud: one consumer signed two different opens under one identity (RCP-049)."""
    findings = []
    try:
        bodies = [open_body(signed) for signed in (first, second)]
        for signed, body in zip((first, second), bodies, strict=True):
            read_open(signed, consumer=body.consumer, provider=body.provider)
    except ProtocolError as error:
        return [_finding("open", error)]
    identities = {(body.network, body.consumer, body.provider, body.sequence) for body in bodies}
    if len(identities) > 1:
        findings.append(Finding(check="identity", requirement="RCP-049", problem="the opens have two identities"))
    if first.body == second.body:
        findings.append(Finding(check="open", requirement="RCP-049", problem="both are the same open"))
    return findings


def _authorised(
    signed_quote: Signed, quote: Quote, signed_open: Signed, opened: Open, networks: Collection[bytes]
) -> Iterator[Finding]:
    """The provider's offer and the consumer's authorisation, of one another."""
    try:
        read_quote(signed_quote, provider=opened.provider)
    except ProtocolError as error:
        yield _finding("quote", error)
    try:
        read_open(signed_open, consumer=opened.consumer, provider=opened.provider)
    except ProtocolError as error:
        yield _finding("open", error)
    if opened.quote != signed_quote.digest(Context.QUOTE):
        yield Finding(check="quote", requirement="RCP-004", problem="the open names another quote")
    if opened.network != quote.network:
        yield Finding(check="network", requirement="RCP-011", problem="open and quote are of different networks")
    if opened.network not in networks:
        problem = f"{opened.network.hex()} is not a known network"
        yield Finding(check="network", requirement="NET-001", problem=problem)


def _paid(evidence: Evidence, quote: Quote, opened: Open) -> Iterator[Finding]:
    """The released ticks lead to the open's anchor."""
    most = min(quote.most_ticks(opened.ceiling), MAX_TICKS)
    if not quote.prepaid_ticks <= evidence.ticks <= most:
        problem = f"{evidence.ticks} ticks, where {quote.prepaid_ticks} to {most} are possible"
        yield Finding(check="ticks", requirement="RCP-021", problem=problem)
        return
    link = evidence.link
    for _ in range(evidence.ticks):
        link = step(link)
    if link != opened.anchor:
        yield Finding(check="ticks", requirement="RCP-020", problem="the link does not lead to the open's anchor")


def _closed(signed_open: Signed, opened: Open, signed_close: Signed, close: Close, quote: Quote) -> Iterator[Finding]:
    """The provider's bill is for this open, this request and this model, within the ceiling."""
    try:
        read_close(signed_close, provider=opened.provider)
    except ProtocolError as error:
        yield _finding("close", error)
    if close.open != signed_open.digest(Context.OPEN):
        yield Finding(check="close", requirement="RCP-028", problem="the close names another open")
    if close.request != opened.request:
        yield Finding(check="request", requirement="RCP-028", problem="the close commits to another request")
    if close.model_digest != quote.model_digest:
        yield Finding(check="model", requirement="RCP-028", problem="the close is for another model than the quote")
    if close.total > opened.ceiling:
        problem = f"{close.total} micro-credits are more than the ceiling of {opened.ceiling}"
        yield Finding(check="total", requirement="RCP-016", problem=problem)


def _billed(quote: Quote, close: Close, ticks: int | None) -> Iterator[Finding]:
    """RCP-025: the total follows from prices, tokens and, where the answer was cancelled, the released ``ticks``."""
    owed = quote.owed(close.input_tokens, close.output_tokens)
    if close.finish is not FinishReason.CANCELLED:
        right = close.total == owed
    elif ticks is None:
        right = close.total == owed or (close.total < owed and close.total % quote.tick_value == 0)
    else:
        right = close.total == min(owed, ticks * quote.tick_value)
    if not right:
        problem = f"{close.total} micro-credits do not follow from {owed} owed"
        yield Finding(check="total", requirement="RCP-025", problem=problem)


def _agreed(close: Signed, countersignature: bytes, opened: Open) -> Iterator[Finding]:
    try:
        check_countersignature(close, countersignature, consumer=opened.consumer)
    except ProtocolError as error:
        yield _finding("countersignature", error)


def _finding(check: str, error: ProtocolError) -> Finding:
    return Finding(
        check=check, requirement=error.requirement, problem=str(error).removesuffix(f" [{error.requirement}]")
    )
