"""Added latency of a remote answer of one token, against a bare aioquic round trip of the same bytes.

The engine is scripted, so that nothing but the protocol is measured. The quote came with the peer's advertisement, the
open travels with the request, and the close comes after the answer: all three as in real traffic.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mycellm_proto.order import place_order
from mycellm_proto.content import ChatRequest, Message, Role
from mycellm_proto.frames import Accept, Chunk, Request, encode
from mycellm_proto.keys import SigningKey
from mycellm_proto.nodeid import encode_node_id
from reference_node.config import resolve
from reference_node.generation import Delta, Generator
from reference_node.identity import load_or_create
from reference_node.node import Node
from reference_node.node.remote import RemoteModel
from tests.node.scripted import Scripted

from .bare import Sizes, bare

REQUEST = ChatRequest(
    model="scripted",
    messages=(Message(role=Role.USER, content="What is the capital of France?"),),
    max_tokens=1,
    deadline_ms=10_000,
)
WORD = "four"


async def _start(home: Path, engine: Generator | None, *peers: str) -> tuple[Node, str]:
    home.mkdir(mode=0o700)
    flags = {"home": (str(home),), "quic": ("127.0.0.1:0",), "no_model": ("true",), "peer": peers}
    identity = load_or_create(home)
    node = await Node.start(resolve(flags, {}).settings, identity, engine)
    return node, f"{encode_node_id(identity.node_id)}@{node.health()['quic']}"


@asynccontextmanager
async def _remote() -> AsyncIterator[RemoteModel]:
    """A scripted model of one node, as another sees it."""
    with tempfile.TemporaryDirectory() as folder:
        provider, address = await _start(Path(folder) / "provider", Scripted(words=(WORD,)))
        consumer, _ = await _start(Path(folder) / "consumer", None, address)
        try:
            async with asyncio.timeout(10):
                while not isinstance(found := consumer.catalog.find(REQUEST.model), RemoteModel):
                    await asyncio.sleep(0.01)
            yield found
        finally:
            await consumer.aclose()
            await provider.aclose()


def _sizes(remote: RemoteModel) -> Sizes:
    quote, signed = remote.link.quotes[0]
    order = place_order(
        SigningKey(bytes(32)), REQUEST, quote=quote, signed_quote=signed, sequence=1, previous=bytes(32),
        ceiling=remote.ceiling(REQUEST), salt=bytes(32), chain_seed=bytes(32),
    )  # fmt: skip
    request = Request(content=order.content, salt=order.salt, open=order.signed_open, prepaid=bytes(32))
    answer = encode(Accept(input_tokens=5)) + encode(Chunk(text=WORD, tokens=1))
    return Sizes(request=len(encode(request)), answer=len(answer))


async def _first_text(remote: RemoteModel) -> float:
    """Seconds to the first token; the rest of the exchange is waited for, but not measured."""
    started = time.perf_counter()
    taken = 0.0
    async for event in remote.generate(REQUEST):
        if isinstance(event, Delta) and not taken:
            taken = time.perf_counter() - started
    return taken


async def _measure(rounds: int) -> tuple[list[float], list[float]]:
    ours: list[float] = []
    plain: list[float] = []
    async with _remote() as remote, bare(_sizes(remote)) as server, server.dial() as client:
        for _ in range(rounds):
            ours.append(await _first_text(remote))
            await asyncio.sleep(0.005)  # the close and its receipt are outside
            started = time.perf_counter()
            stream = await client.round_trip()
            plain.append(time.perf_counter() - started)
            client.finish(stream)
            await asyncio.sleep(0.005)
    return ours[rounds // 5 :], plain[rounds // 5 :]


def run(quick: bool) -> dict[str, object]:
    """The median of the ratios of neighbours, after a warm-up."""
    ours, plain = asyncio.run(_measure(100 if quick else 1000))
    ratio = statistics.median(mine / other for mine, other in zip(ours, plain, strict=True))
    return {
        "name": "remote",
        "what": "first token of a peer's answer, engine's time excluded",
        "against": "bare aioquic round trip of the same bytes",
        "aim": "<= 2",
        "ratio": round(ratio, 2),
        "microseconds": round(statistics.median(ours) * 1e6),
        "microseconds_against": round(statistics.median(plain) * 1e6),
    }
