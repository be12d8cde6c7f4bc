"""What each slot of the KV pool holds, and where the next request goes: the prefix cache.

A slot keeps its prompt's tokens when its answer is over, until the slot is needed. A later request *of the same owner*
that begins with the same tokens goes on from there. So the cache takes no memory but the pool's, and evicts whole
slots, least recently used first. Owners never share: how fast an answer begins would tell one what another had asked.

A hit changes no bit of an answer on a CPU (tests/engine/test_prefix.py), because of two rules:

1. Only tokens that were fed as part of a prompt are reused, never those that were decoded one by one: kernels for a
   single row round differently (1 to 2 logits with int8 activations). A prompt chunk of one token counts as decoded.
2. At least `MIN_ROWS` tokens are left to prefill, for the same reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reference_node.engine.waiting import Owner

MIN_ROWS = 2
"""Tokens in a run from which on kernels compute a row in the same way, however many rows there are."""

Tokens = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request goes. The first ``cached`` tokens of its prompt are in ``source``, which may be ``slot`` itself;
    elsewhere they have to be copied.
    """

    slot: int
    source: int
    cached: int


@dataclass(slots=True)
class _Held:
    """One slot: its first ``kept`` tokens are those of ``tokens``, as a prefill wrote them for ``owner``."""

    owner: Owner = None
    tokens: Tokens = field(default_factory=lambda: np.zeros(0, np.int64))
    kept: int = 0
    used: int = 0
    busy: bool = False


class SlotTable:
    """The slots. ``copies``: whether a slot's tokens can be copied into another one on this device."""

    def __init__(self, slots: int, *, copies: bool) -> None:
        self._held = [_Held() for _ in range(slots)]
        self._copies, self._now = copies, 0

    def free(self) -> int:
        """How many slots are free."""
        return sum(not held.busy for held in self._held)

    def place(self, owner: Owner, prompt: Sequence[int]) -> Place:
        """Takes a free slot, of which there must be one. An owner None neither finds nor leaves anything."""
        tokens = np.array(prompt, np.int64)
        source, cached = self._longest(owner, tokens)
        slot = self._choose(source, cached)
        kept = cached if slot == source else 0  # a copy counts once it is made
        self._now += 1
        self._held[slot] = _Held(owner=owner, tokens=tokens, kept=kept, used=self._now, busy=True)
        return Place(slot=slot, source=source if cached else slot, cached=cached)

    def written(self, slot: int, start: int, count: int) -> None:
        """Says that ``count`` tokens of the prompt after the first ``start`` are there: prefilled in one run, or copied
        from a slot that had them so.
        """
        held = self._held[slot]
        if count >= MIN_ROWS and start == held.kept:
            held.kept = start + count

    def leave(self, slot: int) -> int:
        """Frees a slot; returns how many of its first tokens are still needed."""
        held = self._held[slot]
        if held.owner is None or not held.kept:
            self._held[slot] = _Held()
            return 0
        self._now += 1
        held.used, held.busy = self._now, False
        return held.kept

    def _longest(self, owner: Owner, prompt: Tokens) -> tuple[int, int]:
        """The slot that begins with most of the prompt, and how much of it; a free one among equals."""
        best = (0, False, 0)
        for slot, held in enumerate(self._held):
            if owner is None or held.owner != owner:
                continue
            common = min(_common(held.tokens[: held.kept], prompt), len(prompt) - MIN_ROWS)
            if self._copies or _goes_on(held, common):
                best = max(best, (common, not held.busy, slot))
        common, _, slot = best
        return (slot, common) if common >= MIN_ROWS else (0, 0)

    def _choose(self, source: int, cached: int) -> int:
        """The source itself for what goes on from it; else the free slot that is least recently used."""
        if cached and _goes_on(self._held[source], cached):
            return source
        return min((held.used, slot) for slot, held in enumerate(self._held) if not held.busy)[1]


def _goes_on(held: _Held, common: int) -> bool:
    """Whether a request may overwrite what is in a slot behind ``common`` tokens. It is a loss where only the
    beginning is common, such as a system prompt before another conversation.
    """
    return not held.busy and 2 * common >= held.kept


def _common(left: Tokens, right: Tokens) -> int:
    """How many first tokens are the same."""
    length = min(len(left), len(right))
    differing = np.flatnonzero(left[:length] != right[:length])
    return int(differing[0]) if len(differing) else length
