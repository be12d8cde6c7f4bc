"""What this node's member has in its networks, for people and programs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from mycellm_proto.errors import ErrorCode

from ..networks import NetworkError
from ..procedures import Refusal

if TYPE_CHECKING:
    from ..networks import HeldNetwork, Networks
    from .settlers import Settlers

_REASONS = {
    ErrorCode.NOT_MEMBER: "it does not take this node for a member",
    ErrorCode.SETTLEMENT_UNAVAILABLE: "it cannot use its accounts now. Try again",
    ErrorCode.PEER_GONE: "it cannot be reached now. Try again",
}


class Balances:
    """Asks the settlement nodes of ``networks``."""

    def __init__(self, networks: Networks, settlers: Settlers) -> None:
        self._networks = networks
        self._settlers = settlers

    async def show(self, name: str | None = None) -> dict[str, Any]:
        """The balance in one network, or in each that has a settlement node. Raises `NetworkError`."""
        if name is None:
            chosen = [held for held in self._networks if held.descriptor.settled]
        else:
            chosen = [self._networks.find(name)]
        return {"balances": list(await asyncio.gather(*(self._ask(held) for held in chosen)))}

    async def _ask(self, held: HeldNetwork) -> dict[str, Any]:
        if not held.descriptor.settled:
            raise NetworkError(f"{held.name!r} has no settlement node: its members owe each other.")
        try:
            found = await self._settlers.balance(held.id)
        except Refusal as refusal:
            reason = _REASONS.get(refusal.code, refusal.code.name)
            raise NetworkError(f"The settlement node of {held.name!r}: {reason}.", refusal.code) from None
        return {
            "id": held.id.hex(),
            "name": held.name,
            "balance": found.balance,
            "reserved": found.reserved,
            "available": found.balance - found.reserved,
        }
