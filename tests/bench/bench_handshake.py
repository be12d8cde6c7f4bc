"""CPU of an authenticated handshake, both ends in this process, against a bare aioquic TLS handshake."""

from __future__ import annotations

import asyncio
import statistics
import time

from mycellm_proto import events as proto
from mycellm_proto.errors import ErrorCode
from mycellm_proto.keys import SigningKey
from reference_node.node.peer_link import PeerLink
from reference_node.quic import Endpoint

from .bare import bare


class _Owner:
    """Counts proved sides."""

    def __init__(self) -> None:
        self.proved: asyncio.Queue[PeerLink] = asyncio.Queue()

    def authenticated(self, link: PeerLink) -> None:
        self.proved.put_nowait(link)

    def models_changed(self, link: PeerLink) -> None:
        pass

    def request_received(self, link: PeerLink, event: proto.RequestReceived) -> None:
        raise AssertionError("nobody asks here")

    def over(self, link: PeerLink) -> None:
        pass


async def _measure(rounds: int) -> tuple[list[float], list[float]]:
    ours: list[float] = []
    plain: list[float] = []
    initiator, responder = SigningKey(bytes([1]) * 32), SigningKey(bytes([2]) * 32)
    owner = _Owner()
    listening = await Endpoint.open("127.0.0.1", 0, lambda: PeerLink(owner, responder))
    dialing = await Endpoint.open("127.0.0.1", 0, lambda: None)
    try:
        async with bare() as server:
            for _ in range(rounds):
                started = time.process_time()
                link = PeerLink(owner, initiator, responder.public)
                dialing.dial(*listening.address, link)
                for _ in range(2):
                    await owner.proved.get()
                ours.append(time.process_time() - started)
                link.close(ErrorCode.NO_ERROR)
                await asyncio.sleep(0.05)  # the close is not measured, on either side
                started = time.process_time()
                async with server.dial():
                    await server.completed.get()
                    plain.append(time.process_time() - started)
                await asyncio.sleep(0.05)
    finally:
        await dialing.aclose()
        await listening.aclose()
    return ours, plain


def run(quick: bool) -> dict[str, object]:
    """The median of the ratios of neighbours."""
    ours, plain = asyncio.run(_measure(8 if quick else 60))
    ratio = statistics.median(mine / other for mine, other in zip(ours, plain, strict=True))
    return {
        "name": "handshake",
        "what": "authenticated handshake, CPU of both ends",
        "against": "bare aioquic TLS handshake",
        "aim": "<= 1.3",
        "ratio": round(ratio, 2),
        "milliseconds": round(statistics.median(ours) * 1000, 2),
        "milliseconds_against": round(statistics.median(plain) * 1000, 2),
    }
