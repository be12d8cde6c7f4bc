"""One chat answer over HTTP, streamed or whole, from the events of a `Generator`.

The status line waits for the first event, so what fails before it is a real status. The work stops as soon as the
asker is gone, the deadline has passed or the node stops; its iterator is closed in every case.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Protocol

from fastapi import Response
from fastapi.responses import JSONResponse

from mycellm_proto.errors import ErrorCode

from .. import log
from ..generation import Delta, Event, Finished, GenerationError
from .admission import FAREWELL_S
from .errors import FAILED_REASONS, ApiError, from_code, from_generation
from .sse import DONE, EventWriter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.types import Receive, Scope, Send

    from .admission import Admission

KEEP_ALIVE_S = 15.0
"""Proxies cut streams that are silent for 30 to 60 seconds."""
DEADLINE_GRACE_S = 5.0
"""What serves a request ends it at its deadline; this much later the API ends it alone."""

_log = logging.getLogger(__name__)


class Answer(Protocol):
    """The shape of an answer: how events become JSON."""

    def whole(self, text: str, finished: Finished) -> dict[str, object]:
        """The one object of an answer that is not streamed."""
        ...

    def opening(self) -> dict[str, object]:
        """The first event of a stream: who speaks."""
        ...

    def piece(self, text: str) -> dict[str, object]:
        """An event with text."""
        ...

    def closing(self, finished: Finished) -> list[dict[str, object]]:
        """The last events of a stream."""
        ...


class _Reader:
    """The events of a generator, with a time limit on each wait that leaves the generator alone."""

    def __init__(self, events: AsyncGenerator[Event, None]) -> None:
        self._events = events
        self._next: asyncio.Future[Event] | None = None

    async def wait(self, patience_s: float | None = None) -> bool:
        """Whether the next event is there, at most ``patience_s`` seconds from now."""
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self._events))
        done, _ = await asyncio.wait({self._next}, timeout=patience_s)
        return bool(done)

    async def read(self) -> Event:
        """The next event. Raises `ApiError` for all that fails."""
        await self.wait()
        assert self._next is not None
        event, self._next = self._next, None
        try:
            return event.result()
        except GenerationError as error:
            raise from_generation(error) from None
        except StopAsyncIteration:
            log.event(_log, logging.ERROR, "chat.unfinished")
            raise from_code(ErrorCode.INTERNAL) from None
        except Exception as error:  # noqa: BLE001 - a bug of what serves the model is answered too
            log.failure(_log, "chat.crashed", error)
            raise from_code(ErrorCode.INTERNAL) from None

    async def aclose(self) -> None:
        """Cancel the work."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait({self._next})
        try:
            await self._events.aclose()
        except Exception as error:  # noqa: BLE001 - the answer is over; a bug in its end is for the log
            log.failure(_log, "chat.close_crashed", error)


async def _gone(receive: Receive) -> None:
    """Returns when the asker has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _whole_or_error(finished: Finished) -> Finished:
    if finished.reason in FAILED_REASONS:
        raise from_code(FAILED_REASONS[finished.reason])
    return finished


class Exchange(Response):
    """The response that runs the work."""

    def __init__(
        self,
        *,
        events: AsyncGenerator[Event, None],
        answer: Answer,
        admission: Admission,
        stream: bool,
        deadline_s: float,
        labels: dict[str, log.Field],
    ) -> None:
        super().__init__()
        self._reader = _Reader(events)
        self._answer = answer
        self._admission = admission
        self._stream = stream
        self._limit_s = deadline_s + DEADLINE_GRACE_S
        self._labels = labels

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, as an ASGI application."""
        writer = EventWriter(send)
        with self._admission:
            try:
                await self._race(scope, receive, send, writer)
            except ApiError as error:
                log.event(_log, logging.INFO, "chat.failed", code=error.code, status=error.status, **self._labels)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FAREWELL_S):
                        await self._tell(error, scope, receive, send, writer)

    async def _race(self, scope: Scope, receive: Receive, send: Send, writer: EventWriter) -> None:
        """Do the work, unless the asker leaves, time is over or the node stops first."""
        work = asyncio.ensure_future(self._streamed(writer) if self._stream else self._whole(scope, receive, send))
        gone = asyncio.ensure_future(_gone(receive))
        stopped = asyncio.ensure_future(self._admission.stop.wait())
        tasks = {work, gone, stopped}
        try:
            await asyncio.wait(tasks, timeout=self._limit_s, return_when=asyncio.FIRST_COMPLETED)
            finished, left, ended = work.done(), gone.done(), stopped.done()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._reader.aclose()
        if finished:
            return work.result()
        if left:
            return log.event(_log, logging.INFO, "chat.left", **self._labels)
        raise from_code(ErrorCode.SHUTTING_DOWN if ended else ErrorCode.DEADLINE_EXCEEDED)

    async def _tell(self, error: ApiError, scope: Scope, receive: Receive, send: Send, writer: EventWriter) -> None:
        if writer.started:  # no [DONE]: the answer is not whole
            await writer.event(error.body())
            await writer.end()
        else:
            response = JSONResponse(error.body(), status_code=error.status, headers=error.all_headers())
            await response(scope, receive, send)

    async def _whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        pieces: list[str] = []
        while not isinstance(event := await self._reader.read(), Finished):
            if isinstance(event, Delta):
                pieces.append(event.text)
        body = self._answer.whole("".join(pieces), _whole_or_error(event))
        self._log_finished(event)
        await JSONResponse(body)(scope, receive, send)

    async def _streamed(self, writer: EventWriter) -> None:
        event = await self._reader.read()  # until now an error is a real status
        while not isinstance(event, Finished):
            if isinstance(event, Delta) and event.text:
                await self._open(writer)
                await writer.event(self._answer.piece(event.text))
            event = await self._next(writer)
        finished = _whole_or_error(event)
        await self._open(writer)
        for data in self._answer.closing(finished):
            await writer.event(data)
        await writer.event(DONE)
        await writer.end()
        self._log_finished(finished)

    async def _next(self, writer: EventWriter) -> Event:
        while not await self._reader.wait(KEEP_ALIVE_S):
            await self._open(writer)
            await writer.keep_alive()
        return await self._reader.read()

    async def _open(self, writer: EventWriter) -> None:
        if not writer.started:
            await writer.start()
            await writer.event(self._answer.opening())

    def _log_finished(self, finished: Finished) -> None:
        counts: dict[str, log.Field] = {"input": finished.input_tokens, "output": finished.output_tokens}
        log.event(_log, logging.INFO, "chat.finished", reason=finished.reason.name.lower(), **counts, **self._labels)
