"""What goes into a derivation and what comes out: spec/vectors/README.md, "Values"."""

from __future__ import annotations

from typing import Any, TypeAlias

from conformance.dcbor import Item

Case: TypeAlias = dict[str, Any]
"""The inputs of a case: neither its id, nor what it expects."""
Outcome: TypeAlias = dict[str, Any]
"""What follows from the inputs: a verdict, and what else was derived."""
Json: TypeAlias = Any
"""Anything that JSON has."""


class MismatchError(AssertionError):
    """Something in the inputs does not follow from the rest of them."""


def accept(**derived: Json) -> Outcome:
    """The case is valid, and this follows from it."""
    return {"verdict": "accept", **derived}


def reject(**why: Json) -> Outcome:
    """The case is not valid."""
    return {"verdict": "reject", **why}


def same(what: str, derived: Item, stated: Item) -> None:
    """Raises `MismatchError` unless both are equal."""
    if derived != stated:
        raise MismatchError(f"{what} is {stated!r}, and {derived!r} follows")


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
        if "times" in notation:
            return [valued(notation["element"])] * notation["times"]
        return {valued(key): valued(content) for key, content in notation["map"]}
    return notation
