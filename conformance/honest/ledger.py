"""What an honest node keeps: opens that it has taken, numbers that it has used, and who owes whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .authority import Books
from .networks import Held
from .settlement import Ledger

_DAY = 86_400.0


class Identity(NamedTuple):
    """A settlement identity, and this node's part in it."""

    role: str
    network: bytes
    consumer: bytes
    provider: bytes
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How one exchange ended: micro-credits, and the portable receipt where there is one."""

    owed: int
    receipt: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What an open uses of what this node owed its consumer: at most, and now."""

    network: bytes
    consumer: bytes
    covered: int
    drawn: int


@dataclass(kw_only=True)
class Store:
    """Opens by (network, consumer) and sequence, kept for ever; the allowance; numbers; receipts."""

    opens: dict[tuple[bytes, bytes], dict[int, bytes]] = field(default_factory=dict)
    uses: dict[bytes, tuple[float, int]] = field(default_factory=dict)
    """When each open was taken, and what of the allowance it uses."""
    draws: dict[bytes, Draw] = field(default_factory=dict)
    """What of its consumer's credit each open uses."""
    sequences: dict[tuple[bytes, bytes], int] = field(default_factory=dict)
    """The last number taken, by network and provider."""
    newest: dict[tuple[bytes, bytes], bytes] = field(default_factory=dict)
    """The name of the last open signed, by network and provider."""
    kept: dict[Identity, Kept] = field(default_factory=dict)
    networks: dict[bytes, Held] = field(default_factory=dict)
    """What it holds of each network that it is a member of."""
    due: list[tuple[bytes, dict[int, Any]]] = field(default_factory=list)
    """Networks, and what it has still to claim in them."""
    ledgers: dict[bytes, Ledger] = field(default_factory=dict)
    """What it keeps as the settlement node of a network."""
    authorities: dict[bytes, Books] = field(default_factory=dict)
    """What it notes as the authority of a network."""

    def used(self, now: float) -> int:
        """Micro-credits of the allowance that are in use."""
        return sum(amount for at, amount in self.uses.values() if now - at < _DAY)

    def credit(self, network: bytes, peer: bytes) -> int:
        """Micro-credits that this node owes ``peer`` and has not served it for: by its own books as a consumer."""
        earned = sum(
            kept.owed
            for identity, kept in self.kept.items()
            if (identity.role, identity.network, identity.provider) == ("consumer", network, peer)
        )
        draws = (each for each in self.draws.values() if (each.network, each.consumer) == (network, peer))
        return max(0, earned - sum(each.drawn for each in draws))

    def shown(self) -> Iterator[dict[str, Any]]:
        """The receipts, as an adapter tells them."""
        for identity, kept in self.kept.items():
            yield {
                "role": identity.role,
                "network": identity.network.hex(),
                "consumer": identity.consumer.hex(),
                "provider": identity.provider.hex(),
                "sequence": identity.sequence,
                "owed": kept.owed,
                "receipt": None if kept.receipt is None else kept.receipt.hex(),
            }
