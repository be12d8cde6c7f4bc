"""A consumer's order: all that one request needs, put together and signed (SPEC.md, section "Receipts")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import codec, limits
from .content import Content
from .content_codec import decode_content, encode_content
from .economy import Evidence, Open, Quote, request_commitment, sign
from .errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from .fields import ShapeError
from .keys import SigningKey
from .signed import Context, Signed
from .ticks import Chain


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """All that a consumer needs to ask for one answer. ``content`` are the bytes that ``open`` commits to.

    ``most_input`` are the prompt tokens that this side can account for.
    """

    request: Content
    content: bytes
    salt: bytes
    quote: Quote
    signed_quote: Signed
    open: Open
    signed_open: Signed
    chain: Chain
    most_input: int

    @property
    def evidence(self) -> Evidence:
        """What sending this order gives away: the prepaid ticks."""
        ticks = self.quote.prepaid_ticks
        return Evidence(quote=self.signed_quote, open=self.signed_open, ticks=ticks, link=self.chain.link(ticks))


def place_order(
    key: SigningKey,
    request: Content,
    *,
    quote: Quote,
    signed_quote: Signed,
    sequence: int,
    previous: bytes | None,
    ceiling: int,
    salt: bytes,
    chain_seed: bytes,
    most_input: int = limits.MAX_TOKENS,
    reserved: Mapping[int, codec.Value] | None = None,
) -> Order:
    """Authorise one request. ``sequence`` must be durably taken before this call (RCP-003).

    ``ceiling`` is in micro-credits; ``salt`` and ``chain_seed`` are 32 fresh random bytes each; ``most_input`` is in
    tokens (RCP-038); ``reserved`` are GREASE keys for the content. Raises `LocalProtocolError` where the ceiling does
    not cover the prepaid ticks, or is more than the ticks of one open can pay, and `ContentError` for a request that
    every provider would refuse.
    """
    _check_ceiling(quote, ceiling)
    content = encode_content(request, reserved)
    _check_content(content)
    chain = Chain(chain_seed, quote.most_ticks(ceiling))
    opened = Open(
        network=quote.network,
        consumer=key.public,
        provider=quote.provider,
        sequence=sequence,
        previous=previous,
        quote=signed_quote.digest(Context.QUOTE),
        request=request_commitment(salt, content),
        ceiling=ceiling,
        anchor=chain.anchor,
    )
    return Order(
        request=request,
        content=content,
        salt=salt,
        quote=quote,
        signed_quote=signed_quote,
        open=opened,
        signed_open=sign(key, opened),
        chain=chain,
        most_input=most_input,
    )


class ContentError(LocalProtocolError):
    """A request that breaks a rule of the content; ``parameter`` names the one that is wrong."""

    def __init__(self, error: RemoteProtocolError) -> None:
        super().__init__("a content that no provider takes", code=error.code, requirement=error.requirement)
        self.parameter = error.field if isinstance(error, ShapeError) else None


def _check_content(content: bytes) -> None:
    try:
        decode_content(content)
    except RemoteProtocolError as error:
        raise ContentError(error) from error


def _check_ceiling(quote: Quote, ceiling: int) -> None:
    if ceiling > limits.MAX_TICKS * quote.tick_value:  # RCP-035
        message = f"a ceiling of {ceiling} micro-credits is more than the ticks of one open can pay"
        raise LocalProtocolError(message, code=ErrorCode.BAD_OPEN, requirement="RCP-035")
    if ceiling < quote.prepaid_ticks * quote.tick_value:  # RCP-037
        message = f"a ceiling of {ceiling} micro-credits is below the {quote.prepaid_ticks} prepaid ticks"
        raise LocalProtocolError(message, code=ErrorCode.CEILING_TOO_LOW, requirement="RCP-037")
