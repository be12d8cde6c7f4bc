"""How the vectors write CBOR values and long byte strings in JSON."""

from __future__ import annotations

from mycellm_proto.codec import Value

from .family import Json

SAFE = 1 << 53
"""JSON readers lose integers from here on."""


def noted(value: Value) -> Json:
    """``value`` in JSON: see README.md, "Values"."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if -SAFE < value < SAFE else {"int": str(value)}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, dict):
        return {"map": [[noted(key), noted(content)] for key, content in value.items()]}
    return [noted(element) for element in value]


def parts(*pieces: tuple[str, int]) -> list[Json]:
    """A long byte string as pieces: their hex, and how many times each comes."""
    return [{"hex": piece, "times": times} for piece, times in pieces]


def joined(pieces: list[Json]) -> bytes:
    """The bytes of `parts`."""
    return b"".join(bytes.fromhex(piece["hex"]) * piece["times"] for piece in pieces)  # type: ignore[call-overload,index]
