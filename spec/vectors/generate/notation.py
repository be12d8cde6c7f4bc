"""How the vectors write CBOR values and long byte strings in JSON."""

from __future__ import annotations

from mycellm_proto.codec import Value, decode

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


Pieces = list[dict[str, Json]]


def parts(*pieces: tuple[str, int]) -> Pieces:
    """A long byte string as pieces: their hex, and how many times each comes."""
    return [{"hex": piece, "times": times} for piece, times in pieces]


def joined(pieces: Pieces) -> bytes:
    """The bytes of `parts`."""
    return b"".join(bytes.fromhex(str(piece["hex"])) * int(str(piece["times"])) for piece in pieces)


def as_map(item: bytes) -> dict[int, Value]:
    """The map that ``item`` encodes. Raises `TypeError` for anything else."""
    value = decode(item)
    if not isinstance(value, dict):
        raise TypeError(f"no map: {item.hex()}")
    return value
