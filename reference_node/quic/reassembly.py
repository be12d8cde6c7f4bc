"""Bounded reassembly: how much stream data of one connection waits behind bytes that have not arrived."""

from __future__ import annotations

from . import limits


class ReassemblyError(Exception):
    """The peer leaves more behind a gap than its standing allows."""


class _Incoming:
    """The incoming half of one stream; offsets in bytes."""

    __slots__ = ("delivered", "edge", "held", "pieces", "top")

    def __init__(self) -> None:
        self.edge = 0  # everything below has arrived
        self.delivered = 0  # what the handler was given
        self.top = 0  # the end of the furthest frame
        self.held = 0  # top - edge as it was last counted
        self.pieces = 0  # frames that arrived beyond the edge


class Reassembly:
    """Counts what is held back on all streams of one connection.

    Only streams that can still receive are tracked: local ones from `opened`, the peer's from their first frame, until
    `finished`. aioquic keeps nothing for the others.
    """

    def __init__(self, *, is_initiator: bool) -> None:
        self.max_bytes = limits.HELD_UNAUTHENTICATED
        self.max_pieces = limits.PIECES_UNAUTHENTICATED
        self._bytes = 0
        self._pieces = 0
        self._streams: dict[int, _Incoming] = {}
        # The next stream id of either kind that the peer has not used yet.
        self._unused = [1, 3] if is_initiator else [0, 2]

    def __len__(self) -> int:
        return len(self._streams)

    def authenticated(self) -> None:
        """Give the peer the room of one that has proved who it is."""
        self.max_bytes = limits.HELD_AUTHENTICATED
        self.max_pieces = limits.PIECES_AUTHENTICATED

    def opened(self, stream_id: int) -> None:
        """This side opened a stream on which the peer can answer."""
        self._streams[stream_id] = _Incoming()

    def arrived(self, stream_id: int, offset: int, size: int) -> None:
        """A frame came in. Raises `ReassemblyError` when it must not be kept."""
        stream = self._streams.get(stream_id) or self._opened_by_peer(stream_id)
        if stream is None:
            return
        end = offset + size
        if offset <= stream.edge:
            stream.edge = max(stream.edge, end)
            return
        stream.top = max(stream.top, end)
        stream.pieces += 1
        self._pieces += 1
        self._recount(stream)
        if self._bytes > self.max_bytes or self._pieces > self.max_pieces:
            raise ReassemblyError

    def delivered(self, stream_id: int, size: int) -> None:
        """The handler was given ``size`` more bytes of a stream."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        stream.delivered += size
        if stream.held:
            stream.edge = max(stream.edge, stream.delivered)
            self._recount(stream)

    def finished(self, stream_id: int) -> None:
        """A stream has ended or was reset by the peer: nothing more is kept for it."""
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            self._bytes -= stream.held
            self._pieces -= stream.pieces

    def _recount(self, stream: _Incoming) -> None:
        held = max(0, stream.top - stream.edge)
        self._bytes += held - stream.held
        stream.held = held
        if not held:
            self._pieces -= stream.pieces
            stream.pieces = 0

    def _opened_by_peer(self, stream_id: int) -> _Incoming | None:
        """Track a new stream of the peer and the lower ones that it opens with it (RFC 9000 section 2.1)."""
        kind = stream_id >> 1 & 1
        first = self._unused[kind]
        if (stream_id ^ first) & 1 or not first <= stream_id < first + 4 * limits.MAX_STREAMS:
            return None  # a finished stream, or one that aioquic refuses
        for new_id in range(first, stream_id + 4, 4):
            self._streams[new_id] = _Incoming()
        self._unused[kind] = stream_id + 4
        return self._streams[stream_id]
