"""Values and outcomes as the vectors write them: spec/vectors/README.md, "Values"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from mycellm_proto.codec import Value
from mycellm_proto.errors import ErrorCode, RemoteProtocolError
from mycellm_proto.signed import Signed

Inputs: TypeAlias = dict[str, Any]
Outcome: TypeAlias = dict[str, Any]

_SAFE = 1 << 53
"""JSON readers lose integers from here on."""


def accept(**derived: Any) -> Outcome:  # noqa: ANN401  anything that JSON has
    """The case is valid, and this follows from it."""
    return {"verdict": "accept", **derived}


def refused(error: RemoteProtocolError) -> Outcome:
    """The case is not valid."""
    return {"verdict": "reject", "code": ErrorCode(error.code).name}


def outcome_of(derive: Callable[[], Outcome]) -> Outcome:
    """What ``derive`` returns, or the refusal that it raises."""
    try:
        return derive()
    except RemoteProtocolError as error:
        return refused(error)


def octets(data: str | list[dict[str, Any]]) -> bytes:
    """The bytes of a hex string, or of pieces that are repeated."""
    if isinstance(data, str):
        return bytes.fromhex(data)
    return b"".join(bytes.fromhex(piece["hex"]) * piece["times"] for piece in data)


def signed(inputs: Inputs) -> Signed:
    """The signed object that a case gives in parts."""
    return Signed(body=bytes.fromhex(inputs["body"]), signature=bytes.fromhex(inputs["signature"]))


def noted(value: Value) -> Any:  # noqa: ANN401  anything that JSON has
    """``value`` in JSON."""
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, int) and not isinstance(value, bool) and not -_SAFE < value < _SAFE:
        return {"int": str(value)}
    if isinstance(value, dict):
        return {"map": [[noted(key), noted(content)] for key, content in value.items()]}
    if isinstance(value, list | tuple):
        return [noted(element) for element in value]
    return value


def valued(notation: Any) -> Any:  # noqa: ANN401  anything that JSON has
    """The value that the notation stands for."""
    match notation:
        case {"int": digits}:
            return int(digits)
        case {"bytes": data}:
            return bytes.fromhex(data)
        case {"element": element, "times": times}:
            return [valued(element)] * times
        case {"map": entries}:
            return {valued(key): valued(content) for key, content in entries}
        case list():
            return [valued(element) for element in notation]
    return notation


def named(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields with their byte strings in hex."""
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}
