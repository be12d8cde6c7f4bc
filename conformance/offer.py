"""Signed objects by the names of their fields: quotes, opens, closes, and the chain of ticks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from . import dcbor, signing
from .data import limit
from .dcbor import Item

_LINK = signing.preimage(signing.TICK, b"\x58\x20")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A provider's offer: the fields of quote-body, and the bytes that were signed."""

    body: bytes
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

    @staticmethod
    def read(body: bytes) -> Quote:
        """The fields of a body that has its shape."""
        value: Mapping[int, Item] = dcbor.decode(body)
        return Quote(
            body=body,
            provider=value[0],
            network=value[1],
            model=value[2],
            model_digest=value[3],
            context_length=value[4],
            price_in=value[5],
            price_out=value[6],
            tick_value=value[7],
            prepaid_ticks=value[8],
            window=value[9],
            expires=value[10],
        )

    @property
    def name(self) -> bytes:
        """The name by which an open refers to it."""
        return signing.name(signing.QUOTE, self.body)

    def owed(self, input_tokens: int, output_tokens: int) -> int:
        """The price of so many tokens, micro-credits."""
        return self.price_in * input_tokens + self.price_out * output_tokens

    def most_ticks(self, ceiling: int) -> int:
        """N, the ticks of an open with ``ceiling`` micro-credits."""
        return min(-(-ceiling // self.tick_value), limit("MAX_TICKS"))

    def ticks(self, owed: int, ceiling: int) -> int:
        """k: the ticks that a consumer has released once ``owed`` micro-credits are owed (RCP-018)."""
        return max(self.prepaid_ticks, min(-(-owed // self.tick_value), self.most_ticks(ceiling)))


def before(link: bytes) -> bytes:
    """The link of a tick chain before ``link``."""
    return hashlib.sha256(_LINK + link).digest()


def leads_to(link: bytes, steps: int, target: bytes) -> bool:
    """Whether ``steps`` steps lead from ``link`` to ``target``."""
    for _ in range(steps):
        link = before(link)
    return link == target


def chain(last: bytes, length: int) -> list[bytes]:
    """The links w_0 to w_N of a chain of ``length`` ticks that ends with ``last``."""
    links = [last]
    for _ in range(length):
        links.append(before(links[-1]))
    links.reverse()
    return links
