"""Settlement nodes that book what is not owed."""

from __future__ import annotations

from conformance.dcbor import Item
from conformance.vectors.implementation import Implementation

from .mutant import Careless, Without, mutant


class _AsksNobody(Implementation):
    """Lets anybody show anything."""

    def is_party(self, caller: bytes, opened: Item) -> bool:
        """Everybody."""
        return True


class _BooksTheTotal(Implementation):
    """Books what a provider bills, agreed or not."""

    def booked(self, paid: int, total: int, *, final: bool) -> int:
        """What the close says."""
        return total


class _BooksWhatWasReleased(Implementation):
    """Does not look at a close that nobody countersigned."""

    def booked(self, paid: int, total: int, *, final: bool) -> int:
        """What the ticks pay."""
        return total if final else paid


class _HoldsOn(Implementation):
    """Keeps what is reserved for a request that was refused."""

    def is_waiver(self, total: int) -> bool:
        """No close is."""
        return False


class _AnyTotal(Implementation):
    """Books totals that follow from nothing."""

    def is_bill(self, close: Item, claim: Item) -> bool:
        """Whatever it says."""
        return True


class _NeverCounts(Implementation):
    """Takes any link for a tick."""

    def leads_to(self, link: bytes, steps: int, target: bytes) -> bool:
        """It does."""
        return True


class _SettlesInFull(Implementation):
    """Takes the price of a cancelled answer for the only one."""

    def is_bill(self, close: Item, claim: Item) -> bool:
        """Whether the total is what all tokens cost."""
        offer = self.decode(claim[0][0])
        return super().is_bill(close, claim) and bool(close[6] == self.owed(offer, close[4], close[5]))


_BAD = "reject-direct-network reject-foreign-network reject-of-another-provider reject-open-unsigned"
MUTANTS = (
    mutant(
        "books-what-nobody-authorised",
        "SET-003~1",
        f"claim: {_BAD} reject-open-raised-after-signing reject-quote-unsigned reject-ceiling-beyond-all-ticks "
        "reject-dearer-tick-than-the-open-names reserve: reject-open-of-another-quote",
        Without("SET-003"),
    ),
    mutant("lets-anybody-settle", "SET-003~1", "claim: reject-receipt-of-others", _AsksNobody()),
    mutant(
        "reserves-whatever-is-asked",
        "SET-004~1",
        "reserve: reject-by-the-consumer reject-expired-quote",
        Without("SET-004"),
    ),
    mutant(
        "settles-any-number-of-ticks",
        "SET-005~1",
        "claim: reject-huge-k reject-tick-above-the-ceiling reject-random-link",
        Without("SET-005"),
    ),
    mutant(
        "settles-any-link",
        "SET-005~1",
        "claim: reject-link-of-one-tick-less reject-random-link reject-anchor-for-a-tick",
        _NeverCounts(),
    ),
    mutant(
        "books-any-close",
        "SET-006~2",
        "claim: reject-half-signed-receipt reject-countersignature-empty reject-countersigned-by-the-provider "
        "reject-countersignature-of-nothing",
        Without("SET-006"),
    ),
    mutant(
        "books-any-total",
        "SET-006~2",
        "claim: reject-total-one-more reject-total-above-the-ceiling reject-close-of-another-open",
        _AnyTotal(),
    ),
    mutant("books-what-is-billed", "SET-006~2", "claim: accept-close-beyond-the-ticks", _BooksTheTotal()),
    mutant("forgets-the-bill", "SET-006~2", "claim: accept-close-that-nobody-countersigned", _BooksWhatWasReleased()),
    mutant("holds-what-nobody-wants", "SET-006~2", "claim: accept-close-over-nothing", _HoldsOn()),
    mutant("reserves-for-any-time", "CAL-015~1", "arguments: reject-reserve-of-no-time", Careless("reserve", 4)),
    mutant("takes-any-outcome", "CAL-015~1", "arguments: reject-settled-outcome-4", Careless("settled")),
    mutant("bills-cancelled-in-full", "SET-006~2", "claim: accept-receipt-of-a-cancelled-answer", _SettlesInFull()),
)
