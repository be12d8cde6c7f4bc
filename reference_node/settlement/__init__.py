"""Settlement between nodes, as a node lives it: SPEC.md section "Settlement".

`Office` answers for the networks whose accounts this node keeps, in the ledger that `Accounts` opens. `Settlers` asks
whichever node keeps them, this one too, and `SettlementQueue` shows it what was agreed, until it has judged it.
"""

from __future__ import annotations

from .accounts import Accounts
from .balances import Balances
from .office import Caller, Office
from .queue import SettlementQueue
from .settlers import Settlers

__all__ = ["Accounts", "Balances", "Caller", "Office", "SettlementQueue", "Settlers"]
