"""Conversations that a client asked to be kept (``"store": true``) for ``previous_response_id``: in memory alone.

Nothing is kept unless it is asked for, nothing outlives the process, and each account finds its own only.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mycellm_proto.content import Message

MAX_KEPT = 1024
"""Conversations of all accounts together; the oldest go first."""
MAX_KEPT_BYTES = 32 << 20
KEEP_S = 3600.0
"""A client that chains responses does so within minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    owner: bytes | None
    messages: tuple[Message, ...]
    size: int
    until: float


class Stored:
    """The kept conversations of one API."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._size = 0

    def keep(self, response_id: str, owner: bytes | None, messages: Iterable[Message]) -> None:
        """Keep a conversation under the id of its last response."""
        whole = tuple(messages)
        size = sum(len(each.content) + sum(len(call.arguments) for call in each.calls) + 200 for each in whole)
        if size > MAX_KEPT_BYTES:
            return
        kept = _Kept(owner=owner, messages=whole, size=size, until=self._clock() + KEEP_S)
        self._kept[response_id] = kept
        self._size += size
        while len(self._kept) > MAX_KEPT or self._size > MAX_KEPT_BYTES or self._oldest().until < self._clock():
            self._size -= self._kept.popitem(last=False)[1].size

    def find(self, response_id: str, owner: bytes | None) -> tuple[Message, ...]:
        """The conversation up to and with that response. Raises `ApiError` 404."""
        kept = self._kept.get(response_id)
        if kept is None or kept.owner != owner or kept.until < self._clock():
            message = (
                "That response is not kept here. Send the whole conversation as input; or send store: true with each "
                "request, and use the response within the hour, on the same node and with the same key."
            )
            code = "previous_response_not_found"
            raise ApiError(404, message, code=code, param="previous_response_id")
        return kept.messages

    def _oldest(self) -> _Kept:
        return next(iter(self._kept.values()))
