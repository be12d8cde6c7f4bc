"""This node's offers: one signed quote per local model and network, renewed before it expires."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mycellm_proto.economy import DIRECT_NETWORK, Quote, sign

if TYPE_CHECKING:
    from mycellm_proto.keys import SigningKey
    from mycellm_proto.signed import Signed

    from ..generation import ModelInfo

QUOTE_LIFETIME_S = 3600
"""How long a price holds: long enough for an answer, short enough to change one's mind."""
RENEWAL_S = QUOTE_LIFETIME_S / 2
"""How often offers are signed anew: a consumer never holds one that is about to expire."""
TICK_TOKENS = 16
"""Generated tokens that one tick pays for: a tick every 16 chunks costs a consumer's side under three bytes a token."""
PREPAID_TICKS = 4
"""Ticks that travel with the open: they pay for a short prompt before it is read."""
WINDOW_TICKS = 8
"""Ticks that may be owed while they travel: 128 tokens hide a round trip of a second at 128 tokens per second."""


def make_quote(
    key: SigningKey,
    model: ModelInfo,
    *,
    price_in: int,
    price_out: int,
    now: float,
    network: bytes = DIRECT_NETWORK,
) -> Signed:
    """The offer of ``model`` in ``network``: prices in micro-credits per token, good for `QUOTE_LIFETIME_S` seconds."""
    quote = Quote(
        provider=key.public,
        network=network,
        model=model.id,
        model_digest=model.digest,
        context_length=model.context_length,
        price_in=price_in,
        price_out=price_out,
        tick_value=max(1, TICK_TOKENS * max(price_in, price_out)),  # RCP-058: a tick pays for a token and more
        prepaid_ticks=PREPAID_TICKS,
        window=WINDOW_TICKS,
        expires=int(now) + QUOTE_LIFETIME_S,
    )
    return sign(key, quote)
