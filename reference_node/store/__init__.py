"""Receipts of both sides, kept in SQLite, and the numbers and sums that depend on them."""

from .database import RECEIPTS_FILE
from .errors import (
    AllowanceExhaustedError,
    BrokenChainError,
    InsufficientCreditError,
    RevisionError,
    SequenceUsedError,
    ShortOfCreditError,
    StoreError,
    StoreUnavailableError,
)
from .keeper import Pending
from .records import BOOKED, DUE, Identity, ReceiptState, Record, Role
from .store import ReceiptStore

__all__ = [
    "BOOKED",
    "DUE",
    "RECEIPTS_FILE",
    "AllowanceExhaustedError",
    "BrokenChainError",
    "Identity",
    "InsufficientCreditError",
    "Pending",
    "ReceiptState",
    "ReceiptStore",
    "Record",
    "RevisionError",
    "Role",
    "SequenceUsedError",
    "ShortOfCreditError",
    "StoreError",
    "StoreUnavailableError",
]
