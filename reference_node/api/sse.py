"""Server-sent events as clients read them: lines end in a line feed alone, one event a write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Send

DONE = "data: [DONE]\n\n"
KEEP_ALIVE = ": keep-alive\n\n"
"""A comment, which clients skip and proxies count as life."""
HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # a proxy that gathers events would undo streaming
}
_HEADERS = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""JSON on one line. (`json.dumps` would make an encoder for every event.)"""


def event(data: Mapping[str, object] | str, name: str | None = None) -> str:
    """One event, with its name where the API family has names. Text is JSON already."""
    line = f"data: {data if isinstance(data, str) else dumps(data)}\n\n"
    return line if name is None else f"event: {name}\n{line}"


class EventWriter:
    """One stream of events. Nothing is sent, the status line neither, before `start`."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def start(self) -> None:
        """Send status 200 and the headers, once."""
        if not self.started:
            self.started = True
            await self._send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})

    async def write(self, frame: str) -> None:
        """One event, whole."""
        await self._send({"type": "http.response.body", "body": frame.encode(), "more_body": True})

    async def end(self) -> None:
        """End the body."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
