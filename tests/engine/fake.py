"""A runner without a model: a token follows the one before it, and tests can hold it at every step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np

from reference_node.engine.runner import Logits, Step

VOCABULARY = 1000


class FakeRunner:
    """Says that ``token + 1`` follows ``token``. Records its calls; ``before`` runs ahead of each, on the engine's
    thread.
    """

    def __init__(self, slots: int = 2, capacity: int = 4096) -> None:
        self.slots, self.capacity = slots, capacity
        self.calls: list[tuple[str, object]] = []
        self.copies = True
        self.released: list[int] = []
        self.before: Callable[[], None] = lambda: None
        self._changed = threading.Condition()

    def prefill(self, slot: int, tokens: Sequence[int], start: int) -> Logits:
        self._record("prefill", (slot, len(tokens), start))
        return self._logits(tokens[-1])

    def decode(self, steps: Sequence[Step]) -> Sequence[Logits]:
        self._record("decode", sorted(step.slot for step in steps))
        return [self._logits(step.token) for step in steps]

    def copy(self, source: int, target: int, count: int) -> None:
        self._record("copy", (source, target, count))

    def release(self, slot: int, kept: int) -> None:
        with self._changed:
            self.released.append(slot)
            self._changed.notify_all()

    def wait_for_release(self, count: int) -> bool:
        """Waits until that many slots were released."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.released) >= count, timeout=30)

    def _record(self, kind: str, what: object) -> None:
        self.before()
        self.calls.append((kind, what))

    @staticmethod
    def _logits(token: int) -> Logits:
        logits = np.zeros(VOCABULARY, np.float32)
        logits[(token + 1) % VOCABULARY] = 1
        return logits
