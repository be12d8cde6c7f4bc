"""Server-sent events as OpenAI's clients read them: lines end in a line feed alone, one event a write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Send

DONE = "[DONE]"
HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # a proxy that gathers events would undo streaming
}


class EventWriter:
    """One stream of events. Nothing is sent, the status line neither, before `start`."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def start(self) -> None:
        """Send status 200 and the headers, once."""
        if self.started:
            return
        self.started = True
        headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def event(self, data: Mapping[str, object] | str) -> None:
        """One event. Text is sent as it is, anything else as JSON on one line."""
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        await self._write(f"data: {text}\n\n")

    async def keep_alive(self) -> None:
        """A comment, which clients skip and proxies count as life."""
        await self._write(": keep-alive\n\n")

    async def end(self) -> None:
        """End the body."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, text: str) -> None:
        await self._send({"type": "http.response.body", "body": text.encode(), "more_body": True})
