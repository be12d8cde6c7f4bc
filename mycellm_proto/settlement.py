"""What a settlement node is asked, and how it judges it: SPEC.md section "Settlement".

`check_reserve`, `check_claim` and `check_report` are pure: from what was shown, and to whom, to what it proves, or to a
`RemoteProtocolError` with the code of the first point that does not hold. What was booked before is the ledger's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from .content import FinishReason
from .economy import (
    Close,
    Open,
    Quote,
    check_countersignature,
    open_body,
    quote_body,
    read_close,
    read_open,
    read_quote,
)
from .errors import ErrorCode, ProtocolError, RemoteProtocolError
from .fields import Field, Kind, array, integer, nested, octets, registered
from .items import Item, rule
from .keys import SIGNATURE_SIZE
from .limits import CLOCK_SKEW, MAX_AMOUNT, MAX_BATCH, MAX_RESERVATION, MAX_TICKS
from .membership import Proof
from .receipt import verify_double_open
from .signed import HASH_SIZE, Context, Signed
from .ticks import Meter


class Outcome(IntEnum):
    """What became of a claim (registry: spec/registries/outcomes.toml)."""

    BOOKED = 1
    REPEATED = 2
    REFUSED = 3


class Identity(NamedTuple):
    """What settles once, for ever."""

    network: bytes
    consumer: bytes
    provider: bytes
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve(Item):
    """Arguments of RESERVE: hold the ceiling of ``open`` for so many ``seconds``."""

    quote: Signed
    open: Signed
    membership: Signed
    seconds: int
    node_certificate: Signed | None = None

    @property
    def proof(self) -> Proof:
        """The consumer as a member, to be verified for the key in the open."""
        return Proof(membership=self.membership, node_certificate=self.node_certificate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved(Item):
    """Result of RESERVE: until when, in seconds since 1970."""

    expires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(Item):
    """What one party holds of an exchange. With a close and a countersignature it is a receipt."""

    quote: Signed
    open: Signed
    k: int
    link: bytes
    close: Signed | None = None
    countersignature: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle(Item):
    """Arguments of SETTLE: a batch, each of its claims judged by itself."""

    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement(Item):
    """What became of one claim: ``amount`` is what stands booked for its open (micro-credits)."""

    outcome: Outcome
    amount: int = 0
    code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(Item):
    """Result of SETTLE: one outcome a claim, in their order."""

    outcomes: tuple[Settlement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskBalance(Item):
    """Arguments of BALANCE: of the caller's member in ``network``."""

    network: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance(Item):
    """Result of BALANCE (micro-credits): ``balance`` with what is reserved of it."""

    balance: int
    reserved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Item):
    """Arguments of REPORT: two opens of one identity."""

    first: Signed
    second: Signed


_SIGNED = Kind(Signed.from_value, Signed.to_value)
_AMOUNT = integer(MAX_AMOUNT)
Reserve.shape = rule(
    "reserve",
    Field(0, "quote", _SIGNED),
    Field(1, "open", _SIGNED),
    Field(2, "membership", _SIGNED),
    Field(3, "node_certificate", _SIGNED, optional=True),
    Field(4, "seconds", integer(MAX_RESERVATION, 1)),
)
Reserved.shape = rule("reserved", Field(0, "expires", _AMOUNT))
Claim.shape = rule(
    "claim",
    Field(0, "quote", _SIGNED),
    Field(1, "open", _SIGNED),
    Field(2, "k", integer(MAX_TICKS)),
    Field(3, "link", octets(HASH_SIZE)),
    Field(4, "close", _SIGNED, optional=True),
    Field(5, "countersignature", octets(SIGNATURE_SIZE), optional=True),
)
Settle.shape = rule("settle", Field(0, "claims", array(nested(Claim.shape, Claim), MAX_BATCH)))
Settlement.shape = rule(
    "settlement",
    Field(0, "outcome", registered(Outcome)),
    Field(1, "code", integer(0xFFFF), optional=True),
    Field(2, "amount", _AMOUNT),
)
Settled.shape = rule("settled", Field(0, "outcomes", array(nested(Settlement.shape, Settlement), MAX_BATCH)))
AskBalance.shape = rule("balance", Field(0, "network", octets(HASH_SIZE)))
Balance.shape = rule("balanced", Field(0, "balance", _AMOUNT), Field(1, "reserved", _AMOUNT))
Report.shape = rule("report", Field(0, "first", _SIGNED), Field(1, "second", _SIGNED))

ITEMS: tuple[type[Item], ...] = (
    Reserve,
    Reserved,
    Claim,
    Settle,
    Settlement,
    Settled,
    AskBalance,
    Balance,
    Report,
)
"""Whatever is asked of a settlement node, and what it answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorised:
    """An open that holds, with the quote that it names."""

    quote: Quote
    open: Open
    name: bytes

    @property
    def identity(self) -> Identity:
        """What the open is booked under."""
        return Identity(self.open.network, self.open.consumer, self.open.provider, self.open.sequence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A claim that holds: ``amount`` micro-credits are owed for its open; for ever, if it is ``final``."""

    authorised: Authorised
    amount: int
    final: bool


def check_authorisation(quote: Signed, opened: Signed, *, caller: bytes, networks: Collection[bytes]) -> Authorised:
    """Points 1 to 4 of SPEC.md: an open of ``caller``'s, in one of the ``networks`` that are settled here.

    Raises `RemoteProtocolError` (BAD_OPEN, NOT_MEMBER, NOT_ALLOWED, UNKNOWN_QUOTE).
    """
    offer, authorised = _bodies(quote, opened)  # 1
    if authorised.network not in networks:  # 2
        raise _refusal("a network that is not settled here", ErrorCode.NOT_MEMBER, "SET-003")
    if caller not in (authorised.consumer, authorised.provider):  # 3
        raise _refusal("an open of other parties", ErrorCode.NOT_ALLOWED, "SET-003")
    with _as(ErrorCode.BAD_OPEN, "SET-003"):  # 4
        read_open(opened, consumer=authorised.consumer, provider=authorised.provider)
        read_quote(quote, provider=authorised.provider)
    if authorised.quote != quote.digest(Context.QUOTE):
        raise _refusal("the open names another quote", ErrorCode.UNKNOWN_QUOTE, "SET-003")
    if offer.network != authorised.network or authorised.ceiling > MAX_TICKS * offer.tick_value:
        raise _refusal("the open is not of its quote", ErrorCode.BAD_OPEN, "SET-003")
    return Authorised(quote=offer, open=authorised, name=opened.digest(Context.OPEN))


def check_reserve(reserve: Reserve, *, caller: bytes, networks: Collection[bytes], now: float) -> Authorised:
    """SET-004: whether ``caller`` may have the ceiling reserved. The consumer's membership is verified beside it.

    Raises `RemoteProtocolError`: as `check_authorisation`, and NOT_ALLOWED for the consumer itself, QUOTE_EXPIRED.
    """
    authorised = check_authorisation(reserve.quote, reserve.open, caller=caller, networks=networks)
    if caller != authorised.open.provider:
        raise _refusal("nobody but the provider reserves", ErrorCode.NOT_ALLOWED, "SET-004")
    if now >= authorised.quote.expires + CLOCK_SKEW:
        raise _refusal("the quote has expired", ErrorCode.QUOTE_EXPIRED, "SET-004")
    return authorised


def check_claim(claim: Claim, *, caller: bytes, networks: Collection[bytes]) -> Verified:
    """SET-005, SET-006: what ``claim`` proves, shown by ``caller``; at most `MAX_TICKS` hashes.

    Raises `RemoteProtocolError`: as `check_authorisation`, and BAD_TICK, BAD_CLOSE.
    """
    authorised = check_authorisation(claim.quote, claim.open, caller=caller, networks=networks)
    quote, opened = authorised.quote, authorised.open
    with _as(ErrorCode.BAD_TICK, "SET-005"):  # 5
        Meter(opened.anchor, quote.most_ticks(opened.ceiling)).release(claim.k, claim.link)
    paid = min(claim.k * quote.tick_value, opened.ceiling)
    if claim.close is None:
        if claim.countersignature is not None:  # 6
            raise _refusal("a countersignature of nothing", ErrorCode.BAD_CLOSE, "SET-006")
        return Verified(authorised=authorised, amount=paid, final=False)
    close = _closed(claim.close, authorised)
    if claim.countersignature is None:
        return Verified(authorised=authorised, amount=min(paid, close.total), final=not close.total)
    with _as(ErrorCode.BAD_CLOSE, "SET-006"):  # 7
        check_countersignature(claim.close, claim.countersignature, consumer=opened.consumer)
    return Verified(authorised=authorised, amount=close.total, final=True)


def check_report(report: Report) -> Identity:
    """RCP-049: the identity under which one consumer signed both opens. Raises `RemoteProtocolError` (BAD_OPEN)."""
    if findings := verify_double_open(report.first, report.second):
        raise _refusal(str(findings[0]), ErrorCode.BAD_OPEN, "RCP-049")
    opened = open_body(report.first)
    return Identity(opened.network, opened.consumer, opened.provider, opened.sequence)


def _bodies(quote: Signed, opened: Signed) -> tuple[Quote, Open]:
    with _as(ErrorCode.BAD_OPEN, "SET-003"):
        return quote_body(quote), open_body(opened)
    raise AssertionError  # pragma: no cover - the bodies were given, or an error was


def _closed(signed: Signed, authorised: Authorised) -> Close:
    """Point 6: the provider's bill for this open."""
    quote, opened = authorised.quote, authorised.open
    with _as(ErrorCode.BAD_CLOSE, "SET-006"):
        close = read_close(signed, provider=opened.provider)
    owed = quote.owed(close.input_tokens, close.output_tokens)
    part = close.finish is FinishReason.CANCELLED and close.total < owed and close.total % quote.tick_value == 0
    named = (close.open, close.request, close.model_digest) == (authorised.name, opened.request, quote.model_digest)
    if not named or close.total > opened.ceiling or not (close.total == owed or part):
        raise _refusal("a close that is not of its open", ErrorCode.BAD_CLOSE, "SET-006")
    return close


@contextmanager
def _as(code: ErrorCode, requirement: str) -> Iterator[None]:
    """What breaks a rule of another section in here, breaks ``requirement`` of this one."""
    try:
        yield
    except ProtocolError as error:
        raise _refusal(str(error), code, requirement) from error


def _refusal(message: str, code: ErrorCode, requirement: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, code=code, requirement=requirement)
