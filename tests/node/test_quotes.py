"""What this node quotes can be kept, whatever its owner asks for a token."""

from __future__ import annotations

import pytest

from mycellm_proto.economy import quote_body
from mycellm_proto.keys import SigningKey
from mycellm_proto.limits import MAX_PRICE
from reference_node.generation import ModelInfo
from reference_node.node.quotes import make_quote

MODEL = ModelInfo(id="any", digest=bytes(32), context_length=8192, owner="any", created=0)


@pytest.mark.parametrize("price_in", [0, 1, MAX_PRICE])
@pytest.mark.parametrize("price_out", [0, 1, 4, MAX_PRICE])
def test_a_window_covers_a_token(price_in: int, price_out: int) -> None:
    quote = quote_body(make_quote(SigningKey(bytes(32)), MODEL, price_in=price_in, price_out=price_out, now=0))
    assert quote.window * quote.tick_value >= max(price_out, 1)
