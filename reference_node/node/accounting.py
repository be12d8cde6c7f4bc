"""This node's part in settlement, joined to its links: accounts that it keeps, and what it shows to who keeps them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..settlement import Accounts, Balances, Office, SettlementQueue, Settlers
from . import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..config import Settings
    from ..identity import Identity
    from ..networks import Networks
    from ..procedures import Procedures
    from ..store import ReceiptStore
    from .peer_link import PeerLink


class Accounting:
    """``links`` gives the links that stand. The ledger is opened when it is first needed."""

    def __init__(
        self,
        settings: Settings,
        identity: Identity,
        store: ReceiptStore,
        networks: Networks,
        *,
        procedures: Procedures,
        links: Callable[[], Iterable[PeerLink]],
    ) -> None:
        self.accounts = Accounts.of(settings, clock.now)
        self.office = Office(networks, self.accounts, clock.now)
        self.office.serve(procedures)
        self.settlers = Settlers(networks, self.office, now=clock.now, links=links)
        self.balances = Balances(networks, self.settlers)
        self.queue = SettlementQueue(identity.key, store, networks, self.settlers, clock.now)

    async def run(self) -> None:
        """Show what is due and sweep what is over, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.queue.run())
            group.create_task(self.accounts.keep(lambda: self.office.is_open))

    def health(self) -> dict[str, object] | None:
        """How the ledger is, where this node keeps the accounts of a network."""
        if not self.office.is_open:
            return None
        return {"healthy": self.accounts.problem is None, "problem": self.accounts.problem}

    async def aclose(self) -> None:
        """Book what waits, and close the ledger."""
        self.office.close()
        await self.accounts.aclose()
