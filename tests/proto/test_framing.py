"""Frames on a stream: the same events however the bytes are cut, and limits before anything is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycellm_proto import limits
from mycellm_proto.errors import ErrorCode, RemoteProtocolError
from mycellm_proto.frames import LIMITS, FrameType
from mycellm_proto.framing import MAX_VARINT, FrameReader, RawFrame, encode_frame, encode_varint

from .strategies import mutated, sliced

TYPES = st.sampled_from(list(FrameType)) | st.integers(0, MAX_VARINT)
FRAMES = st.lists(st.tuples(TYPES, st.binary(max_size=80)), min_size=1, max_size=5)


def reader() -> FrameReader:
    return FrameReader(LIMITS, limits.MAX_SMALL)


def read(*slices: bytes) -> tuple[list[RawFrame], str | None, int]:
    """The frames of a stream, the requirement that it broke if any, and what is left in the buffer."""
    frames: list[RawFrame] = []
    kept = reader()
    try:
        for data in slices:
            for frame in kept.feed(data):
                frames.append(frame)  # noqa: PERF402 - those before a refusal count too
    except RemoteProtocolError as error:
        return frames, error.requirement, 0
    return frames, None, kept.buffered


@given(FRAMES, st.data())
def test_every_way_to_cut_a_stream_gives_the_same_frames(frames: list[tuple[int, bytes]], draw: st.DataObject) -> None:
    parts = [encode_frame(kind, body) for kind, body in frames]
    expected = [
        RawFrame(type=kind, body=body, size=len(part)) for (kind, body), part in zip(frames, parts, strict=True)
    ]
    stream = b"".join(parts)
    assert read(stream) == (expected, None, 0)
    assert read(*(stream[i : i + 1] for i in range(len(stream)))) == (expected, None, 0)
    assert read(*draw.draw(sliced(stream))) == (expected, None, 0)


@given(FRAMES, st.data())
def test_a_tail_waits_for_its_rest(frames: list[tuple[int, bytes]], draw: st.DataObject) -> None:
    parts = [encode_frame(kind, body) for kind, body in frames]
    whole, last = b"".join(parts[:-1]), parts[-1]
    tail = last[: draw.draw(st.integers(0, len(last) - 1))]
    found, broken, buffered = read(*draw.draw(sliced(whole + tail)))
    assert (len(found), broken, buffered) == (len(parts) - 1, None, len(tail))


@given(FRAMES.map(lambda frames: b"".join(encode_frame(*frame) for frame in frames)).flatmap(mutated), st.data())
def test_broken_streams_break_alike_however_they_are_cut(stream: bytes, draw: st.DataObject) -> None:
    expected = read(stream)
    assert read(*(stream[i : i + 1] for i in range(len(stream)))) == expected
    assert read(*draw.draw(sliced(stream))) == expected


@given(st.binary(max_size=200), st.data())
def test_any_bytes_are_frames_a_tail_or_a_refusal(stream: bytes, draw: st.DataObject) -> None:
    assert read(*draw.draw(sliced(stream))) == read(stream)


@given(st.integers(0, MAX_VARINT))
def test_varints_are_the_shortest(value: int) -> None:
    data = encode_varint(value)
    assert len(data) == 1 + (value >= 1 << 6) + 2 * (value >= 1 << 14) + 4 * (value >= 1 << 30)
    (frame,) = reader().feed(b"\0" + data)
    assert frame == RawFrame(type=value, body=b"", size=1 + len(data))


@pytest.mark.parametrize("value", [MAX_VARINT + 1, 1 << 64])
def test_a_varint_has_62_bits(value: int) -> None:
    with pytest.raises(ValueError, match="62"):
        encode_varint(value)


@pytest.mark.parametrize("head", ["4000", "403f", "80000000", "80003fff", "c000000000000000", "c00000003fffffff"])
def test_a_longer_form_is_refused_as_length_and_as_type(head: str) -> None:
    for stream in (bytes.fromhex(head), b"\0" + bytes.fromhex(head)):
        for size in (1, len(stream)):
            slices = [stream[i : i + size] for i in range(0, len(stream), size)]
            assert read(*slices) == ([], "FRM-003", 0)


@pytest.mark.parametrize("form", ["40 40", "7f ff", "80 00 40 00", "bf ff ff ff", "c0 00 00 00 40 00 00 00"])
def test_the_least_and_most_of_each_form_are_types(form: str) -> None:
    assert len(read(b"\0" + bytes.fromhex(form))[0]) == 1


@pytest.mark.parametrize("kind", [*LIMITS, 7, 30, 65, 15_875, MAX_VARINT])
def test_a_limit_holds_at_the_head_before_the_body_is_there(kind: int) -> None:
    most = LIMITS.get(kind, limits.MAX_SMALL)
    head = encode_varint(most) + encode_varint(kind)
    assert read(head, bytes(most))[0] == [RawFrame(type=kind, body=bytes(most), size=len(head) + most)]
    with pytest.raises(RemoteProtocolError) as refused:
        list(reader().feed(encode_varint(most + 1) + encode_varint(kind)))
    assert refused.value.code is ErrorCode.FRAME_TOO_LARGE


def test_the_largest_claim_is_refused_at_once() -> None:
    assert read(encode_varint(MAX_VARINT) + b"\x06") == ([], "FRM-005", 0)


def test_every_registered_type_has_a_limit() -> None:
    assert set(LIMITS) == set(FrameType)
    assert max(LIMITS.values()) <= limits.MAX_BUFFERED


def test_frames_before_a_broken_one_are_read() -> None:
    stream = encode_frame(10, b"a") + encode_frame(12, b"b") + b"\x40\x00" + encode_frame(14, b"c")
    found, broken, _ = read(stream)
    assert [frame.body for frame in found] == [b"a", b"b"]
    assert broken == "FRM-003"


def test_a_reader_keeps_no_more_than_one_frame() -> None:
    kept = reader()
    most = LIMITS[FrameType.CHUNK]
    piece = encode_frame(FrameType.CHUNK, bytes(most))
    for _ in range(20):
        for at in range(0, len(piece), 1000):
            list(kept.feed(piece[at : at + 1000]))
            assert kept.buffered < len(piece)
    assert kept.buffered == 0
