"""Added latency of a remote answer of one token, against a bare aioquic round trip of the same bytes.

Two processes, as in life: the peer is `far_side`. Its engine is scripted, so that nothing but the protocol is measured.
The quote came with the peer's advertisement, the open travels with the request, and the close comes after the answer.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mycellm_proto.answer import Chunk
from mycellm_proto.content import ChatRequest, Message, Role
from mycellm_proto.economy import DIRECT_NETWORK, Quote, sign
from mycellm_proto.frames import Accept, Request, UnknownFrame, encode
from mycellm_proto.grease import RESERVED
from mycellm_proto.keys import SigningKey
from mycellm_proto.order import place_order
from reference_node.generation import Delta
from reference_node.node.remote import RemoteModel

from .bare import Bare, Sizes
from .far_side import WORD, start

REQUEST = ChatRequest(
    model="scripted",
    messages=(Message(role=Role.USER, content="What is the capital of France?"),),
    max_tokens=1,
    deadline_ms=10_000,
)
PAUSE_S = 0.03
"""Between measurements, both sides write their receipts to the disk, which is outside of what is measured.

Without it, the bare round trip is the one that is measured beside those writes. It is also how a node is asked in
life: now and then, so that neither side finds warm caches.
"""


def _sizes() -> Sizes:
    """Bytes of the REQUEST, and of ACCEPT and CHUNK, with the reserved keys and frames that a node sends with them."""
    key = SigningKey(bytes(32))
    quote = Quote(
        provider=key.public, network=DIRECT_NETWORK, model=REQUEST.model, model_digest=bytes(32), context_length=8192,
        price_in=1, price_out=4, tick_value=64, prepaid_ticks=4, window=8, expires=1 << 31,
    )  # fmt: skip
    order = place_order(
        key, REQUEST, quote=quote, signed_quote=sign(key, quote), sequence=100, previous=bytes(32), ceiling=600,
        salt=bytes(32), chain_seed=bytes(32),
    )  # fmt: skip
    request = Request(content=order.content, salt=order.salt, open=order.signed_open, prepaid=bytes(32))
    keys, frame = {RESERVED[-1]: True}, encode(UnknownFrame(type=RESERVED[-1], body=b""))
    answer = encode(Accept(input_tokens=5), keys) + frame + encode(Chunk(text=WORD, tokens=1))
    return Sizes(request=len(encode(request, keys) + frame), answer=len(answer))


@asynccontextmanager
async def _far_side(sizes: Sizes) -> AsyncIterator[tuple[str, int]]:
    command = (sys.executable, "-m", "tests.bench.far_side", str(sizes.request), str(sizes.answer))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            where = json.loads(await process.stdout.readline())
        yield where["provider"], where["bare"]
    finally:
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def _remote(peer: str) -> AsyncIterator[RemoteModel]:
    """The far side's model, as a node of this process sees it."""
    with tempfile.TemporaryDirectory() as folder:
        consumer, _ = await start(Path(folder) / "consumer", None, peer)
        try:
            found = await consumer.found(REQUEST.model)
            assert isinstance(found, RemoteModel)
            yield found
        finally:
            await consumer.aclose()


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
    sizes = _sizes()
    async with (
        _far_side(sizes) as (peer, port),
        _remote(peer) as remote,
        Bare(port, sizes).dial() as client,
    ):
        for _ in range(rounds):
            ours.append(await _first_text(remote))
            await asyncio.sleep(PAUSE_S)
            started = time.perf_counter()
            stream = await client.round_trip()
            plain.append(time.perf_counter() - started)
            client.finish(stream)
            await asyncio.sleep(PAUSE_S)
    return ours[rounds // 5 :], plain[rounds // 5 :]


def run(quick: bool) -> dict[str, object]:
    """The median of the ratios of neighbours, after a warm-up."""
    ours, plain = asyncio.run(_measure(60 if quick else 400))
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
