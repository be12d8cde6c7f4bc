"""One connection of a case: what the suite writes and what the target answers, all of it in the recorder."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import replace
from enum import Enum, auto
from typing import Any

from .transcript import Event, What

DEADLINE = 15.0
"""Seconds that the suite waits for anything that has no time of its own in SPEC.md."""


MAX_BYTES = 32 * 1024 * 1024
"""Bytes of the target's that are kept of one case: twice the longest answer."""
MAX_EVENTS = 250_000
"""Events that are kept of one case: about a hundred megabytes, whatever they hold."""


class GoneError(Exception):
    """The connection is over: nothing more can come. Ends a case's script, not the run."""


class OverdueError(Exception):
    """What the script waited for did not come. Ends a case's script; the judge says what that means."""


class Recorder:
    """Collects the events of one case."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._began = asyncio.get_running_loop().time()
        self._links = 0
        self._bytes = 0
        self.full = False
        """Whether the target sent more than is kept."""

    def now(self) -> float:
        """Seconds since the case began."""
        return asyncio.get_running_loop().time() - self._began

    def add(self, event: Event) -> None:
        """Note what happened. Of a flood no more than the beginning is kept, and that it was one."""
        if event.by == "suite":
            self.events.append(event)
        elif not self.full:
            self.events.append(event)
            self._bytes += len(event.data)
            if self._bytes > MAX_BYTES or len(self.events) > MAX_EVENTS:
                self.full = True
                facts = {"bytes": self._bytes, "events": len(self.events)}
                self.events.append(Event(at=event.at, link=event.link, by="suite", what="flood", facts=facts))

    def number(self) -> int:
        """The number of the next connection."""
        self._links += 1
        return self._links - 1


class Link(ABC):
    """A connection, recorded. Its carrier implements what goes out, and calls `_took` for what came in."""

    def __init__(self, recorder: Recorder, *, initiates: bool) -> None:
        self.recorder = recorder
        self.number = recorder.number()
        self.initiates = initiates
        """Whether the suite dialed."""
        self.binding: bytes | None = None
        self.over = False
        """Whether either side has closed, or the connection is lost."""
        self.announced: dict[str, Any] = {}
        """What QUIC and TLS have shown of the target."""
        self._inbox: asyncio.Queue[Event] = asyncio.Queue()

    # For scripts

    def write(self, stream: int, data: bytes, fin: bool = False) -> None:
        """Send bytes on a stream, and end it with ``fin``. Does nothing on a connection that is over."""
        if not self.over:
            self._note("data", stream=stream, data=data, fin=fin)
            self._send(stream, data, fin)

    def reset(self, stream: int, code: int = 0) -> None:
        """RESET_STREAM."""
        if not self.over:
            self._note("reset", stream=stream, code=code)
            self._reset(stream, code)

    def stop(self, stream: int, code: int = 0) -> None:
        """STOP_SENDING."""
        if not self.over:
            self._note("stop", stream=stream, code=code)
            self._stop(stream, code)

    def close(self, code: int = 0, reason: str = "") -> None:
        """CONNECTION_CLOSE of the application."""
        if not self.over:
            self._note("close", code=code, facts={"layer": "application", "reason": reason})
            self.over = True
            self._close(code, reason)

    def note(self, what: What, **facts: Any) -> None:
        """Write a remark of the suite into the transcript."""
        self._note(what, facts=facts)

    def note_fault(self, fault: str, stream: int) -> None:
        """Write into the transcript that the suite breaks a rule from here on, on ``stream`` or (-1) anywhere."""
        self._note("fault", stream=stream, facts={"fault": fault})

    async def next(self, *, within: float = DEADLINE, what: str) -> Event:
        """The next event of the target.

        Raises `GoneError` after the last one, `OverdueError` after ``within`` seconds.
        """
        if self._inbox.empty() and self.over:
            raise GoneError
        try:
            async with asyncio.timeout(within):
                event = await self._inbox.get()
        except TimeoutError:
            self._note("wait", facts={"for": what, "at_most": within, "over": True})
            raise OverdueError(what) from None
        if event.what in ("close", "gone"):
            raise GoneError
        return event

    async def until_over(self, within: float) -> None:
        """Wait until the connection is over, or ``within`` seconds; what else comes is only recorded."""
        try:
            async with asyncio.timeout(within):
                while not self.over or not self._inbox.empty():
                    await self._inbox.get()
        except TimeoutError:
            self._note("wait", facts={"for": "the end of the connection", "at_most": within, "over": True})

    @abstractmethod
    def release(self) -> None:
        """Give back what the connection holds, at the end of a case."""

    # For carriers

    @abstractmethod
    def _send(self, stream: int, data: bytes, fin: bool) -> None: ...

    @abstractmethod
    def _reset(self, stream: int, code: int) -> None: ...

    @abstractmethod
    def _stop(self, stream: int, code: int) -> None: ...

    @abstractmethod
    def _close(self, code: int, reason: str) -> None: ...

    def _opened(self, binding: bytes) -> None:
        """The connection has its channel binding."""
        self.binding = binding
        role = "initiator" if self.initiates else "responder"
        self._note("open", facts={"role": role, "binding": binding.hex()})

    def _took(self, what: What, **details: Any) -> None:
        """The target did something."""
        event = Event(at=self.recorder.now(), link=self.number, by="target", what=what, **details)
        self.recorder.add(event)
        if what in ("close", "gone"):
            self.over = True
        elif self.recorder.full and not self.over:
            self.close()
            self._inbox.put_nowait(replace(event, what="gone"))
            return
        if what == "transport":
            self.announced |= event.facts
        else:
            self._inbox.put_nowait(event)

    def _note(self, what: What, **details: Any) -> None:
        self.recorder.add(Event(at=self.recorder.now(), link=self.number, by="suite", what=what, **details))


class Manner(Enum):
    """How the suite listens."""

    PLAIN = auto()
    ODD_CERTIFICATE = auto()
    """With a certificate of another name and issuer, that expired long ago."""
    TICKETS = auto()
    """With session tickets for whoever comes, which break TRN-012."""


class Listening(ABC):
    """A place at which the target dials the suite."""

    address: str
    """As the target is told: HOST:PORT."""

    @abstractmethod
    async def accept(self, within: float = DEADLINE) -> Link:
        """The next connection that the target dialed, with its channel binding. Raises `OverdueError`."""

    @abstractmethod
    def close(self) -> None:
        """Listen no more; connections that are open end without a word."""
