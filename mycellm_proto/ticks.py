"""Ticks: SPEC.md section "Receipts". A PayWord chain (Rivest and Shamir, 1996) of SHA-256 preimages.

The last link is random; every other is the hash of the next. The first is the anchor that the open commits to, and
releasing link ``k`` pays for ``k`` ticks in all.
"""

from __future__ import annotations

import hashlib

from .codec import head
from .errors import ErrorCode, RemoteProtocolError
from .limits import MAX_TICKS
from .signed import HASH_SIZE, Context, preimage

_PREFIX = preimage(Context.TICK, head(2, HASH_SIZE))


def step(link: bytes) -> bytes:
    """The link before ``link``: SHA-256 of the deterministic CBOR of ``["mycellm/tick/v1", link]``."""
    return hashlib.sha256(_PREFIX + link).digest()


def ticks_for(owed: int, tick_value: int) -> int:
    """Ticks that cover ``owed`` micro-credits."""
    return -(-owed // tick_value)


class Chain:
    """The consumer's side: ``length`` ticks from a ``seed`` of 32 random bytes, at most `MAX_TICKS`."""

    __slots__ = ("_links",)

    def __init__(self, seed: bytes, length: int) -> None:
        links = [seed]
        for _ in range(length):
            links.append(step(links[-1]))
        links.reverse()
        self._links = links

    @property
    def anchor(self) -> bytes:
        """What the open carries (32 bytes)."""
        return self._links[0]

    @property
    def length(self) -> int:
        """Ticks that can be released."""
        return len(self._links) - 1

    def link(self, k: int) -> bytes:
        """The link that pays for ``k`` ticks."""
        return self._links[k]


class Meter:
    """The provider's side: the ticks that were released so far, at most ``most``, proved down to ``anchor``."""

    __slots__ = ("_most", "link", "ticks")

    def __init__(self, anchor: bytes, most: int) -> None:
        self.ticks = 0
        self.link = anchor
        self._most = min(most, MAX_TICKS)

    def release(self, k: int, link: bytes) -> None:
        """Take ``link`` as payment for ``k`` ticks in all. Raises `RemoteProtocolError` (BAD_TICK)."""
        if not self.ticks <= k <= self._most:
            message = f"tick {k} after {self.ticks}, at most {self._most}"
            raise RemoteProtocolError(message, code=ErrorCode.BAD_TICK, requirement="RCP-021")
        proof = link
        for _ in range(k - self.ticks):
            proof = step(proof)
        if proof != self.link:
            raise RemoteProtocolError("not of this chain", code=ErrorCode.BAD_TICK, requirement="RCP-020")
        self.ticks, self.link = k, link
