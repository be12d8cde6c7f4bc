"""Portable receipts in files: one in deterministic CBOR, or one a line in hexadecimal digits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mycellm_proto.economy import close_body, quote_body
from mycellm_proto.errors import ProtocolError
from mycellm_proto.receipt import MAX_RECEIPT, decode_receipt, verify_receipt
from mycellm_proto.signed import Context

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from mycellm_proto.receipt import Receipt

_CBOR = b"\x84"
"""How a receipt begins: an array of four. No line of digits does."""


def verify(path: Path, networks: Collection[bytes]) -> Iterator[dict[str, Any]]:
    """What holds in each receipt of a file, in these networks. Raises `OSError`."""
    with path.open("rb") as file:
        if file.peek(1)[:1] == _CBOR:
            yield _judge("receipt", file.read(MAX_RECEIPT + 1), networks)
            return
        number = 0
        while line := file.readline(2 * MAX_RECEIPT + 2):
            number += 1
            if text := line.strip():
                yield _judge(f"line {number}", _digits(text), networks)


def _digits(text: bytes) -> bytes:
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return b""  # not a receipt either


def _judge(name: str, data: bytes, networks: Collection[bytes]) -> dict[str, Any]:
    try:
        receipt = decode_receipt(data)
        findings = [str(finding) for finding in verify_receipt(receipt, networks=networks)]
    except ProtocolError as error:
        return {"id": name, "verified": False, "findings": [str(error)]}
    return {"id": name, "verified": not findings, "findings": findings, **_says(receipt)}


def _says(receipt: Receipt) -> dict[str, Any]:
    try:
        quote, close = quote_body(receipt.quote), close_body(receipt.close)
    except ProtocolError:
        return {}
    return {
        "open": receipt.open.digest(Context.OPEN).hex(),
        "model": quote.model,
        "input_tokens": close.input_tokens,
        "output_tokens": close.output_tokens,
        "micro_credits": close.total,
    }
