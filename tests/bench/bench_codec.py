"""Strict decoding: our codec against cbor2 made as strict, by encoding again and comparing."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import cbor2

from mycellm_proto import codec
from mycellm_proto.answer import Chunk
from mycellm_proto.frames import encode

BODY = codec.encode({**{key: bytes([key]) * 32 for key in range(5)}, 5: 1 << 40, 6: 8192, 7: "a model's id", 8: None})
"""An open as it travels: five hashes and keys, three numbers, a text."""
TOKEN = encode(Chunk(text="four", tokens=1))
BATCH = 200
"""Decodings per sample: long against the clock's resolution, short against what else the machine does."""


def _ours() -> None:
    codec.decode(BODY)


def _cbor2() -> None:
    if cbor2.dumps(cbor2.loads(BODY), canonical=True) != BODY:
        raise ValueError("not deterministic")


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    for _ in range(BATCH):
        work()
    return (time.perf_counter() - started) / BATCH


def run(quick: bool) -> dict[str, object]:
    """The median of the ratios of neighbours, after a warm-up; and the bytes of a streamed token."""
    samples = [(_seconds(_ours), _seconds(_cbor2)) for _ in range(60 if quick else 600)][5:]
    ratio = statistics.median(mine / other for mine, other in samples)
    return {
        "name": "codec",
        "what": f"strict decoding of a frame of {len(BODY)} bytes",
        "against": "cbor2: decode, encode canonically, compare",
        "aim": "<= 1",
        "ratio": round(ratio, 2),
        "microseconds": round(statistics.median(mine for mine, _ in samples) * 1e6, 2),
        "microseconds_against": round(statistics.median(other for _, other in samples) * 1e6, 2),
        "bytes_of_a_token": len(TOKEN),
    }
