"""Server-sent events from bytes as they come, within bounds: what a stream of OpenAI's API consists of."""

from __future__ import annotations

MAX_LINE = 4 << 20
"""Bytes of a line: one chunk of an answer with log-probabilities is far below; the arguments of a large call too."""
MAX_STREAM = 256 << 20
"""Bytes of a whole answer: 64 bytes for each token of the longest."""


class TooLargeError(Exception):
    """A line or a stream beyond its bound."""


class EventReader:
    """Takes bytes and gives the data of each event; comments and other fields are dropped."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._held = self._total = 0

    def feed(self, received: bytes) -> list[bytes]:
        """The events that these bytes complete. Raises `TooLargeError`."""
        self._total += len(received)
        if self._total > MAX_STREAM:
            raise TooLargeError
        events = []
        *lines, rest = received.split(b"\n")
        for line in lines:
            self._take(line)
            whole = bytes(self._line.removesuffix(b"\r"))
            self._line.clear()
            if (event := self._end_line(whole)) is not None:
                events.append(event)
        self._take(rest)
        return events

    def _take(self, piece: bytes) -> None:
        self._line += piece
        if len(self._line) + self._held > MAX_LINE:
            raise TooLargeError

    def _end_line(self, line: bytes) -> bytes | None:
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
            self._held += len(line)
        elif not line and self._data:
            event, self._data, self._held = b"\n".join(self._data), [], 0
            return event
        return None
