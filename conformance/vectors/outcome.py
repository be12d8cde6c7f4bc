"""What a derivation gives back: the ``expect`` of a case, and what else does not fit."""

from __future__ import annotations

import hashlib
from typing import Any, TypeAlias

from conformance import dcbor
from conformance.dcbor import Item

Case: TypeAlias = dict[str, Any]
Outcome: TypeAlias = dict[str, Any]
Json: TypeAlias = Any
"""Anything that JSON has."""


class MismatchError(AssertionError):
    """Something beside the outcome is not what the case says."""


def accept(**derived: Json) -> Outcome:
    """The case is valid, and this follows from it."""
    return {"verdict": "accept", **derived}


def reject(**why: Json) -> Outcome:
    """The case is not valid."""
    return {"verdict": "reject", **why}


def same(what: str, derived: Item, stated: Item) -> None:
    """Raises `MismatchError` unless both are equal."""
    if derived != stated:
        raise MismatchError(f"{what} is {derived!r}, and the case says {stated!r}")


def joined(data: str | list[dict[str, Any]]) -> bytes:
    """The bytes of a hex string, or of pieces that are repeated."""
    if isinstance(data, str):
        return bytes.fromhex(data)
    return b"".join(bytes.fromhex(piece["hex"]) * piece["times"] for piece in data)


def noted(value: Item) -> Json:
    """``value`` in the notation of the vectors."""
    if type(value) is int and abs(value) >= 2**53:
        return {"int": str(value)}
    if type(value) is bytes:
        return {"bytes": value.hex()}
    if type(value) is list:
        return [noted(each) for each in value]
    if type(value) is dict:
        return {"map": [[noted(key), noted(content)] for key, content in value.items()]}
    return value


def valued(notation: Json) -> Item:
    """The value that the notation stands for."""
    if isinstance(notation, list):
        return [valued(each) for each in notation]
    if isinstance(notation, dict):
        if "int" in notation:
            return int(notation["int"])
        if "bytes" in notation:
            return bytes.fromhex(notation["bytes"])
        return {valued(key): valued(content) for key, content in notation["map"]}
    return notation


def preimage(context: str, *encoded: bytes) -> bytes:
    """What is signed or hashed: the array of a context and of items that are encoded already."""
    return bytes((0x81 + len(encoded),)) + dcbor.encode(context) + b"".join(encoded)


def name(context: str, *encoded: bytes) -> bytes:
    """SHA-256 of the pre-image."""
    return hashlib.sha256(preimage(context, *encoded)).digest()
