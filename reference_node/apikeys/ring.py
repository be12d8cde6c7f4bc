"""Keys as a running node uses them: who asks, and whether the limits let it.

A limit on tokens counts prompts as they are read and answers as they are made, also those that are cut off. It holds
for what begins: requests already running when the day's tokens are spent may exceed it, each by its own prompt.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .store import DAY_S, KEYS_FILE, Key, KeyStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MINUTE_S = 60.0


class LimitError(Exception):
    """A limit of a key is reached. ``retry_after`` is in seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after


@dataclass(slots=True, kw_only=True)
class _Count:
    """What one key has done: the last minute's begins; the tokens of ``day``, and those that may still come."""

    day: int = -1
    tokens: int = 0
    reserved: int = 0
    begins: deque[float] = field(default_factory=deque)


class KeyUse:
    """One request under one key, from `begin` to `end`."""

    def __init__(self, ring: KeyRing, key: Key) -> None:
        self.key = key
        self._ring = ring
        self._tokens = 0
        self._reserved = 0

    def begin(self) -> None:
        """Count the request. Raises `LimitError`."""
        self._ring.count_request(self.key)

    def reserve(self, tokens: int) -> int:
        """How many of ``tokens`` the answer may have at most; they are kept free until `end`. Raises `LimitError`."""
        granted = self._ring.reserve(self.key, tokens)
        self._reserved += granted
        return granted

    def spend(self, tokens: int) -> None:
        """Tokens were read or made."""
        self._tokens += tokens

    def end(self) -> None:
        """The request is over."""
        self._ring.settle(self.key, self._tokens, self._reserved)
        self._tokens = self._reserved = 0


class KeyRing:
    """The keys of one home, which may come and go while the node runs."""

    def __init__(
        self, home: Path, *, now: Callable[[], float] = time.time, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._home, self._now, self._clock = home, now, clock
        self._store: KeyStore | None = None
        self._closed = False
        self._counts: dict[str, _Count] = {}

    def required(self) -> bool:
        """Whether there ever was a key: from then on nobody is answered without one. Raises `KeyStoreError`."""
        store = self._open()
        return store is not None and store.exists()

    def find(self, secret: str) -> KeyUse | None:
        """Who presents ``secret``. Raises `KeyStoreError`."""
        store = self._open() if secret else None
        key = store.find(secret) if store is not None else None
        return None if key is None else KeyUse(self, key)

    def close(self) -> None:
        """Close the file, for good."""
        self._closed = True
        if self._store is not None:
            self._store.close()
            self._store = None

    def _open(self) -> KeyStore | None:
        if self._store is None and not self._closed and (self._home / KEYS_FILE).exists():
            self._store = KeyStore.open(self._home)
        return self._store

    # For `KeyUse`

    def _count(self, key: Key) -> _Count:
        count = self._counts.setdefault(key.id, _Count())
        today = int(self._now() // DAY_S)
        if count.day != today:
            store = self._open()
            count.day, count.tokens = today, store.used(key.id, today)[1] if store is not None else 0
        return count

    def count_request(self, key: Key) -> None:
        """See `KeyUse.begin`."""
        count, limit, now = self._count(key), key.limits.requests_per_minute, self._clock()
        if limit is not None:
            while count.begins and count.begins[0] <= now - MINUTE_S:
                count.begins.popleft()
            if len(count.begins) >= limit:
                wait = count.begins[0] + MINUTE_S - now if count.begins else MINUTE_S
                raise LimitError(f"This key may begin {limit} requests a minute.", wait)
            count.begins.append(now)
        if (store := self._open()) is not None:
            store.add(key.id, count.day, requests=1, tokens=0)

    def reserve(self, key: Key, tokens: int) -> int:
        """See `KeyUse.reserve`."""
        limit = key.limits.tokens_per_day
        if limit is None:
            return tokens
        count = self._count(key)
        left = limit - count.tokens - count.reserved
        if left < 1:
            message = f"This key may use {limit} tokens a day, and has used them. The day ends at midnight UTC."
            raise LimitError(message, math.ceil((count.day + 1) * DAY_S - self._now()))
        granted = min(tokens, left)
        count.reserved += granted
        return granted

    def settle(self, key: Key, tokens: int, reserved: int) -> None:
        """See `KeyUse.end`."""
        count = self._count(key)
        count.reserved -= reserved if key.limits.tokens_per_day is not None else 0
        count.tokens += tokens
        if tokens and (store := self._open()) is not None:
            store.add(key.id, count.day, requests=0, tokens=tokens)
