"""Family ``framing``: variable-length integers, frames on a stream, and what may come first."""

from __future__ import annotations

from collections.abc import Iterable

from mycellm_proto import limits
from mycellm_proto.errors import ErrorCode
from mycellm_proto.frames import LIMITS, FrameType
from mycellm_proto.framing import MAX_VARINT, FrameReader, RawFrame, encode_frame, encode_varint

from .family import HEX, HEX_PARTS, INTEGER, NUMBER, DisagreementError, Family, Json, accept, case, record, reject
from .notation import noted

_INTEGERS = (0, 1, 63, 64, 16_383, 16_384, (1 << 30) - 1, 1 << 30, MAX_VARINT)

# 7 is no registered type, and the limit of such types applies.
_TYPES = (*FrameType, 7)


def _read(data: bytes, slices: Iterable[bytes] | None = None) -> tuple[list[RawFrame], int]:
    reader = FrameReader(LIMITS, limits.MAX_SMALL)
    frames = [frame for piece in slices or (data,) for frame in reader.feed(piece)]
    return frames, reader.buffered


def _stream(slug: str, requirements: str, data: bytes) -> dict[str, Json]:
    frames, pending = _read(data)
    if (frames, pending) != _read(data, (data[i : i + 1] for i in range(len(data)))):
        raise DisagreementError(f"{slug}: slicing matters")
    shown: list[Json] = [{"type": noted(frame.type), "body": frame.body.hex()} for frame in frames]
    return case(slug, requirements, hex=data.hex(), expect=accept(frames=shown, pending=pending))


def _refused(slug: str, requirement: str, data: bytes, code: ErrorCode) -> dict[str, Json]:
    return case(slug, requirement, hex=data.hex(), expect=reject(lambda: _read(data), code, requirement))


def _name(kind: int) -> str:
    return kind.name.lower() if isinstance(kind, FrameType) else f"type-{kind}"


def _cases() -> list[dict[str, Json]]:
    made = [
        _stream(f"accept-length-and-type-{value}", "FRM-002~1", encode_frame(value, b"\xa0"))
        for value in _INTEGERS
        if value != FrameType.HELLO
    ]
    made += [
        _stream("accept-nothing", "FRM-001~1", b""),
        _stream("accept-empty-body", "FRM-001~1", encode_frame(65, b"")),
        _stream("accept-two-frames", "FRM-001~1", encode_frame(10, b"\xa0") + encode_frame(12, b"\xf6")),
        _stream("accept-body-of-63-bytes", "FRM-001~1", encode_frame(10, bytes(63))),
        _stream("accept-body-of-64-bytes", "FRM-001~1", encode_frame(10, bytes(64))),
        _stream("accept-head-cut-in-length", "FRM-001~1", b"\x40"),
        _stream("accept-head-cut-before-type", "FRM-001~1", b"\x05"),
        _stream("accept-head-cut-in-type", "FRM-001~1", b"\x05\x40"),
        _stream("accept-body-cut", "FRM-001~1", encode_frame(10, b"\xa2\x00\x61\x61\x01\x01")[:-1]),
        _stream("accept-frame-then-cut", "FRM-001~1", encode_frame(10, b"\xa0") + b"\x01"),
    ]
    made += [_stream(f"accept-{_name(kind)}-at-its-limit", "FRM-005~1", _head(kind, 0)) for kind in _TYPES]
    made += [
        _refused(f"reject-{_name(kind)}-above-its-limit", "FRM-005~1", _head(kind, 1), ErrorCode.FRAME_TOO_LARGE)
        for kind in _TYPES
    ]
    made += [
        _refused(slug, "FRM-003~1", bytes.fromhex(data), ErrorCode.ENCODING)
        for slug, data in (
            ("reject-length-0-in-two-bytes", "400041"),
            ("reject-length-63-in-two-bytes", "403f0a"),
            ("reject-length-16383-in-four-bytes", "80003fff0a"),
            ("reject-length-in-eight-bytes", "c00000003fffffff0a"),
            ("reject-type-10-in-two-bytes", "01400aa0"),
            ("reject-type-10-in-four-bytes", "018000000aa0"),
            ("reject-type-10-in-eight-bytes", "01c00000000000000aa0"),
            ("reject-second-frame", "010aa04001"),
        )
    ]
    made.append(
        _refused(
            "reject-length-of-2-62",
            "FRM-005~1",
            encode_varint(MAX_VARINT) + encode_varint(FrameType.REQUEST),
            ErrorCode.FRAME_TOO_LARGE,
        )
    )
    return made


def _head(kind: int, beyond: int) -> bytes:
    """The head of a frame whose body is so many bytes beyond its limit, and no byte of that body."""
    return encode_varint(LIMITS.get(kind, limits.MAX_SMALL) + beyond) + encode_varint(kind)


FAMILY = Family(
    name="framing",
    description="Bytes of a stream, cut into frames: length, type, body.",
    notes=(
        "Accepted: reading hex gives these frames, and pending bytes are left that wait for more. A type from 2^53 on"
        " is in the notation of README.md.",
        "Rejected: reading hex fails with the code, which closes the connection. A frame above its limit fails at its"
        " head: the hex ends there, and waiting for the body would be wrong.",
    ),
    verification=(
        "Feed hex to the reader of a stream, whole and byte by byte: the outcome is the same.",
        "A reader that fails does so at the last byte of hex, and does not wait for more.",
        "Bodies are not looked into: see the family frames.",
    ),
    schema={
        "hex": HEX_PARTS,
        "expect": {
            "anyOf": [
                record(
                    verdict={"const": "accept"},
                    frames={"type": "array", "items": record(type=INTEGER, body=HEX)},
                    pending=NUMBER,
                ),
                record(verdict={"const": "reject"}, code={"enum": ["ENCODING", "FRAME_TOO_LARGE"]}),
            ]
        },
    },
    cases=_cases,
)
