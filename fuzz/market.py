"""Nodes that trade by the node's own rules: `reference_node.store.credit` decides on every request and keeps the books.

Only what is around it is invented: who wants what, when, and who lies. Time is in seconds, amounts are micro-credits.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from mycellm_proto.economy import DIRECT_NETWORK
from reference_node.store import Identity, ShortOfCreditError
from reference_node.store.credit import Credit

ALLOWANCE = 1_000_000
"""What a provider of these simulations gives in 24 hours."""
HOUR = 3600
DAY = 24 * HOUR
BEGIN = 1_790_000_000.0


def key(name: str) -> bytes:
    """A node's key: nobody signs here."""
    return hashlib.sha256(name.encode()).digest()


@dataclass(slots=True, eq=False)
class Trader:
    """A node: its key, what it gives, and its books."""

    name: str
    allowance: int = ALLOWANCE
    serves: bool = True
    credit: Credit = field(default_factory=Credit)
    served: int = 0
    """What it has given."""
    got: int = 0
    """What it was given."""
    opens: int = 0

    @property
    def key(self) -> bytes:
        """What names it."""
        return key(self.name)


def available(provider: Trader, consumer: Trader, now: float) -> int:
    """What ``provider`` has for ``consumer`` now, as the refusal of too large a request says."""
    probe = Identity(DIRECT_NETWORK, consumer.key, provider.key, 1)
    try:
        provider.credit.cover(probe, 1 << 60, allowance=provider.allowance, now=now)
    except ShortOfCreditError as error:
        return error.available
    raise AssertionError("a provider that gives without bound")


def ask(consumer: Trader, provider: Trader, amount: int, now: float, *, delivered: int | None = None) -> int:
    """One exchange with a ceiling of ``amount``, of which ``delivered`` is owed in the end (all, where None); what was.

    Zero where the provider refuses, or serves nobody.
    """
    consumer.opens += 1
    identity = Identity(DIRECT_NETWORK, consumer.key, provider.key, consumer.opens)
    try:
        covered = provider.credit.cover(identity, amount, allowance=provider.allowance, now=now)
    except ShortOfCreditError:
        return 0
    provider.credit.admit(identity, now, ceiling=amount, covered=covered)
    if not provider.serves:
        delivered = 0
    owed = amount if delivered is None else delivered
    provider.credit.end(identity, now, covered=covered, claim=owed, counted=0)
    consumer.credit.earn(DIRECT_NETWORK, provider.key, owed)
    provider.served += owed
    consumer.got += owed
    return owed
