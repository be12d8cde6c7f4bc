"""The codec's law: one value, one encoding, and nothing else decodes."""

from __future__ import annotations

import struct
import tracemalloc
from enum import IntEnum

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mycellm_proto import codec
from mycellm_proto.codec import MAX_DEPTH, MAX_ITEMS, EncodingError, Reason, decode, encode, head
from mycellm_proto.errors import ErrorCode

from .strategies import VALUES, mutated


def nested(depth: int) -> codec.Value:
    value: codec.Value = []
    for _ in range(depth - 1):
        value = [value]
    return value


def same(a: codec.Value, b: codec.Value) -> bool:
    """Equal, and of equal types all the way down: 1 == True, but they are two values."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def accepts(data: bytes) -> bool:
    """Whether ``data`` decodes; if it does, the law must hold."""
    try:
        value = decode(data)
    except EncodingError:
        return False
    assert encode(value) == data
    return True


@given(VALUES)
def test_what_is_encoded_decodes_to_itself(value: codec.Value) -> None:
    data = encode(value)
    assert decode(data) == value
    assert same(decode(data), value)


@given(VALUES)
def test_cbor2_agrees_on_every_value(value: codec.Value) -> None:
    data = encode(value)
    assert cbor2.dumps(value, canonical=True) == data
    assert cbor2.loads(data) == value


@given(st.binary(max_size=64))
@example(bytes.fromhex("a201000100"))
@example(bytes.fromhex("a2020001f6"))
@example(bytes.fromhex("1817"))
@example(bytes.fromhex("f97e00"))
def test_what_decodes_encodes_to_the_same_bytes(data: bytes) -> None:
    if accepts(data):
        assert cbor2.dumps(cbor2.loads(data), canonical=True) == data


@given(VALUES.map(encode).flatmap(mutated))
def test_a_mutated_encoding_is_refused_or_is_the_encoding_of_another_value(data: bytes) -> None:
    accepts(data)


@given(VALUES.map(encode))
def test_every_prefix_and_every_tail_is_refused(data: bytes) -> None:
    for cut in range(len(data)):
        with pytest.raises(EncodingError) as cut_short:
            decode(data[:cut])
        assert cut_short.value.reason is Reason.TRUNCATED
    with pytest.raises(EncodingError) as tailed:
        decode(data + b"\0")
    assert tailed.value.reason is Reason.TRAILING_BYTES


REFUSED = [
    ("", Reason.TRUNCATED),
    ("18", Reason.TRUNCATED),
    ("1901", Reason.TRUNCATED),
    ("1a000100", Reason.TRUNCATED),
    ("1b00000001000000", Reason.TRUNCATED),
    ("42ff", Reason.TRUNCATED),
    ("62c3", Reason.TRUNCATED),
    ("8201", Reason.TRUNCATED),
    ("a1", Reason.TRUNCATED),
    ("a101", Reason.TRUNCATED),
    ("a118", Reason.TRUNCATED),
    ("5bffffffffffffffff", Reason.TRUNCATED),
    ("7a7fffffff", Reason.TRUNCATED),
    ("9a00010000", Reason.TRUNCATED),
    ("ba00010000", Reason.TRUNCATED),
    ("0000", Reason.TRAILING_BYTES),
    ("a000", Reason.TRAILING_BYTES),
    ("1817", Reason.NOT_SHORTEST),
    ("1900ff", Reason.NOT_SHORTEST),
    ("1a0000ffff", Reason.NOT_SHORTEST),
    ("1b00000000ffffffff", Reason.NOT_SHORTEST),
    ("3817", Reason.NOT_SHORTEST),
    ("5800", Reason.NOT_SHORTEST),
    ("7800", Reason.NOT_SHORTEST),
    ("9800", Reason.NOT_SHORTEST),
    ("b800", Reason.NOT_SHORTEST),
    ("a1180000", Reason.NOT_SHORTEST),
    ("a201000000", Reason.KEY_ORDER),
    ("a201000100", Reason.KEY_ORDER),
    ("a218180000", Reason.KEY_ORDER),
    ("a12000", Reason.KEY_TYPE),
    ("a1616100", Reason.KEY_TYPE),
    ("a14100", Reason.KEY_TYPE),
    ("a18000", Reason.KEY_TYPE),
    ("a1f400", Reason.KEY_TYPE),
    ("a1ff00", Reason.KEY_TYPE),
    ("c000", Reason.FORBIDDEN_TYPE),
    ("d9d9f700", Reason.FORBIDDEN_TYPE),
    ("c249010000000000000000", Reason.FORBIDDEN_TYPE),
    ("f7", Reason.FORBIDDEN_TYPE),
    ("e0", Reason.FORBIDDEN_TYPE),
    ("f820", Reason.FORBIDDEN_TYPE),
    ("f90000", Reason.FORBIDDEN_TYPE),
    ("f97e00", Reason.FORBIDDEN_TYPE),
    ("fa7fc00000", Reason.FORBIDDEN_TYPE),
    ("fb3ff0000000000000", Reason.FORBIDDEN_TYPE),
    ("ff", Reason.FORBIDDEN_TYPE),
    ("5f4100ff", Reason.INDEFINITE),
    ("7f6100ff", Reason.INDEFINITE),
    ("9fff", Reason.INDEFINITE),
    ("bfff", Reason.INDEFINITE),
    ("1f", Reason.INDEFINITE),
    ("1c", Reason.INDEFINITE),
    ("a11f00", Reason.INDEFINITE),
    ("61ff", Reason.BAD_UTF8),
    ("62c080", Reason.BAD_UTF8),
    ("63eda080", Reason.BAD_UTF8),
    ("64f4908080", Reason.BAD_UTF8),
    ("81" * 17 + "00", Reason.TOO_DEEP),
    ("a100" * 17 + "00", Reason.TOO_DEEP),
    ("9b0000000100000000", Reason.TOO_MANY_ITEMS),
    ("bbffffffffffffffff", Reason.TOO_MANY_ITEMS),
    ("9a00010001", Reason.TOO_MANY_ITEMS),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_each_refusal_has_its_reason(text: str, reason: Reason) -> None:
    with pytest.raises(EncodingError) as refused:
        decode(bytes.fromhex(text))
    assert refused.value.reason is reason
    assert (refused.value.code, refused.value.requirement) == (ErrorCode.ENCODING, reason.requirement)


def test_every_reason_is_reached_and_has_a_name_of_its_own() -> None:
    assert {reason for _, reason in REFUSED} == set(Reason)
    assert len({reason.slug for reason in Reason}) == len({reason.requirement for reason in Reason}) == len(Reason)


@given(st.integers(0, 7), st.integers(0, (1 << 64) - 1))
def test_a_head_is_the_shortest_that_cbor_has(major: int, argument: int) -> None:
    data = head(major, argument)
    assert len(data) == 1 + sum(argument >= least for least in (24, 1 << 8)) + 2 * (argument >= 1 << 16) + 4 * (
        argument >= 1 << 32
    )
    if len(data) > 1:
        assert int.from_bytes(data[1:], "big") == argument


@pytest.mark.parametrize("edge", [23, 24, 255, 256, 65_535, 65_536, (1 << 32) - 1, 1 << 32, (1 << 64) - 1])
@pytest.mark.parametrize("sign", [0, 1])
def test_integers_around_every_width(edge: int, sign: int) -> None:
    value = -1 - edge if sign else edge
    data = encode(value)
    assert decode(data) == value
    assert cbor2.loads(data) == value


def test_the_deepest_value_decodes_and_one_more_does_not() -> None:
    assert decode(encode(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    with pytest.raises(EncodingError) as refused:
        decode(b"\x81" * MAX_DEPTH + b"\x80")
    assert refused.value.reason is Reason.TOO_DEEP
    with pytest.raises(ValueError, match="deep"):
        encode(nested(MAX_DEPTH + 1))
    with pytest.raises(ValueError, match="deep"):
        encode({0: nested(MAX_DEPTH)})


def test_most_items_decode_and_one_more_does_not() -> None:
    most: list[codec.Value] = [0] * (MAX_ITEMS - 1)
    assert decode(encode([most])) == [most]
    with pytest.raises(ValueError, match="items"):
        encode([[*most, 0]])
    with pytest.raises(EncodingError) as refused:
        decode(b"\x81" + head(4, MAX_ITEMS) + bytes(MAX_ITEMS))
    assert refused.value.reason is Reason.TOO_MANY_ITEMS


def test_a_nest_of_thousands_ends_without_recursion() -> None:
    for initial in (b"\x81", b"\xa1\x00", b"\x9f", b"\xc0", b"\xd9\xd9\xf7"):
        with pytest.raises(EncodingError):
            decode(initial * 100_000)


@pytest.mark.parametrize("data", [b"\x9a\x00\x01\x00\x00", b"\xba\x00\x01\x00\x00", b"\x5b" + b"\xff" * 8])
def test_a_claimed_length_allocates_nothing(data: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(EncodingError):
        decode(data + bytes(16))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16_384


def test_memory_stays_within_a_hundred_times_the_input() -> None:
    for element in (b"\x80", b"\xa0", b"\x40", b"\x18\xff", b"\x3a\xff\xff\xff\xff"):
        data = head(4, MAX_ITEMS) + element * MAX_ITEMS
        tracemalloc.start()
        value = decode(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert isinstance(value, list)
        assert peak < 100 * len(data)


class Registered(IntEnum):
    ONE = 1


def test_registered_integers_are_integers() -> None:
    assert encode({0: Registered.ONE}) == bytes.fromhex("a10001")


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        {"a": 1},
        {-1: 0},
        {True: 0},
        {Registered.ONE: 0},
        {None: 0},
        {0: 0, "a": 0},
        1 << 64,
        -1 - (1 << 64),
        object(),
        {1, 2},
        bytearray(b"x"),
        memoryview(b"x"),
        "\ud800",
        cbor2.CBORTag(1, 0),
        cbor2.undefined,
        [[1.5]],
        {0: {0: {1.5: 0}}},
    ],
)
def test_what_the_profile_lacks_is_not_encoded(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [1.5, float("nan"), -0.0, struct.unpack(">e", b"\x7c\x00")[0]])
def test_no_float_decodes(value: float) -> None:
    for data in (cbor2.dumps(value), cbor2.dumps(value, canonical=True)):
        with pytest.raises(EncodingError) as refused:
            decode(data)
        assert refused.value.reason is Reason.FORBIDDEN_TYPE
