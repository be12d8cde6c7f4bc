"""What the target said of itself on the wire: its id, its versions, what it can do and what it serves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from conformance import bech32m, dcbor, framing, shapes, signing
from conformance.judge.record import LinkRecord, read
from conformance.wire.transcript import Transcript

_MODELS = 64


def shown(transcripts: Iterable[Transcript]) -> dict[str, Any]:
    """From the first HELLO whose signature is valid for its connection, and the first MODELS behind it."""
    for transcript in transcripts:
        for link in read(transcript).links:
            hello = _hello(link)
            if hello is not None:
                return {
                    "node_id": bech32m.write(hello[1]),
                    "versions": [hello[3], hello[4]],
                    "capabilities": hello[5],
                    "models": list(_models(link)),
                }
    return {"node_id": None, "versions": None, "capabilities": None, "models": None}


def _hello(link: LinkRecord) -> dict[int, Any] | None:
    frame = next(link.of("target", link.target_control), None)
    if frame is None or frame.kind != framing.HELLO or not shapes.is_signed(frame.value):
        return None
    body, signature = frame.value
    hello = _item(body)
    if shapes.broken("hello-responder" if link.initiates else "hello-initiator", hello) is not None:
        return None
    proved = hello[2] == link.binding and signing.is_signed_by(hello[1], signing.HELLO, body, signature)
    return hello if proved else None


def _models(link: LinkRecord) -> Iterator[str]:
    frames = (each for each in link.of("target", link.target_control) if each.kind == framing.MODELS)
    frame = next(frames, None)
    if frame is None or shapes.broken("models", frame.value) is not None:
        return
    for body, _ in frame.value[0][:_MODELS]:
        quote = _item(body)
        if shapes.broken("quote-body", quote) is None:
            yield quote[2]


def _item(body: bytes) -> Any:
    try:
        return dcbor.decode(body)
    except dcbor.NotDeterministicError:
        return None
