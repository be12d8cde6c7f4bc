"""Findings point at the byte."""

from __future__ import annotations

import pytest

from conformance import dcbor
from conformance.judge.where import key_in, value, violation


@pytest.mark.parametrize(
    ("body", "offset"),
    [
        ("a203040102", 3),  # keys descend
        ("a1001817", 3),  # 23 in two bytes
        ("83010203" + "ff", 4),  # a byte behind the item
        ("a10000f6", 3),
        ("8201", 1),  # one element is missing: the last byte that is there
        ("82019f01ff", 2),  # an indefinite length
        ("a1f60f", 1),  # a key that is no integer
        ("8261ffff", 2),  # not UTF-8
        ("c000", 0),  # a tag
        ("", 0),
    ],
)
def test_a_violation_is_where_a_reader_stops(body: str, offset: int) -> None:
    data = bytes.fromhex(body)
    with pytest.raises(dcbor.NotDeterministicError):
        dcbor.scan(data)
    assert violation(data) == offset


def test_a_value_is_found_through_maps_arrays_and_byte_strings() -> None:
    inner = {0: 1, 2: b"binding", 5: [7, 8]}
    body = dcbor.encode([dcbor.encode(inner), b"signature"])
    assert body[value(body, 0, 2) :].startswith(b"binding")
    assert body[value(body, 1) :] == b"signature"
    assert body[value(body, 0, 5, 1)] == 8
    assert value(body) == 0
    assert value(body, 0, 4) == value(body, 0), "what is missing is where its map begins"
    assert body[value(body, 0)] == 0xA3


def test_the_key_of_a_complaint_is_read() -> None:
    assert key_in("no key 3") == key_in("key 3") == key_in("unknown key 3") == (3,)
    assert key_in("no map") == ()
