"""Whose word about others is worth a dial: who told too much that was not so is not believed for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .book import Book, Lead
    from .informer import Informer

MAX_LIES = 8
"""So many leads of one informer may fail in a row."""
DISTRUST_S = 3600.0
MAX_LIARS = 1024
"""Informers whose failed leads are counted; the oldest count is forgotten for a new one."""


class Hearsay:
    """Counts what came of the leads in ``book`` that were told by others than their nodes."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._lies: dict[tuple[bytes, bytes], tuple[int, float]] = {}

    def believes(self, informer: Informer, network: bytes, now: float) -> bool:
        """Whether ``informer`` is asked about ``network``."""
        lies, until = self._lies.get((network, informer.account(network)), (0, 0.0))
        return lies < MAX_LIES or now >= until

    def true(self, lead: Lead) -> None:
        """Its node was there."""
        self._lies.pop(_account(lead), None)

    def untrue(self, lead: Lead, now: float) -> None:
        """Its node was not there, for good. What a node said of itself is held against nobody else."""
        if lead.reached or lead.informer.node == lead.node:
            return
        account = _account(lead)
        lies = self._lies.pop(account, (0, 0.0))[0] + 1
        self._lies[account] = (lies, now + DISTRUST_S)
        if len(self._lies) > MAX_LIARS:
            del self._lies[next(iter(self._lies))]
        if lies >= MAX_LIES:
            for each in self._book.told_by(lead.network, lead.informer):
                self._book.drop(each)


def _account(lead: Lead) -> tuple[bytes, bytes]:
    return lead.network, lead.informer.account(lead.network)
