"""What the connections of one honest node share: its key, what it offers, what it has recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance import signing
from conformance.dcbor import Item
from conformance.entropy import Entropy
from conformance.signing import Key

from .port import now
from .rules import RefuseError, Rules

EPOCH = 1_790_000_000
"""Seconds since 1970 at which virtual time begins."""
CHAT = 1
ALPN = "mycellm/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that needs no weights: it says words until it is stopped."""

    name: str = "conformance-words"
    digest: bytes = bytes(range(32))
    context: int = 32_768
    delay: float = 0.0
    """Seconds of work before each token."""
    thinking: float = 0.001
    """Seconds of work before ACCEPT."""
    silence: float = 0.0
    """Seconds of work before the first."""
    words: int = 1 << 40
    """How many tokens it says by itself."""
    width: int = 6
    """Bytes of a word with its space."""
    long: int = 16_000
    """The same where as many tokens are asked for as its context holds: a long answer in few frames."""

    def input_tokens(self, messages: list[Mapping[int, Item]]) -> int:
        """One token for four bytes, and four for a message's frame."""
        return sum(4 + -(-len(each[1].encode()) // 4) for each in messages)

    def word(self, number: int, content: Mapping[int, Item], luck: int) -> str:
        """The text of token ``number``: the likeliest, or one of three others where sampling leaves a choice."""
        width = self.width if content[3] < self.context else self.long
        if not _takes_likeliest(content):
            number += 1 + hashlib.sha256(f"{luck} {number}".encode()).digest()[0] % 3
        return f"{number % 100_000:0{width - 1}d} "


def _takes_likeliest(content: Mapping[int, Item]) -> bool:
    """Whether the sampling parameters leave the likeliest token alone."""
    return content.get(6, 0) == 0 or content.get(7) == 1 or content.get(8) == 1 or content.get(9) == 1_000_000


@dataclass(kw_only=True)
class Store:
    """Opens by (network, consumer) and sequence, kept for ever; the allowance that is in use."""

    opens: dict[tuple[bytes, bytes], dict[int, bytes]] = field(default_factory=dict)
    used: int = 0


class Node:
    """An honest node. Mutants override its parts."""

    allowance = 100_000_000
    prices = (1, 4)
    tick_value = 8
    prepaid_ticks = 1
    window = 2
    lifetime = 60
    """Seconds for which a quote is good."""
    version_range = (1, 1)
    capabilities = (CHAT,)
    serves = True

    def __init__(self, entropy: Entropy, *, rules: Rules | None = None, model: Model | None = None) -> None:
        self.entropy = entropy
        self.rules = rules or Rules()
        self.model = model or Model()
        self.key = Key(entropy.take(32))
        self.store = Store()

    def refuses(self, alpn: str) -> bool:
        """Whether TLS refuses the initiator's protocol (TRN-001)."""
        return alpn != ALPN

    def transport(self, alpn: str) -> dict[str, Any]:
        """What QUIC and TLS show of this node."""
        return {
            "alpn": alpn,
            "initial_max_streams_bidi": 512,
            "initial_max_streams_uni": 3,
            "max_idle_timeout": 60_000,
            "certificate": "EC secp256r1",
        }

    def clock(self) -> float:
        """Seconds since 1970."""
        return EPOCH + now()

    def quotes(self, consumer: bytes) -> list[list[bytes]]:
        """Signed quotes for ``consumer``: of everything that is served to it."""
        return [self.key.signed(signing.QUOTE, self.quote())] if self.serves else []

    def quote(self) -> dict[int, Item]:
        """The body of the one quote."""
        return {
            0: self.key.public,
            1: signing.DIRECT,
            2: self.model.name,
            3: self.model.digest,
            4: self.model.context,
            5: self.prices[0],
            6: self.prices[1],
            7: self.tick_value,
            8: self.prepaid_ticks,
            9: self.window,
            10: int(self.clock()) + self.lifetime,
        }

    def record(self, opened: Mapping[int, Item], name: bytes) -> None:
        """Keep an open, before ACCEPT. Raises `RefuseError`."""
        known = self.store.opens.setdefault((opened[0], opened[1]), {})
        self.rules.forbid("RCP-040", opened[3] in known, RefuseError("SEQUENCE_USED"))
        last = known.get(opened[3] - 1)
        self.rules.forbid("RCP-041", last is not None and last != opened[4], RefuseError("BAD_OPEN"))
        would_use = self.store.used + opened[7]
        self.rules.forbid(
            "NET-003",
            would_use > self.allowance,
            RefuseError("ALLOWANCE_EXHAUSTED", limit=self.allowance, actual=would_use),
        )
        if not self.rules.skips("RCP-039"):
            known[opened[3]] = name
        self.store.used = would_use

    def settled(self, ceiling: int, owed: int) -> None:
        """An exchange is over: what was reserved becomes what is owed."""
        self.store.used += owed - ceiling
