"""The environment of a run against a node on the network."""

from __future__ import annotations

import time

from conformance.script.session import Environment
from conformance.wire import quic
from conformance.wire.link import DEADLINE, Link, Recorder


class LiveEnvironment(Environment):
    """A node at an address."""

    def __init__(self, host: str, port: int, target: bytes | None) -> None:
        self._host = host
        self._port = port
        self.target = target

    def clock(self) -> float:
        """This machine's clock."""
        return time.time()

    async def dial(self, recorder: Recorder, *, alpn: str) -> Link:
        """A QUIC connection."""
        return await quic.dial(recorder, self._host, self._port, alpn=alpn, within=DEADLINE)
