"""What the ledger refuses, and why. After every refusal the accounts are as they were before."""

from __future__ import annotations


class LedgerError(Exception):
    """The ledger cannot do what was asked. The message is a sentence for people."""


class InsufficientCreditError(LedgerError):
    """The member cannot cover what was asked. ``available`` and ``needed`` are in micro-credits."""

    def __init__(self, available: int, needed: int) -> None:
        super().__init__(f"{needed} micro-credits are needed, {available} are available.")
        self.available = available
        self.needed = needed


class NoReservationError(LedgerError):
    """Nothing is reserved for this open: it never was, or its time is over and the rest was released."""


class IdentityConflictError(LedgerError):
    """Another open (or another grant) holds this identity. Of two opens both are kept, as evidence."""


class AmountError(LedgerError):
    """The amount is beyond what is possible. ``limit`` and ``actual`` are in micro-credits."""

    def __init__(self, what: str, limit: int, actual: int) -> None:
        super().__init__(f"{what}: {actual} micro-credits, at most {limit} are possible.")
        self.limit = limit
        self.actual = actual


class LedgerUnavailableError(LedgerError):
    """The database cannot be used now. What was booked is kept; what was refused with this may be tried again.

    Whether an operation that was under way was booked is known once it is repeated: all of them may be.
    """


class LedgerRevisionError(LedgerError):
    """The database is of a newer or an unknown version of this software."""
