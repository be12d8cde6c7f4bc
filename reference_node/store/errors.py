"""What the receipt store refuses, and why."""

from __future__ import annotations


class StoreError(Exception):
    """The receipt store cannot do what was asked. The message is a sentence for people."""


class SequenceUsedError(StoreError):
    """An open with this identity was seen before, whether it is the same open or another one."""


class BrokenChainError(StoreError):
    """The open names another previous open than the one that is held under the number before its own."""


class ShortOfCreditError(StoreError):
    """Neither what is owed to the consumer nor the allowance covers the ceiling. Both numbers are micro-credits."""

    passes: bool
    """Whether waiting helps."""

    def __init__(self, available: int, needed: int) -> None:
        super().__init__(f"{needed} micro-credits are needed, {available} are available")
        self.available = available
        self.needed = needed


class AllowanceExhaustedError(ShortOfCreditError):
    """The allowance is in use; it would have room for the open at another time."""

    passes = True


class InsufficientCreditError(ShortOfCreditError):
    """Not even an untouched allowance would have room for the open: the consumer has to earn, or to ask for less."""

    passes = False


class StoreUnavailableError(StoreError):
    """Nothing can be written now. What was recorded before is kept, and nothing new may begin."""


class RevisionError(StoreError):
    """The file is of a newer or an unknown version of this software."""
