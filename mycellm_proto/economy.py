"""Quote, open and close: SPEC.md section "Receipts". Amounts are integers in micro-credits.

A quote is the provider's offer, an open the consumer's authorisation, a close the provider's bill and its
countersignature the consumer's agreement. Two parties, four signatures, no clock but the quote's expiry.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from . import codec
from .answer import Answer
from .content import FinishReason
from .errors import ErrorCode, RemoteProtocolError
from .fields import Field, Shape, integer, nullable, octets, registered, text
from .keys import KEY_SIZE, SigningKey
from .limits import MAX_AMOUNT, MAX_MODEL_ID, MAX_PRICE, MAX_TICK_VALUE, MAX_TICKS, MAX_TOKENS
from .signed import HASH_SIZE, Context, Signed, digest
from .ticks import ticks_for

SALT_SIZE = 32
MAX_SEQUENCE = (1 << 53) - 1
RECENT = 256
"""Quotes and opens that are kept decoded: each is looked at several times while its exchange runs."""


class Assurance(IntEnum):
    """How far an answer was checked (registry: spec/registries/assurance.toml)."""

    SELF_ASSERTED = 0


QUOTE = Shape(
    "quote-body",
    Field(0, "provider", octets(KEY_SIZE)),
    Field(1, "network", octets(HASH_SIZE)),
    Field(2, "model", text(MAX_MODEL_ID, 1)),
    Field(3, "model_digest", octets(HASH_SIZE)),
    Field(4, "context_length", integer(MAX_TOKENS, 1)),
    Field(5, "price_in", integer(MAX_PRICE)),
    Field(6, "price_out", integer(MAX_PRICE)),
    Field(7, "tick_value", integer(MAX_TICK_VALUE, 1)),
    Field(8, "prepaid_ticks", integer(MAX_TICKS)),
    Field(9, "window", integer(MAX_TICKS, 1)),
    Field(10, "expires", integer(MAX_AMOUNT)),
    signed=True,
    requirement="RCP-001",
)
OPEN = Shape(
    "open-body",
    Field(0, "network", octets(HASH_SIZE)),
    Field(1, "consumer", octets(KEY_SIZE)),
    Field(2, "provider", octets(KEY_SIZE)),
    Field(3, "sequence", integer(MAX_SEQUENCE, 1)),
    Field(4, "previous", nullable(octets(HASH_SIZE))),
    Field(5, "quote", octets(HASH_SIZE)),
    Field(6, "request", octets(HASH_SIZE)),
    Field(7, "ceiling", integer(MAX_AMOUNT)),
    Field(8, "anchor", octets(HASH_SIZE)),
    signed=True,
    code=ErrorCode.BAD_OPEN,
    requirement="RCP-008",
)
CLOSE = Shape(
    "close-body",
    Field(0, "open", octets(HASH_SIZE)),
    Field(1, "request", octets(HASH_SIZE)),
    Field(2, "response", octets(HASH_SIZE)),
    Field(3, "model_digest", octets(HASH_SIZE)),
    Field(4, "input_tokens", integer(MAX_TOKENS)),
    Field(5, "output_tokens", integer(MAX_TOKENS)),
    Field(6, "total", integer(MAX_AMOUNT)),
    Field(7, "finish", registered(FinishReason)),
    Field(8, "assurance", registered(Assurance)),
    signed=True,
    code=ErrorCode.BAD_CLOSE,
    requirement="RCP-024",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A provider's offer for one model: prices in micro-credits per token, ``expires`` in seconds since 1970."""

    provider: bytes
    network: bytes
    model: str
    model_digest: bytes
    context_length: int
    price_in: int
    price_out: int
    tick_value: int
    prepaid_ticks: int
    window: int
    expires: int

    def owed(self, input_tokens: int, output_tokens: int) -> int:
        """The price of so many tokens, in micro-credits."""
        return self.price_in * input_tokens + self.price_out * output_tokens

    def total(self, finish: FinishReason, input_tokens: int, output_tokens: int, ticks: int) -> int:
        """RCP-025: what a close bills. A cancelled answer costs no more than the ticks that were released."""
        owed = self.owed(input_tokens, output_tokens)
        return min(owed, ticks * self.tick_value) if finish is FinishReason.CANCELLED else owed

    def most_ticks(self, ceiling: int) -> int:
        """Ticks that an open with this ``ceiling`` can release."""
        return min(ticks_for(ceiling, self.tick_value), MAX_TICKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A consumer's authorisation. (network, consumer, provider, sequence) is the identity that settles, once."""

    network: bytes
    consumer: bytes
    provider: bytes
    sequence: int
    previous: bytes | None
    quote: bytes
    request: bytes
    ceiling: int
    anchor: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """A provider's bill for what it delivered."""

    open: bytes
    request: bytes
    response: bytes
    model_digest: bytes
    input_tokens: int
    output_tokens: int
    total: int
    finish: FinishReason
    assurance: Assurance = Assurance.SELF_ASSERTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a party holds of an exchange: enough to prove it, never its content.

    ``ticks`` and ``link`` are the payment released so far; close and countersignature come at the end.
    """

    quote: Signed
    open: Signed
    ticks: int
    link: bytes
    close: Signed | None = None
    countersignature: bytes | None = None


_RULES: dict[type, tuple[Shape, Context]] = {
    Quote: (QUOTE, Context.QUOTE),
    Open: (OPEN, Context.OPEN),
    Close: (CLOSE, Context.CLOSE),
}


def sign(key: SigningKey, body: Quote | Open | Close) -> Signed:
    """The signed object of ``body``."""
    shape, context = _RULES[type(body)]
    return Signed.make(key, context, shape.write(body))


@lru_cache(maxsize=RECENT)
def quote_body(signed: Signed) -> Quote:
    """What a quote says; who signed it is not checked. Raises `RemoteProtocolError`."""
    return Quote(**QUOTE.read(codec.decode(signed.body)))


@lru_cache(maxsize=RECENT)
def open_body(signed: Signed) -> Open:
    """What an open says; who signed it is not checked. Raises `RemoteProtocolError`."""
    return Open(**OPEN.read(codec.decode(signed.body)))


def close_body(signed: Signed) -> Close:
    """What a close says; who signed it is not checked. Raises `RemoteProtocolError`."""
    return Close(**CLOSE.read(codec.decode(signed.body)))


def read_quote(signed: Signed, *, provider: bytes) -> Quote:
    """RCP-002: a quote that ``provider`` signed for itself. Raises `RemoteProtocolError`."""
    quote = quote_body(signed)
    if quote.provider != provider:
        raise RemoteProtocolError("quote of another node", code=ErrorCode.ENCODING, requirement="RCP-002")
    signed.verify(provider, Context.QUOTE, code=ErrorCode.ENCODING, requirement="RCP-002")
    return quote


def read_open(signed: Signed, *, consumer: bytes, provider: bytes) -> Open:
    """RCP-009, RCP-010: an open from ``consumer`` to ``provider``. Raises `RemoteProtocolError` (BAD_OPEN)."""
    opened = open_body(signed)
    if (opened.consumer, opened.provider) != (consumer, provider):
        raise RemoteProtocolError("open of other parties", code=ErrorCode.BAD_OPEN, requirement="RCP-009")
    signed.verify(consumer, Context.OPEN, code=ErrorCode.BAD_OPEN, requirement="RCP-010")
    return opened


def read_close(signed: Signed, *, provider: bytes) -> Close:
    """RCP-026: a close that ``provider`` signed. Raises `RemoteProtocolError` (BAD_CLOSE)."""
    close = close_body(signed)
    signed.verify(provider, Context.CLOSE, code=ErrorCode.BAD_CLOSE, requirement="RCP-026")
    return close


def countersign(key: SigningKey, close: Signed) -> bytes:
    """The consumer's signature over the close's body, in a context of its own (64 bytes)."""
    return Signed.make_over(key, Context.COUNTERSIGN, close.body).signature


def check_countersignature(close: Signed, signature: bytes, *, consumer: bytes) -> None:
    """RCP-029: ``consumer`` agreed to this close. Raises `RemoteProtocolError` (BAD_CLOSE)."""
    agreed = Signed(body=close.body, signature=signature)
    agreed.verify(consumer, Context.COUNTERSIGN, code=ErrorCode.BAD_CLOSE, requirement="RCP-029")


def request_commitment(salt: bytes, content: bytes) -> bytes:
    """SHA-256 over a fresh ``salt`` (32 bytes) and the request's content as it was sent (RCP-006)."""
    return digest(Context.REQUEST, codec.encode(salt), content)


def response_commitment(salt: bytes, answer: Answer, finish: FinishReason, output_tokens: int) -> bytes:
    """SHA-256 over a fresh ``salt`` (32 bytes) and the answer: all its parts, its end, its tokens (RCP-007)."""
    return digest(Context.RESPONSE, codec.encode(salt), codec.encode(answer.to_value(finish, output_tokens)))


def direct_network() -> bytes:
    """The id of the built-in network of two nodes that need no authority (NET-001)."""
    return digest(Context.NETWORK, codec.encode({0: "direct"}))


DIRECT_NETWORK = direct_network()
