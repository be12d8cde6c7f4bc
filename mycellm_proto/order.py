"""A consumer's order: all that one request needs, put together and signed (SPEC.md, section "Receipts")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import codec, limits
from .content import ChatRequest, encode_content
from .economy import Evidence, Open, Quote, request_commitment, sign
from .errors import ErrorCode, LocalProtocolError
from .keys import SigningKey
from .signed import Context, Signed
from .ticks import Chain


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """All that a consumer needs to ask for one answer. ``content`` are the bytes that ``open`` commits to.

    ``most_input`` are the prompt tokens that this side can account for.
    """

    request: ChatRequest
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
    request: ChatRequest,
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
    not cover the prepaid ticks, or is more than the ticks of one open can pay.
    """
    _check_ceiling(quote, ceiling)
    content = encode_content(request, reserved)
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


def _check_ceiling(quote: Quote, ceiling: int) -> None:
    if ceiling > limits.MAX_TICKS * quote.tick_value:  # RCP-035
        message = f"a ceiling of {ceiling} micro-credits is more than the ticks of one open can pay"
        raise LocalProtocolError(message, code=ErrorCode.BAD_OPEN, requirement="RCP-035")
    if ceiling < quote.prepaid_ticks * quote.tick_value:  # RCP-037
        message = f"a ceiling of {ceiling} micro-credits is below the {quote.prepaid_ticks} prepaid ticks"
        raise LocalProtocolError(message, code=ErrorCode.CEILING_TOO_LOW, requirement="RCP-037")
