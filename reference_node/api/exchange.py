"""One answer over HTTP, streamed or whole, from the events of one or more generations.

The status line waits for the first event, so what fails before it is a real status. The work stops as soon as the
asker is gone, the deadline has passed or the node stops; its iterators are closed in every case. What an answer looks
like in JSON is the business of an `Answer`, one for each API family.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from typing import TYPE_CHECKING, Any, Protocol

from fastapi import Response
from fastapi.responses import JSONResponse

from mycellm_proto.answer import Part
from mycellm_proto.errors import ErrorCode

from .. import log
from ..generation import Delta, Finished, GenerationError, Started
from .admission import FAREWELL_S
from .errors import FAILED_REASONS, ApiError, from_code, from_generation
from .result import Result
from .sse import KEEP_ALIVE, EventWriter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from starlette.types import Receive, Scope, Send

    from ..generation import Event
    from .access import Account
    from .admission import Admission
    from .metrics import Metrics

KEEP_ALIVE_S = 15.0
"""Proxies cut streams that are silent for 30 to 60 seconds."""
BREATH_EVENTS = 32
"""After so many events in a row the loop gets its turn, even when none had to be waited for."""
DEADLINE_GRACE_S = 5.0
"""What serves a request ends it at its deadline; this much later the API ends it alone."""

Events = "AsyncGenerator[Event, None]"
_log = logging.getLogger(__name__)


class Answer(Protocol):
    """The shape of an answer. Frames are whole server-sent events (`reference_node.api.sse.event`)."""

    keep_alive: str = KEEP_ALIVE
    """What a silent stream says."""

    def whole(self, results: Sequence[Result]) -> dict[str, object]:
        """The one object of an answer that is not streamed."""
        ...

    def opening(self, results: Sequence[Result]) -> Iterable[str]:
        """The first frames of a stream: who speaks."""
        ...

    def piece(self, index: int, delta: Delta, result: Result) -> Iterable[str]:
        """Frames for one delta of one choice, which ``result`` holds already."""
        ...

    def closing(self, results: Sequence[Result]) -> Iterable[str]:
        """The last frames of a stream."""
        ...

    def failing(self, error: ApiError) -> Iterable[str]:
        """The last frames of a stream that failed."""
        ...

    def refusal(self, error: ApiError) -> dict[str, object]:
        """The body of an error before the stream."""
        ...


async def _checked(events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """The events of a generator up to its end. Raises `ApiError` for all that fails."""
    try:
        async for event in events:
            yield event
            if isinstance(event, Finished):
                return
    except GenerationError as error:
        raise from_generation(error) from None
    except Exception as error:  # noqa: BLE001 - a bug of what serves the model is answered too
        log.failure(_log, "chat.crashed", error)
        raise from_code(ErrorCode.INTERNAL) from None
    log.event(_log, logging.ERROR, "chat.unfinished")
    raise from_code(ErrorCode.INTERNAL)


async def _merged(streams: Sequence[AsyncGenerator[Event, None]]) -> AsyncGenerator[tuple[int, Event], None]:
    """The events of all streams as they come, each with its stream's number; nothing is read ahead."""
    if len(streams) == 1:
        async for event in streams[0]:
            yield 0, event
        return
    waiting = {asyncio.ensure_future(anext(stream)): index for index, stream in enumerate(streams)}
    try:
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                index = waiting.pop(future)
                with contextlib.suppress(StopAsyncIteration):
                    event = future.result()
                    yield index, event
                    waiting[asyncio.ensure_future(anext(streams[index]))] = index
    finally:
        for future in waiting:
            future.cancel()
        if waiting:
            await asyncio.wait(waiting)


async def _gone(receive: Receive) -> None:
    """Returns when the asker has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass


class Exchange(Response):
    """The response that runs the work."""

    def __init__(
        self,
        *,
        generations: Sequence[AsyncGenerator[Event, None]],
        answer: Answer,
        admission: Admission,
        account: Account,
        metrics: Metrics,
        stream: bool,
        deadline_s: float,
        labels: dict[str, log.Field],
    ) -> None:
        super().__init__()
        self._generations = generations
        self._streams = [_checked(events) for events in generations]
        self._results = [Result() for _ in generations]
        self._answer = answer
        self._admission = admission
        self._account = account
        self._metrics = metrics
        self._stream = stream
        self._limit_s = deadline_s + DEADLINE_GRACE_S
        self._labels = labels
        self._opening = asyncio.Lock()
        self._open = self._first = False
        self._written = self._began = time.monotonic()

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
            finally:
                self._account.end()

    async def _race(self, scope: Scope, receive: Receive, send: Send, writer: EventWriter) -> None:
        """Do the work, unless the asker leaves, time is over or the node stops first."""
        work = asyncio.ensure_future(self._streamed(writer) if self._stream else self._whole(scope, receive, send))
        gone = asyncio.ensure_future(_gone(receive))
        stopped = asyncio.ensure_future(self._admission.stop.wait())
        ends: set[asyncio.Future[Any]] = {work, gone, stopped}
        tasks = ends | ({asyncio.ensure_future(self._keep_alive(writer))} if self._stream else set())
        try:
            await asyncio.wait(ends, timeout=self._limit_s, return_when=asyncio.FIRST_COMPLETED)
            finished, left, ended = work.done(), gone.done(), stopped.done()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._close()
        if finished:
            return work.result()
        if left:
            return log.event(_log, logging.INFO, "chat.left", **self._labels)
        raise from_code(ErrorCode.SHUTTING_DOWN if ended else ErrorCode.DEADLINE_EXCEEDED)

    async def _close(self) -> None:
        """Cancel what still generates."""
        for events in (*self._streams, *self._generations):
            try:
                await events.aclose()
            except Exception as error:  # noqa: BLE001 - the answer is over; a bug in its end is for the log
                log.failure(_log, "chat.close_crashed", error)

    async def _tell(self, error: ApiError, scope: Scope, receive: Receive, send: Send, writer: EventWriter) -> None:
        if writer.started:  # and no end: the answer is not whole
            for frame in self._answer.failing(error):
                await writer.write(frame)
            await writer.end()
        else:
            body = self._answer.refusal(error)
            await JSONResponse(body, status_code=error.status, headers=error.all_headers())(scope, receive, send)

    def _note_first(self) -> None:
        self._first = True
        self._metrics.first(self._labels, time.monotonic() - self._began)

    async def _events(self) -> AsyncGenerator[tuple[int, Delta], None]:
        """The deltas of all choices; counts and ends go to their results and to who pays."""
        merged = _merged(self._streams)
        count = 0
        async for index, event in merged:
            count += 1
            if count % BREATH_EVENTS == 0:
                await asyncio.sleep(0)
            result = self._results[index]
            if isinstance(event, Delta):
                if not self._first:
                    self._note_first()
                self._account.spend(event.tokens)
                result.add(event, f"call_{secrets.token_hex(12)}" if event.part is Part.CALL else "")
                yield index, event
            elif isinstance(event, Started):
                result.input_tokens = event.input_tokens
                self._account.spend(event.input_tokens)
            else:
                result.finished = event
                if event.reason in FAILED_REASONS:
                    await merged.aclose()
                    raise from_code(FAILED_REASONS[event.reason])

    async def _whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        async for _ in self._events():
            pass
        body = self._answer.whole(self._results)
        self._note_finished()
        await JSONResponse(body)(scope, receive, send)

    async def _streamed(self, writer: EventWriter) -> None:
        async for index, delta in self._events():
            if not self._open:
                if not (delta.text or delta.logprobs):
                    continue  # nothing to say yet: an error may still be a real status
                await self._begin(writer)
            for frame in self._answer.piece(index, delta, self._results[index]):
                self._written = time.monotonic()
                await writer.write(frame)
        await self._begin(writer)
        for frame in self._answer.closing(self._results):
            await writer.write(frame)
        await writer.end()
        self._note_finished()

    async def _begin(self, writer: EventWriter) -> None:
        async with self._opening:
            if not self._open:
                await writer.start()
                for frame in self._answer.opening(self._results):
                    await writer.write(frame)
                self._open = True

    async def _keep_alive(self, writer: EventWriter) -> None:
        """Break the silence of a stream for as long as the work takes."""
        while True:
            silent = time.monotonic() - self._written
            if silent < KEEP_ALIVE_S:
                await asyncio.sleep(KEEP_ALIVE_S - silent)
                continue
            self._written = time.monotonic()
            await self._begin(writer)
            await writer.write(self._answer.keep_alive)

    def _note_finished(self) -> None:
        counts: dict[str, log.Field] = {
            "input": sum(result.end.input_tokens for result in self._results),
            "output": sum(result.end.output_tokens for result in self._results),
        }
        reason = self._results[0].end.reason.name.lower()
        self._metrics.finished(self._labels, self._results, time.monotonic() - self._began)
        log.event(_log, logging.INFO, "chat.finished", reason=reason, **counts, **self._labels)
