"""The settlement node's ledger: double entry in micro-credits, on SQLite, PostgreSQL or MariaDB."""

from .errors import (
    AmountError,
    IdentityConflictError,
    InsufficientCreditError,
    LedgerError,
    LedgerRevisionError,
    LedgerUnavailableError,
    NoReservationError,
)
from .facts import (
    Balance,
    Claim,
    Conflict,
    Event,
    Finalise,
    Grant,
    Kind,
    Opened,
    Outcome,
    Reserve,
    Settlement,
    State,
)
from .ledger import Ledger
from .places import LEDGER_FILE, Place
from .rules import GRACE_S, Answer

__all__ = [
    "GRACE_S",
    "LEDGER_FILE",
    "AmountError",
    "Answer",
    "Balance",
    "Claim",
    "Conflict",
    "Event",
    "Finalise",
    "Grant",
    "IdentityConflictError",
    "InsufficientCreditError",
    "Kind",
    "Ledger",
    "LedgerError",
    "LedgerRevisionError",
    "LedgerUnavailableError",
    "NoReservationError",
    "Opened",
    "Outcome",
    "Place",
    "Reserve",
    "Settlement",
    "State",
]
