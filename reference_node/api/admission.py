"""How many requests for models there can be, how much of their bodies is held, and their end when the node stops."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

from mycellm_proto.errors import ErrorCode

from .errors import from_code

if TYPE_CHECKING:
    from types import TracebackType

MAX_EXCHANGES = 256
"""Requests for models at the same time, waiting ones included: as many as the largest number of slots."""
MAX_HELD_BYTES = 64 << 20
"""Of all bodies together: sixteen of the largest, and far less than any machine has that runs a model."""
FAREWELL_S = 2.0
"""The longest wait to tell an error to an asker that does not read."""


class Admission:
    """One admitted request, from before its body is read to the end of its answer.

    ``stop`` is set when it must end now. Leaving it as a context manager gives its place to the next.
    """

    def __init__(self, exchanges: Exchanges) -> None:
        self.stop = asyncio.Event()
        self._exchanges = exchanges
        self._held = 0

    def hold(self, size: int) -> None:
        """Account for ``size`` more bytes of its body. Raises `ApiError` 429."""
        self._exchanges.hold(size)
        self._held += size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._exchanges.end(self, self._held)


class Exchanges:
    """The requests for models in progress."""

    def __init__(self) -> None:
        self._running: set[Admission] = set()
        self._held = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._refusing = False

    @property
    def running(self) -> int:
        """Requests in progress, waiting ones included."""
        return len(self._running)

    def refuse(self, refusing: bool) -> None:
        """Admit nothing more, or do so again. What runs goes on."""
        self._refusing = refusing

    async def idle(self) -> None:
        """Return when nothing runs."""
        await self._idle.wait()

    def admit(self) -> Admission:
        """A place for a request. Raises `ApiError` 429 or 503."""
        if self._closing or self._refusing:
            raise from_code(ErrorCode.SHUTTING_DOWN)
        if len(self._running) >= MAX_EXCHANGES:
            raise from_code(ErrorCode.BUSY)
        admission = Admission(self)
        self._running.add(admission)
        self._idle.clear()
        return admission

    def hold(self, size: int) -> None:
        """For `Admission`. Raises `ApiError` 429."""
        if self._held + size > MAX_HELD_BYTES:
            raise from_code(ErrorCode.BUSY)
        self._held += size

    def end(self, admission: Admission, held: int) -> None:
        """For `Admission`."""
        self._held -= held
        self._running.discard(admission)
        if not self._running:
            self._idle.set()

    async def aclose(self, grace_s: float) -> None:
        """Admit nothing more, wait ``grace_s`` seconds for what runs, then end it."""
        self._closing = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), grace_s)
        for admission in self._running:
            admission.stop.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), FAREWELL_S)
