"""What the receipt store refuses, and why."""

from __future__ import annotations


class StoreError(Exception):
    """The receipt store cannot do what was asked. The message is a sentence for people."""


class SequenceUsedError(StoreError):
    """An open with this identity was seen before, whether it is the same open or another one."""


class BrokenChainError(StoreError):
    """The open names another previous open than the one that is held under the number before its own."""


class AllowanceExhaustedError(StoreError):
    """The open's ceiling does not fit the allowance. ``limit`` and ``actual`` are in micro-credits per 24 hours."""

    def __init__(self, limit: int, actual: int) -> None:
        super().__init__(f"{actual} micro-credits in 24 hours, {limit} are allowed")
        self.limit = limit
        self.actual = actual


class StoreUnavailableError(StoreError):
    """Nothing can be written now. What was recorded before is kept, and nothing new may begin."""


class RevisionError(StoreError):
    """The file is of a newer or an unknown version of this software."""
